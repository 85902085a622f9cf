/* SPDX-License-Identifier: Apache-2.0 */
/* Directories list every entry once, also in small pieces, while entries go away; d_type tells the kind. */
#include <dirent.h>

#include "tests/guest/promise.h"

#define FILES 500

struct head {
    uint64_t ino, off;
    uint16_t reclen;
    uint8_t type;
    char name[];
};

/* Reads at most two entries: the inode of the first, the offset behind the last. */
static uint64_t piece(int fd, uint64_t *out_first)
{
    union {
        struct head head;
        char bytes[64];
    } b;
    long n = MUST(syscall(SYS_getdents64, fd, &b, sizeof(b)));
    WANT(n > 0 && n <= (long)sizeof(b));
    *out_first = b.head.ino;
    uint64_t off = 0;
    for (long at = 0; at < n;) {
        struct head h;
        memcpy(&h, b.bytes + at, sizeof(h));
        WANT(h.reclen >= 24 && h.reclen % 8 == 0);
        off = h.off;
        at += h.reclen;
    }
    return off;
}

PROMISE("directories are listed whole")
{
    static bool seen[FILES];
    char name[32];
    scratch();
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "file%d", i);
        put_file(name, "");
    }
    MUST(mkdir("sub", 0755));
    MUST(symlink("x", "link"));
    MUST(mkfifo("fifo", 0600));
    DIR *d = opendir(".");
    WANT(d);
    int kinds = 0, others = 0;
    for (struct dirent *e; (e = readdir(d));) {
        int i;
        if (sscanf(e->d_name, "file%d", &i) == 1) {
            WANT(i >= 0 && i < FILES && !seen[i]);
            WANT_EQ(e->d_type, DT_REG);
            seen[i] = true;
            MUST(unlink(e->d_name)); /* does not disturb the others */
        } else {
            others++;
            kinds += !strcmp(e->d_name, "sub") && e->d_type == DT_DIR;
            kinds += !strcmp(e->d_name, "link") && e->d_type == DT_LNK;
            kinds += !strcmp(e->d_name, "fifo") && e->d_type == DT_FIFO;
            kinds += !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
        }
    }
    for (int i = 0; i < FILES; i++) { WANT(seen[i]); }
    WANT_EQ(kinds, 5);
    WANT_EQ(others, 5);
    rewinddir(d);
    int left = 0;
    while (readdir(d)) { left++; }
    WANT_EQ(left, 5);
    char tiny[8];
    int fd = MUST(open(".", O_RDONLY | O_DIRECTORY));
    WANT_ERR(syscall(SYS_getdents64, fd, tiny, sizeof(tiny)), EINVAL);
    WANT_ERR(syscall(SYS_getdents64, MUST(open("/proc/self/exe", O_RDONLY)), tiny, sizeof(tiny)),
             ENOTDIR);
    /* Small pieces, and a position that can be returned to. */
    uint64_t first, second, again, off;
    off = piece(fd, &first);
    piece(fd, &second);
    MUST(lseek(fd, (off_t)off, SEEK_SET));
    piece(fd, &again);
    WANT_EQ(again, second);
    MUST(lseek(fd, 0, SEEK_SET));
    piece(fd, &again);
    WANT_EQ(again, first);
    MUST(rmdir("sub"));
    closedir(d);
}
