/* SPDX-License-Identifier: Apache-2.0 */
/* Open files: offsets, sizes, locks, seals, attributes, descriptors. */
#include "tests/unit/los_fs/play.h"

static void boot(void) { standin_boot(); }
TestSuite(files, .init = boot, .timeout = 20);

#define RW (LO_RDWR | LO_CREAT)

Test(files, reads_end_at_the_end_and_holes_are_zero)
{
    char buf[16];
    int fd = fs_open("/tmp/f", RW, 0644);
    put_text(fd, "abc");
    cr_assert_eq(CALL(pwrite64, (uint64_t)fd, str("z"), 1, 9000), 1);
    cr_assert_eq(CALL(lseek, (uint64_t)fd, 1, 0), 1);
    cr_assert_eq(get_bytes(fd, buf, 4), 4);
    cr_assert_eq(memcmp(buf, "bc\0\0", 4), 0);
    cr_assert_eq(CALL(lseek, (uint64_t)fd, 0, 2), 9001);
    cr_assert_eq(get_bytes(fd, buf, 4), 0);
    cr_assert_eq(CALL(lseek, (uint64_t)fd, (uint64_t)-2, 0), -EINVAL);
    cr_assert_eq(CALL(lseek, (uint64_t)fd, 0, 9), -EINVAL);
    cr_assert_eq(CALL(lseek, (uint64_t)fd, 5, 3), 5, "SEEK_DATA");
    cr_assert_eq(CALL(lseek, (uint64_t)fd, 5, 4), 9001, "SEEK_HOLE");
    cr_assert_eq(CALL(lseek, (uint64_t)fd, 9001, 3), -ENXIO);
}

Test(files, append_ignores_the_offset)
{
    make_file("/tmp/f", "one");
    int a = fs_open("/tmp/f", LO_WRONLY | LO_APPEND, 0), b = fs_open("/tmp/f", LO_WRONLY, 0);
    put_text(b, "O");
    put_text(a, "two");
    cr_assert_eq(CALL(pwrite64, (uint64_t)a, str("3"), 1, 0), 1,
                 "appended whatever the offset, as Linux does");
    cr_assert_str_eq(text_of("/tmp/f"), "Onetwo3");
}

Test(files, truncation_zeroes_what_comes_back)
{
    make_file("/tmp/f", "0123456789");
    cr_assert_eq(CALL(truncate, str("/tmp/f"), 4), 0);
    cr_assert_eq(CALL(truncate, str("/tmp/f"), 6), 0);
    cr_assert_eq(memcmp(text_of("/tmp/f"), "0123\0\0", 7), 0);
    cr_assert_eq(CALL(truncate, str("/tmp"), 0), -EISDIR);
    cr_assert_eq(CALL(truncate, str("/tmp/f"), (uint64_t)-1), -EINVAL);
    int fd = fs_open("/tmp/f", LO_RDONLY, 0);
    cr_assert_eq(CALL(ftruncate, (uint64_t)fd, 0), -EINVAL);
}

Test(files, access_mode_decides_what_a_descriptor_can_do)
{
    char c;
    make_file("/tmp/f", "x");
    int r = fs_open("/tmp/f", LO_RDONLY, 0), w = fs_open("/tmp/f", LO_WRONLY, 0),
        p = fs_open("/tmp/f", LO_PATH, 0);
    cr_assert_eq(put_text(r, "y"), -EBADF);
    cr_assert_eq(get_bytes(w, &c, 1), -EBADF);
    cr_assert_eq(get_bytes(p, &c, 1), -EBADF);
    cr_assert_eq(CALL(ioctl, (uint64_t)p, 0x5401, 0), -EBADF);
    cr_assert_eq(CALL(ioctl, (uint64_t)r, 0x5401, room(64)), -ENOTTY);
    int d = fs_open("/tmp", LO_RDONLY, 0);
    cr_assert_eq(get_bytes(d, &c, 1), -EISDIR);
    cr_assert_eq(fs_open("/tmp", LO_WRONLY, 0), -EISDIR);
}

