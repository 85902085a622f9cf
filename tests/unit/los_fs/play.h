/* SPDX-License-Identifier: Apache-2.0 */
/* Playing the application: system calls by name with strings and buffers of the test. */
#ifndef CASEMATE_TESTS_LOS_FS_PLAY_H
#define CASEMATE_TESTS_LOS_FS_PLAY_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "guest/fs/fs.h"
#include "guest/mm/mm.h"
#include "guest/standin/standin.h"
#include "guest/sys/sys.h"
#include "guest/task/task.h"

#define CALL(name, ...) sys_##name((const uint64_t[6]){__VA_ARGS__})
#define FDCWD ((uint64_t)AT_FDCWD_)

/* Application memory for one string or buffer; each test is a process of its own, so nothing is given back. */
static inline uint64_t str(const char *s) { return standin_user_string(s); }
static inline uint64_t room(size_t size) { return standin_user_alloc(size + 1); }

static inline int fs_open(const char *path, uint32_t flags, uint32_t mode)
{
    return (int)CALL(openat, FDCWD, str(path), flags, mode);
}

static inline int64_t put_bytes(int fd, const void *bytes, size_t len)
{
    uint64_t va = room(len);
    cr_assert_eq(copy_to_user(va, bytes, len), 0);
    return CALL(write, (uint64_t)fd, va, len);
}
static inline int64_t put_text(int fd, const char *s) { return put_bytes(fd, s, strlen(s)); }

static inline int64_t get_bytes(int fd, void *to, size_t len)
{
    uint64_t va = room(len);
    int64_t n = CALL(read, (uint64_t)fd, va, len);
    if (n > 0) { cr_assert_eq(copy_from_user(to, va, (size_t)n), 0); }
    return n;
}

/* Up to 4095 bytes of the file, terminated; "" and a failed test when it cannot be read. */
static inline const char *text_of(const char *path)
{
    static char buf[65536];
    size_t len = 0;
    int fd = fs_open(path, LO_RDONLY, 0);
    cr_assert_geq(fd, 0, "%s: %d", path, fd);
    for (int64_t n; len < sizeof buf - 1 && (n = get_bytes(fd, buf + len, sizeof buf - 1 - len)) > 0;) { len += (size_t)n; }
    buf[len] = 0;
    CALL(close, (uint64_t)fd);
    return buf;
}

static inline void make_file(const char *path, const char *text)
{
    int fd = fs_open(path, LO_WRONLY | LO_CREAT | LO_TRUNC, 0644);
    cr_assert_geq(fd, 0, "%s: %d", path, fd);
    cr_assert_eq(put_text(fd, text), (int64_t)strlen(text));
    CALL(close, (uint64_t)fd);
}

struct stat_view {
    uint64_t dev, ino, nlink;
    uint32_t mode, uid, gid, pad;
    uint64_t rdev;
    int64_t size, blksize, blocks;
    uint64_t times[6];
    int64_t unused[3];
};
static inline int64_t stat_of(const char *path, struct stat_view *out, uint64_t flags)
{
    uint64_t va = room(sizeof *out);
    int64_t r = CALL(newfstatat, FDCWD, str(path), va, flags);
    if (r == 0) { cr_assert_eq(copy_from_user(out, va, sizeof *out), 0); }
    return r;
}

static inline void become(uint32_t uid, uint32_t gid)
{
    struct cred *c = &current_proc()->cred;
    c->ruid = c->euid = c->suid = c->fsuid = uid;
    c->rgid = c->egid = c->sgid = c->fsgid = gid;
    c->groups_count = 0;
    if (uid != 0) { c->cap_effective = c->cap_permitted = 0; }
}

#endif
