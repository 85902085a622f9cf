/* SPDX-License-Identifier: Apache-2.0 */
/* libs: los */
/* ldlibs: -lfdt */
/*
 * Path walks. The input is a script of lines: the first byte of each chooses a call, the rest is its path (or two, at the
 * first blank). Whatever happens, a process that is confined to /jail never reaches /secret, and every reference comes
 * back: removing the tree afterwards gives its memory back.
 */
#include <stdlib.h>
#include <string.h>

#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/standin/standin.h"
#include "guest/sys/sys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CALL(name, ...) sys_##name((const uint64_t[6]){__VA_ARGS__})
#define FDCWD           ((uint64_t)AT_FDCWD_)

static uint64_t one_va, two_va, stat_va;
static uint64_t secret_ino;

static void require(bool ok)
{
    if (!ok) { abort(); }
}

static void set_path(uint64_t va, const char *s, size_t len)
{
    require(copy_to_user(va, s, len) == 0 && copy_to_user(va + len, "", 1) == 0);
}

static void start(void)
{
    standin_boot_with(RAM_MIN, false);
    one_va = standin_user_alloc(8192);
    two_va = standin_user_alloc(8192);
    stat_va = standin_user_alloc(144);
    set_path(one_va, "/secret", 7);
    require(CALL(mkdir, one_va, 0700) == 0);
    require(CALL(newfstatat, FDCWD, one_va, stat_va, 0) == 0);
    require(get_user_u64(stat_va + 8, &secret_ino) == 0);
    set_path(one_va, "/jail", 5);
    require(CALL(mkdir, one_va, 0755) == 0);
    require(CALL(chroot, one_va) == 0);
    set_path(one_va, "/", 1);
    require(CALL(chdir, one_va) == 0);
}

static void look(uint64_t flags)
{
    uint64_t ino;
    if (CALL(newfstatat, FDCWD, one_va, stat_va, flags) != 0) { return; }
    require(get_user_u64(stat_va + 8, &ino) == 0);
    require(ino != secret_ino);
}

static void step(uint8_t op)
{
    int64_t fd;

    switch (op % 10) {
    case 0: (void)CALL(mkdir, one_va, 0755); break;
    case 1: (void)CALL(symlink, one_va, two_va); break;
    case 2: (void)CALL(rename, one_va, two_va); break;
    case 3: (void)CALL(renameat2, FDCWD, one_va, FDCWD, two_va, 2); break;
    case 4: (void)CALL(unlink, one_va); break;
    case 5: (void)CALL(rmdir, one_va); break;
    case 6: (void)CALL(chdir, one_va); break;
    case 7: (void)CALL(link, one_va, two_va); break;
    case 8:
        fd = CALL(openat, FDCWD, one_va, LO_RDWR | LO_CREAT | LO_NONBLOCK, 0644);
        if (fd >= 0) { require(CALL(close, (uint64_t)fd) == 0); }
        break;
    default: look(op & 16 ? 0x100 : 0); break;
    }
}

/* Everything below dir goes, deepest first. */
static void clear(struct dentry *dir)
{
    LIST_EACH_SAFE (l, &dir->names->children) {
        struct dentry *d = LIST_ENTRY(l, struct dentry, sibling);
        if (d->names) { clear(d); }
        dentry_unlink(d);
    }
    require(dir->names->count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    const char *at = (const char *)data, *end = at + size;

    if (!started) { start(); }
    started = true;
    struct fsctx *fs = current_proc()->fs;
    for (unsigned steps = 0; at < end && steps < 200; steps++) {
        const char *eol = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((eol ? eol : end) - at);
        if (len > 1 && len < 8000) {
            const char *blank = memchr(at + 1, ' ', len - 1);
            size_t first = blank ? (size_t)(blank - at - 1) : len - 1;
            set_path(one_va, at + 1, first);
            set_path(two_va, blank ? blank + 1 : "x", blank ? len - first - 2 : 1);
            step((uint8_t)*at);
        }
        at = eol ? eol + 1 : end;
    }
    set_path(one_va, "/", 1);
    require(CALL(chdir, one_va) == 0);
    require(dentry_inside(fs->cwd.dentry, fs->root.dentry));
    clear(fs->root.dentry);
    require(fs->root.dentry->refs == 3); /* its name, the root and the working directory */
    return 0;
}