Test(files, vectors_are_one_step_and_bounded)
{
    uint64_t iov[6] = {str("ab"), 2, 0, 0, str("cd"), 2}, va = room(sizeof iov);
    int fd = fs_open("/tmp/f", RW, 0644);
    cr_assert_eq(copy_to_user(va, iov, sizeof iov), 0);
    cr_assert_eq(CALL(writev, (uint64_t)fd, va, 3), 4);
    cr_assert_str_eq(text_of("/tmp/f"), "abcd");
    cr_assert_eq(CALL(writev, (uint64_t)fd, va, 1025), -EINVAL);
    cr_assert_eq(CALL(preadv, (uint64_t)fd, va, 3, 2), 2);
    cr_assert_eq(CALL(pwritev2, (uint64_t)fd, va, 3, (uint64_t)-1, 0, 0x100), -EOPNOTSUPP);
    cr_assert_eq(CALL(pwritev2, (uint64_t)fd, va, 3, 0, 0, 16), 4, "RWF_APPEND");
    cr_assert_eq(CALL(lseek, (uint64_t)fd, 0, 2), 8);
}

Test(files, write_that_faults_keeps_only_what_moved)
{
    struct stat_view s;
    uint64_t va = room(4096),
             end =
                 (va + 4096) & ~4095ull; /* what lies behind the buffer's last page is not mapped */
    while (copy_to_user(end, "", 1) == 0) { end += 4096; }
    int fd = fs_open("/tmp/f", RW, 0644);
    cr_assert_eq(CALL(write, (uint64_t)fd, 0x10, 10), -EFAULT);
    stat_of("/tmp/f", &s, 0);
    cr_assert_eq(s.size, 0);
    cr_assert_eq(CALL(write, (uint64_t)fd, end - 7, 100), 7);
    stat_of("/tmp/f", &s, 0);
    cr_assert_eq(s.size, 7);
}

Test(files, write_that_faults_in_a_hole_shows_nothing_of_a_dead_file)
{
    char page[4096], got[4096];
    uint64_t va = room(4096), end = (va + 4096) & ~4095ull;
    while (copy_to_user(end, "", 1) == 0) { end += 4096; }
    memset(page, 'x', sizeof page);
    int dead = fs_open("/tmp/dead", RW, 0644);
    for (int i = 0; i < 64; i++) { cr_assert_eq(put_bytes(dead, page, sizeof page), 4096); }
    int fd = fs_open("/tmp/f", RW, 0644);
    cr_assert_eq(CALL(ftruncate, (uint64_t)fd, 8192), 0);
    cr_assert_eq(CALL(unlink, str("/tmp/dead")), 0);
    cr_assert_eq(CALL(close, (uint64_t)dead), 0);
    cr_assert_eq(CALL(write, (uint64_t)fd, end - 7, 4096), 7);
    cr_assert_eq(CALL(lseek, (uint64_t)fd, 0, 0), 0);
    cr_assert_eq(get_bytes(fd, got, sizeof got), 4096);
    for (size_t i = 7; i < sizeof got; i++) { cr_assert_eq(got[i], 0); }
}

Test(files, file_size_limit_is_a_signal_and_an_error)
{
    current_proc()->rlim[1].cur = 10;
    int fd = fs_open("/tmp/f", RW, 0644);
    cr_assert_eq(put_text(fd, "0123456789abc"), 10);
    current_proc()->action[LSIG_XFSZ - 1].handler = 1;
    cr_assert_eq(put_text(fd, "x"), -EFBIG);
}

