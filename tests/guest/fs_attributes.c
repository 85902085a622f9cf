/* SPDX-License-Identifier: Apache-2.0 */
/* Modes, owners, times and link counts: what each call changes, and what stat and statx show. */
#include <sys/time.h>
#include <time.h>

#include "tests/guest/promise.h"

PROMISE("attributes are kept")
{
    struct stat st;
    scratch();
    umask(0);
    put_file("f", "x");
    MUST(chmod("f", 04751));
    MUST(stat("f", &st));
    WANT_EQ(st.st_mode, S_IFREG | 04751);
    MUST(chown("f", 1000, 1001));
    MUST(stat("f", &st));
    WANT_EQ(st.st_uid, 1000);
    WANT_EQ(st.st_gid, 1001);
    WANT_EQ(st.st_mode & 07777, 0751); /* a new owner drops the set-uid bit */
    MUST(chown("f", -1, 5));
    MUST(stat("f", &st));
    WANT_EQ(st.st_uid, 1000);
    WANT_EQ(st.st_gid, 5);
    struct timespec t[2] = {{1000000000, 123456789}, {0, UTIME_OMIT}};
    struct timespec before = st.st_mtim;
    MUST(utimensat(AT_FDCWD, "f", t, 0));
    MUST(stat("f", &st));
    WANT_EQ(st.st_atim.tv_sec, 1000000000);
    WANT_EQ(st.st_atim.tv_nsec, 123456789);
    WANT_EQ(st.st_mtim.tv_nsec, before.tv_nsec);
    int fd = MUST(open("f", O_RDWR));
    t[0] = (struct timespec){2000000000, 1};
    t[1] = (struct timespec){2000000001, 2};
    MUST(futimens(fd, t));
    MUST(fstat(fd, &st));
    WANT_EQ(st.st_mtim.tv_sec, 2000000001);
    MUST(utimensat(AT_FDCWD, "f", NULL, 0));
    MUST(fstat(fd, &st));
    WANT(st.st_mtim.tv_sec < 2000000001 && st.st_mtim.tv_sec > 1600000000);
    time_t now = time(NULL);
    WANT(st.st_mtim.tv_sec <= now && st.st_mtim.tv_sec >= now - 60);
    MUST(futimens(fd, t));
    WANT_EQ(write(fd, "y", 1), 1); /* a write is news */
    MUST(fstat(fd, &st));
    WANT(st.st_mtim.tv_sec < 2000000001);

    MUST(mkdir("d", 0777));
    MUST(stat("d", &st));
    nlink_t links = st.st_nlink;
    MUST(mkdir("d/e", 0700));
    MUST(stat("d", &st));
    WANT(st.st_nlink == links + 1 || (st.st_nlink == 1 && links == 1));
    MUST(fchmod(fd, 0600));
    MUST(fchmodat(AT_FDCWD, "d", 0711, 0));
    MUST(stat("d", &st));
    WANT_EQ(st.st_mode, S_IFDIR | 0711);
    umask(077);
    put_file("g", "");
    MUST(stat("g", &st));
    WANT_EQ(st.st_mode & 07777, 0600);
    MUST(symlink("f", "l"));
    MUST(fchownat(AT_FDCWD, "l", 7, 7, AT_SYMLINK_NOFOLLOW));
    MUST(lstat("l", &st));
    WANT_EQ(st.st_uid, 7);
    MUST(stat("l", &st));
    WANT_EQ(st.st_uid, 1000);
    uint8_t x[256] = {0}; /* struct statx: mask at 0, nlink 16, mode 28, size 40 */
    MUST(syscall(SYS_statx, AT_FDCWD, "f", 0, 0x7ff, x));
    WANT_EQ(*(uint16_t *)(x + 28), S_IFREG | 0600);
    WANT_EQ(*(uint64_t *)(x + 40), 1);
    WANT_EQ(*(uint32_t *)x & 0x7ff, 0x7ff);
    memset(x, 0, sizeof(x));
    MUST(syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0x7ff, x));
    WANT_EQ(*(uint32_t *)(x + 16), 1);
}