Test(files, fallocate_grows_reserves_and_punches)
{
    struct stat_view s;
    int fd = fs_open("/tmp/f", RW, 0644);
    cr_assert_eq(CALL(fallocate, (uint64_t)fd, 0, 0, 10000), 0);
    stat_of("/tmp/f", &s, 0);
    cr_assert_eq(s.size, 10000);
    cr_assert_eq(s.blocks, 24);
    cr_assert_eq(CALL(fallocate, (uint64_t)fd, 3, 0, 4096), 0);
    stat_of("/tmp/f", &s, 0);
    cr_assert_eq(s.blocks, 16);
    cr_assert_eq(CALL(fallocate, (uint64_t)fd, 1, 0, 100000), 0);
    stat_of("/tmp/f", &s, 0);
    cr_assert_eq(s.size, 10000, "KEEP_SIZE keeps it");
    cr_assert_eq(CALL(fallocate, (uint64_t)fd, 8, 0, 4096), -EOPNOTSUPP);
    cr_assert_eq(CALL(fallocate, (uint64_t)fd, 0, 0, 0), -EINVAL);
    cr_assert_eq(CALL(fallocate, (uint64_t)fd, 0, 0, 1ull << 50), -ENOSPC);
    stat_of("/tmp/f", &s, 0);
    cr_assert_eq(s.size, 10000, "a refused request changes nothing");
}

Test(files, full_memory_is_enospc)
{
    uint64_t va = room(1 << 20);
    int fd = fs_open("/tmp/f", RW, 0644);
    int64_t n = 0, sum = 0;
    for (int i = 0; i < 400 && (n = CALL(write, (uint64_t)fd, va, 1 << 20)) > 0; i++) { sum += n; }
    cr_assert_eq(n, -ENOSPC);
    cr_assert_gt(sum, 100ll << 20);
    cr_assert_eq(CALL(ftruncate, (uint64_t)fd, 0), 0);
    cr_assert_eq(CALL(write, (uint64_t)fd, va, 4096), 4096);
}

Test(files, copies_of_many_pages_and_holes_are_exact)
{
    static char block[200000], back[300000];
    for (size_t i = 0; i < sizeof block; i++) { block[i] = (char)(i * 31 >> 3); }
    int in = fs_open("/tmp/from", RW, 0644), out = fs_open("/tmp/to", RW, 0644);
    put_bytes(in, block, sizeof block);
    CALL(ftruncate, (uint64_t)in, 300000);
    CALL(lseek, (uint64_t)in, 5, 0);
    cr_assert_eq(CALL(copy_file_range, (uint64_t)in, 0, (uint64_t)out, 0, 1 << 20, 0), 299995);
    cr_assert_eq(CALL(copy_file_range, (uint64_t)in, 0, (uint64_t)out, 0, 1 << 20, 0), 0);
    CALL(lseek, (uint64_t)out, 0, 0);
    cr_assert_eq(get_bytes(out, back, sizeof back), 299995);
    cr_assert_eq(memcmp(back, block + 5, sizeof block - 5), 0);
    for (size_t i = sizeof block; i < 299995; i++) { cr_assert_eq(back[i], 0); }
}

Test(files, sendfile_and_copy_file_range_move_their_own_offset)
{
    uint64_t off = 2, va = room(8);
    make_file("/tmp/from", "0123456789");
    int in = fs_open("/tmp/from", LO_RDONLY, 0), out = fs_open("/tmp/to", RW, 0644);
    cr_assert_eq(copy_to_user(va, &off, 8), 0);
    cr_assert_eq(CALL(sendfile, (uint64_t)out, (uint64_t)in, va, 3), 3);
    cr_assert_eq(copy_from_user(&off, va, 8), 0);
    cr_assert_eq(off, 5);
    cr_assert_eq(CALL(lseek, (uint64_t)in, 0, 1), 0, "the file's own offset stays");
    cr_assert_eq(CALL(copy_file_range, (uint64_t)in, 0, (uint64_t)out, 0, 4, 0), 4);
    cr_assert_str_eq(text_of("/tmp/to"), "2340123");
    int rw = fs_open("/tmp/from", LO_RDWR, 0);
    cr_assert_eq(CALL(copy_file_range, (uint64_t)in, 0, (uint64_t)rw, 0, 8, 0), -EINVAL, "overlap");
    int shm = fs_open("/dev/shm/x", RW, 0644);
    cr_assert_eq(CALL(copy_file_range, (uint64_t)in, 0, (uint64_t)shm, 0, 8, 0), -EXDEV);
}

/* ---- descriptors ---- */

Test(files, lowest_free_descriptor_is_taken)
{
    int a = fs_open("/tmp", LO_RDONLY, 0), b = fs_open("/tmp", LO_RDONLY, 0),
        c = fs_open("/tmp", LO_RDONLY, 0);
    cr_assert_eq(b, a + 1);
    cr_assert_eq(c, a + 2);
    CALL(close, (uint64_t)a);
    CALL(close, (uint64_t)b);
    cr_assert_eq(CALL(dup, (uint64_t)c), a);
    cr_assert_eq(CALL(fcntl, (uint64_t)c, 0, 600), 600);
    cr_assert_eq(fs_open("/tmp", LO_RDONLY, 0), b);
    cr_assert_eq(CALL(close, (uint64_t)b + 1000), -EBADF);
    cr_assert_eq(CALL(fcntl, (uint64_t)c, 0, 600), 601);
}

Test(files, descriptor_limit_is_emfile)
{
    current_proc()->rlim[7].cur = 5;
    int fd;
    do {
        fd = fs_open("/tmp", LO_RDONLY, 0);
    } while (fd >= 0);
    cr_assert_eq(fd, -EMFILE);
    cr_assert_eq(CALL(dup2, 0, 5), -EBADF);
    cr_assert_eq(CALL(fcntl, 0, 0, 5), -EINVAL);
}

Test(files, dup_shares_the_offset_and_not_cloexec)
{
    int fd = fs_open("/tmp/f", RW | LO_CLOEXEC, 0644);
    int copy = (int)CALL(dup, (uint64_t)fd);
    put_text(fd, "abc");
    cr_assert_eq(CALL(lseek, (uint64_t)copy, 0, 1), 3);
    cr_assert_eq(CALL(fcntl, (uint64_t)fd, 1), 1);
    cr_assert_eq(CALL(fcntl, (uint64_t)copy, 1), 0);
    cr_assert_eq(CALL(dup3, (uint64_t)fd, (uint64_t)fd, 0), -EINVAL);
    cr_assert_eq(CALL(dup2, (uint64_t)fd, (uint64_t)fd), fd);
    cr_assert_eq(CALL(dup3, (uint64_t)fd, 300, LO_CLOEXEC), 300);
    cr_assert_eq(CALL(fcntl, 300, 1), 1);
    cr_assert_eq(CALL(close_range, 290, (uint64_t)-1, 0), 0);
    cr_assert_eq(CALL(fcntl, 300, 1), -EBADF);
}

Test(files, status_flags_change_by_fcntl)
{
    int fd = fs_open("/tmp/f", RW, 0644);
    cr_assert_eq(CALL(fcntl, (uint64_t)fd, 3), LO_RDWR | LO_LARGEFILE);
    cr_assert_eq(CALL(fcntl, (uint64_t)fd, 4, LO_NONBLOCK | LO_APPEND | LO_WRONLY), 0);
    cr_assert_eq(CALL(fcntl, (uint64_t)fd, 3), LO_RDWR | LO_LARGEFILE | LO_NONBLOCK | LO_APPEND);
    cr_assert_eq(CALL(fcntl, (uint64_t)fd, 999), -EINVAL);
}

/* ---- locks ---- */

struct flk {
    int16_t type, whence;
    int32_t pad;
    int64_t start, len;
    int32_t pid, pad2;
};

static int64_t lock(int fd, uint32_t cmd, int type, int64_t start, int64_t len, struct flk *out)
{
    struct flk k = {.type = (int16_t)type, .start = start, .len = len};
    uint64_t va = room(sizeof k);
    cr_assert_eq(copy_to_user(va, &k, sizeof k), 0);
    int64_t r = CALL(fcntl, (uint64_t)fd, cmd, va);
    if (out) { cr_assert_eq(copy_from_user(out, va, sizeof k), 0); }
    return r;
}

Test(files, ofd_locks_belong_to_the_open_file)
{
    struct flk k;
    int a = fs_open("/tmp/f", RW, 0644), b = fs_open("/tmp/f", RW, 0644);
    cr_assert_eq(lock(a, 37, 1, 10, 10, NULL), 0);
    cr_assert_eq(lock(b, 37, 1, 15, 1, NULL), -EAGAIN);
    cr_assert_eq(lock(b, 37, 0, 15, 1, NULL), -EAGAIN);
    cr_assert_eq(lock(b, 37, 1, 20, 5, NULL), 0);
    cr_assert_eq(lock(b, 36, 1, 0, 0, &k), 0);
    cr_assert_eq(k.type, 1);
    cr_assert_eq(k.start, 10);
    cr_assert_eq(k.len, 10);
    cr_assert_eq(k.pid, -1);
    /* a hole in the middle leaves both ends */
    cr_assert_eq(lock(a, 37, 2, 13, 3, NULL), 0);
    cr_assert_eq(lock(b, 37, 1, 13, 3, NULL), 0);
    cr_assert_eq(lock(b, 37, 1, 12, 1, NULL), -EAGAIN);
    cr_assert_eq(lock(b, 37, 1, 16, 1, NULL), -EAGAIN);
    CALL(close, (uint64_t)a);
    cr_assert_eq(lock(b, 37, 1, 0, 0, NULL), 0, "the lock went with the file");
}

Test(files, posix_locks_go_with_any_close)
{
    struct flk k;
    int a = fs_open("/tmp/f", RW, 0644), b = fs_open("/tmp/f", RW, 0644),
        c = fs_open("/tmp/f", RW, 0644);
    cr_assert_eq(lock(a, 6, 1, 0, 0, NULL), 0);
    cr_assert_eq(lock(b, 6, 1, 0, 0, NULL), 0, "the process owns it already");
    cr_assert_eq(lock(c, 37, 1, 0, 1, NULL), -EAGAIN);
    CALL(close, (uint64_t)b);
    cr_assert_eq(lock(c, 36, 1, 0, 0, &k), 0);
    cr_assert_eq(k.type, 2);
}

Test(files, flock_is_per_open_file)
{
    int a = fs_open("/tmp/f", RW, 0644), b = fs_open("/tmp/f", RW, 0644),
        c = (int)CALL(dup, (uint64_t)a);
    cr_assert_eq(CALL(flock, (uint64_t)a, 2 | 4), 0);
    cr_assert_eq(CALL(flock, (uint64_t)b, 1 | 4), -EAGAIN);
    cr_assert_eq(CALL(flock, (uint64_t)c, 2 | 4), 0);
    CALL(close, (uint64_t)a);
    cr_assert_eq(CALL(flock, (uint64_t)b, 1 | 4), -EAGAIN, "the copy keeps it");
    cr_assert_eq(CALL(flock, (uint64_t)c, 8), 0);
    cr_assert_eq(CALL(flock, (uint64_t)b, 1 | 4), 0);
    cr_assert_eq(CALL(flock, (uint64_t)b, 3), -EINVAL);
}

/* ---- memfd, attributes ---- */

Test(files, seals_hold)
{
    int fd = (int)CALL(memfd_create, str("x"), 2);
    put_text(fd, "1234");
    cr_assert_eq(CALL(fcntl, (uint64_t)fd, 1033, 2 | 4), 0);
    cr_assert_eq(CALL(ftruncate, (uint64_t)fd, 2), -EPERM);
    cr_assert_eq(CALL(ftruncate, (uint64_t)fd, 8), -EPERM);
    cr_assert_eq(put_text(fd, "5"), -EPERM);
    cr_assert_eq(CALL(pwrite64, (uint64_t)fd, str("zz"), 2, 3), 1, "up to the end only");
    cr_assert_eq(CALL(fcntl, (uint64_t)fd, 1033, 8 | 1), 0);
    cr_assert_eq(CALL(pwrite64, (uint64_t)fd, str("z"), 1, 0), -EPERM);
    cr_assert_eq(CALL(fcntl, (uint64_t)fd, 1033, 8), -EPERM);
    cr_assert_eq(CALL(fcntl, (uint64_t)fd, 1034), 15);
    int plain = (int)CALL(memfd_create, str("y"), 0);
    cr_assert_eq(CALL(fcntl, (uint64_t)plain, 1033, 8), -EPERM);
    cr_assert_eq(CALL(memfd_create, str("y"), 4), -EINVAL);
}

Test(files, user_attributes_are_kept_and_others_refused)
{
    uint64_t f = str("/tmp/f"), va = room(64);
    char buf[64];
    make_file("/tmp/f", "");
    cr_assert_eq(CALL(setxattr, f, str("user.a"), str("value"), 5, 0), 0);
    cr_assert_eq(CALL(getxattr, f, str("user.a"), 0, 0), 5);
    cr_assert_eq(CALL(getxattr, f, str("user.a"), va, 4), -ERANGE);
    cr_assert_eq(CALL(getxattr, f, str("user.a"), va, 64), 5);
    cr_assert_eq(CALL(setxattr, f, str("user.a"), str("v"), 1, 1), -EEXIST);
    cr_assert_eq(CALL(setxattr, f, str("user.b"), str("v"), 1, 2), -ENODATA);
    cr_assert_eq(CALL(listxattr, f, va, 64), 7);
    cr_assert_eq(copy_from_user(buf, va, 7), 0);
    cr_assert_str_eq(buf, "user.a");
    cr_assert_eq(CALL(getxattr, f, str("security.selinux"), va, 64), -ENODATA);
    cr_assert_eq(CALL(setxattr, f, str("system.posix_acl_access"), str("v"), 1, 0), -EOPNOTSUPP);
    cr_assert_eq(CALL(removexattr, f, str("user.a")), 0);
    cr_assert_eq(CALL(removexattr, f, str("user.a")), -ENODATA);
}

Test(files, times_are_set_and_omitted)
{
    struct stat_view s;
    int64_t t[4] = {5, 6, 0, 0x3ffffffe}; /* mtime: UTIME_OMIT */
    uint64_t va = room(32);
    make_file("/tmp/f", "x");
    stat_of("/tmp/f", &s, 0);
    uint64_t mtime = s.times[2];
    cr_assert_eq(copy_to_user(va, t, 32), 0);
    cr_assert_eq(CALL(utimensat, FDCWD, str("/tmp/f"), va, 0), 0);
    stat_of("/tmp/f", &s, 0);
    cr_assert_eq(s.times[0], 5);
    cr_assert_eq(s.times[1], 6);
    cr_assert_eq(s.times[2], mtime);
    become(5, 5);
    cr_assert_eq(CALL(utimensat, FDCWD, str("/tmp/f"), va, 0), -EPERM);
}

Test(files, chown_by_the_owner_is_limited_and_drops_set_id_bits)
{
    struct stat_view s;
    make_file("/tmp/f", "x");
    CALL(chown, str("/tmp/f"), 5, 5);
    CALL(chmod, str("/tmp/f"), 06755);
    cr_assert_eq(CALL(chown, str("/tmp/f"), (uint64_t)-1, (uint64_t)-1), 0);
    stat_of("/tmp/f", &s, 0);
    cr_assert_eq(s.mode, 0100755);
    become(5, 5);
    cr_assert_eq(CALL(chown, str("/tmp/f"), 6, (uint64_t)-1), -EPERM);
    cr_assert_eq(CALL(chown, str("/tmp/f"), 5, 7), -EPERM);
    cr_assert_eq(CALL(chmod, str("/tmp/f"), 0600), 0);
}
