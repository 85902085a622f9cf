/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes, FIFOs, readiness: poll, select, epoll, and the files made for them. */
#include "tests/unit/los_fs/play.h"

static void boot(void) { standin_boot(); }
TestSuite(polling, .init = boot, .timeout = 20);

static void make_pipe(int fd[2], uint32_t flags)
{
    int32_t out[2];
    uint64_t va = room(8);
    cr_assert_eq(CALL(pipe2, va, flags), 0);
    cr_assert_eq(copy_from_user(out, va, 8), 0);
    fd[0] = out[0];
    fd[1] = out[1];
}

Test(polling, pipe_gives_bytes_in_order_then_the_end)
{
    int p[2];
    char buf[8] = {0};
    make_pipe(p, 0);
    put_text(p[1], "abc");
    put_text(p[1], "def");
    cr_assert_eq(get_bytes(p[0], buf, 4), 4);
    cr_assert_str_eq(buf, "abcd");
    CALL(close, (uint64_t)p[1]);
    cr_assert_eq(get_bytes(p[0], buf, 8), 2);
    cr_assert_eq(get_bytes(p[0], buf, 8), 0);
}

Test(polling, pipe_without_reader_is_epipe_and_a_signal)
{
    int p[2];
    make_pipe(p, 0);
    CALL(close, (uint64_t)p[0]);
    current()->mask = 1ull << (LSIG_PIPE - 1);
    cr_assert_eq(put_text(p[1], "x"), -EPIPE);
    cr_assert_neq(signal_pending_set(current(), 1ull << (LSIG_PIPE - 1)), 0);
}

Test(polling, small_pipe_writes_are_whole_or_nothing)
{
    int p[2];
    static char block[65536];
    make_pipe(p, LO_NONBLOCK);
    cr_assert_eq(put_bytes(p[1], block, 65536 - 100), 65536 - 100);
    cr_assert_eq(put_bytes(p[1], block, 101), -EAGAIN);
    cr_assert_eq(put_bytes(p[1], block, 5000), 100, "more than PIPE_BUF takes what fits");
    cr_assert_eq(put_bytes(p[1], block, 1), -EAGAIN);
}

Test(polling, pipe_size_changes_and_keeps_its_bytes)
{
    int p[2];
    static char block[65536], back[65536];
    make_pipe(p, LO_NONBLOCK);
    for (size_t i = 0; i < sizeof block; i++) { block[i] = (char)(i * 7); }
    cr_assert_eq(CALL(fcntl, (uint64_t)p[0], 1032), 65536);
    /* a ring that wraps inside a frame: the hard case of copying it */
    put_bytes(p[1], block, 65536);
    cr_assert_eq(get_bytes(p[0], back, 1000), 1000);
    cr_assert_eq(put_bytes(p[1], block, 1000), 1000);
    cr_assert_eq(CALL(fcntl, (uint64_t)p[1], 1031, 4096), -EBUSY);
    cr_assert_eq(CALL(fcntl, (uint64_t)p[1], 1031, 100000), 131072);
    cr_assert_eq(put_bytes(p[1], block, 65536), 65536);
    cr_assert_eq(get_bytes(p[0], back, 64536), 64536);
    cr_assert_eq(memcmp(back, block + 1000, 64536), 0);
    cr_assert_eq(get_bytes(p[0], back, 1000), 1000);
    cr_assert_eq(memcmp(back, block, 1000), 0);
    cr_assert_eq(CALL(fcntl, (uint64_t)p[1], 1031, 2 << 20), -EPERM);
}

Test(polling, fifo_opens_without_waiting_as_posix_says)
{
    char buf[8];
    CALL(mknod, str("/tmp/fifo"), 010644, 0);
    cr_assert_eq(fs_open("/tmp/fifo", LO_WRONLY | LO_NONBLOCK, 0), -ENXIO);
    int r = fs_open("/tmp/fifo", LO_RDONLY | LO_NONBLOCK, 0);
    cr_assert_geq(r, 0);
    cr_assert_eq(get_bytes(r, buf, 8), 0);
    int w = fs_open("/tmp/fifo", LO_WRONLY | LO_NONBLOCK, 0);
    cr_assert_eq(put_text(w, "hi"), 2);
    cr_assert_eq(get_bytes(r, buf, 8), 2);
    cr_assert_eq(get_bytes(r, buf, 8), -EAGAIN);
}

struct pfd {
    int fd;
    int16_t events, revents;
};

static int64_t poll_one(int fd, int events, int *revents)
{
    struct pfd p = {fd, (int16_t)events, 0x7f};
    uint64_t va = room(8);
    cr_assert_eq(copy_to_user(va, &p, 8), 0);
    int64_t n = CALL(poll, va, 1, 0);
    cr_assert_eq(copy_from_user(&p, va, 8), 0);
    *revents = p.revents;
    return n;
}

Test(polling, poll_reports_closed_and_skips_negative)
{
    int p[2], r;
    make_pipe(p, 0);
    cr_assert_eq(poll_one(p[0], 1, &r), 0);
    cr_assert_eq(poll_one(-1, 1, &r), 0);
    cr_assert_eq(r, 0);
    cr_assert_eq(poll_one(77, 1, &r), 1);
    cr_assert_eq(r, 0x20);
    cr_assert_eq(poll_one(p[1], 4, &r), 1);
    cr_assert_eq(r, 4);
    CALL(close, (uint64_t)p[1]);
    cr_assert_eq(poll_one(p[0], 1, &r), 1);
    cr_assert_eq(r, 0x10, "hang-up, and nothing to read");
    int fd = fs_open("/tmp/f", LO_RDWR | LO_CREAT, 0644);
    cr_assert_eq(poll_one(fd, 5, &r), 1);
    cr_assert_eq(r, 5);
}

Test(polling, poll_times_out_by_the_clock)
{
    int p[2];
    struct pfd w;
    uint64_t va = room(8), before = clock_mono_ns();
    make_pipe(p, 0);
    w = (struct pfd){p[0], 1, 0};
    cr_assert_eq(copy_to_user(va, &w, 8), 0);
    cr_assert_eq(CALL(poll, va, 1, 30), 0);
    cr_assert_geq(clock_mono_ns() - before, 30000000);
}

Test(polling, select_clears_what_is_not_ready)
{
    int p[2];
    uint64_t set[3] = {0}, va = room(24);
    make_pipe(p, 0);
    set[0] = 1ull << p[0];
    set[1] = 1ull << p[1];
    int64_t zero[2] = {0, 0};
    uint64_t tv = room(16);
    cr_assert_eq(copy_to_user(tv, zero, 16), 0);
    cr_assert_eq(copy_to_user(va, set, 24), 0);
    cr_assert_eq(CALL(select, 64, va, va + 8, va + 16, tv), 1);
    cr_assert_eq(copy_from_user(set, va, 24), 0);
    cr_assert_eq(set[0], 0);
    cr_assert_eq(set[1], 1ull << p[1]);
    set[0] = 1ull << 60;
    cr_assert_eq(copy_to_user(va, set, 24), 0);
    cr_assert_eq(CALL(select, 64, va, 0, 0, tv), -EBADF);
}

/* ---- epoll ---- */

static int64_t ctl(int ep, int op, int fd, uint32_t events, uint64_t data)
{
    uint8_t raw[12];
    uint64_t va = room(12);
    memcpy(raw, &events, 4);
    memcpy(raw + 4, &data, 8);
    cr_assert_eq(copy_to_user(va, raw, 12), 0);
    return CALL(epoll_ctl, (uint64_t)ep, (uint64_t)op, (uint64_t)fd, va);
}

/* Events of one call without waiting; the first one's mask and data. */
static int64_t take(int ep, int max, uint32_t *events, uint64_t *data)
{
    uint8_t raw[12];
    uint64_t va = room(12 * (size_t)max);
    int64_t n = CALL(epoll_wait, (uint64_t)ep, va, (uint64_t)max, 0);
    if (n > 0) {
        cr_assert_eq(copy_from_user(raw, va, 12), 0);
        memcpy(events, raw, 4);
        memcpy(data, raw + 4, 8);
    }
    return n;
}

#define ADD     1
#define DEL     2
#define MOD     3
#define ET      (1u << 31)
#define ONESHOT (1u << 30)

Test(polling, epoll_level_repeats_and_edge_does_not)
{
    int p[2], level = (int)CALL(epoll_create1, 0), edge = (int)CALL(epoll_create1, 0);
    uint32_t ev = 0;
    uint64_t data = 0;
    char c;
    make_pipe(p, 0);
    cr_assert_eq(ctl(level, ADD, p[0], 1, 7), 0);
    cr_assert_eq(ctl(edge, ADD, p[0], 1 | ET, 8), 0);
    cr_assert_eq(take(level, 4, &ev, &data), 0);
    put_text(p[1], "a");
    cr_assert_eq(take(level, 4, &ev, &data), 1);
    cr_assert_eq(data, 7);
    cr_assert_eq(take(level, 4, &ev, &data), 1);
    cr_assert_eq(take(edge, 4, &ev, &data), 1);
    cr_assert_eq(data, 8);
    cr_assert_eq(take(edge, 4, &ev, &data), 0);
    put_text(p[1], "b");
    cr_assert_eq(take(edge, 4, &ev, &data), 1,
                 "each arrival is an edge, although bytes were waiting");
    get_bytes(p[0], &c, 1);
    get_bytes(p[0], &c, 1);
    cr_assert_eq(take(level, 4, &ev, &data), 0);
}

Test(polling, epoll_edge_is_seen_when_added_ready)
{
    int p[2], ep = (int)CALL(epoll_create1, 0);
    uint32_t ev;
    uint64_t data;
    make_pipe(p, 0);
    put_text(p[1], "a");
    ctl(ep, ADD, p[0], 1 | ET, 1);
    cr_assert_eq(take(ep, 4, &ev, &data), 1);
    cr_assert_eq(take(ep, 4, &ev, &data), 0);
    cr_assert_eq(ctl(ep, MOD, p[0], 1 | ET, 1), 0);
    cr_assert_eq(take(ep, 4, &ev, &data), 1);
}

Test(polling, epoll_oneshot_waits_for_mod)
{
    int p[2], ep = (int)CALL(epoll_create1, 0);
    uint32_t ev;
    uint64_t data;
    make_pipe(p, 0);
    ctl(ep, ADD, p[0], 1 | ONESHOT, 1);
    put_text(p[1], "a");
    cr_assert_eq(take(ep, 4, &ev, &data), 1);
    put_text(p[1], "b");
    cr_assert_eq(take(ep, 4, &ev, &data), 0);
    ctl(ep, MOD, p[0], 1 | ONESHOT, 1);
    cr_assert_eq(take(ep, 4, &ev, &data), 1);
}

Test(polling, epoll_ctl_errors)
{
    int p[2], ep = (int)CALL(epoll_create1, 0), file = fs_open("/tmp/f", LO_RDWR | LO_CREAT, 0644);
    make_pipe(p, 0);
    cr_assert_eq(ctl(ep, ADD, file, 1, 0), -EPERM, "regular files: Go relies on it");
    cr_assert_eq(ctl(ep, ADD, fs_open("/tmp", LO_RDONLY, 0), 1, 0), -EPERM);
    cr_assert_eq(ctl(ep, ADD, p[0], 1, 0), 0);
    cr_assert_eq(ctl(ep, ADD, p[0], 1, 0), -EEXIST);
    cr_assert_eq(ctl(ep, MOD, p[1], 1, 0), -ENOENT);
    cr_assert_eq(ctl(ep, DEL, p[1], 0, 0), -ENOENT);
    cr_assert_eq(ctl(ep, ADD, ep, 1, 0), -EINVAL);
    cr_assert_eq(ctl(ep, ADD, 99, 1, 0), -EBADF);
    cr_assert_eq(ctl(p[0], ADD, p[1], 1, 0), -EINVAL);
    cr_assert_eq(CALL(epoll_wait, (uint64_t)ep, room(12), 0, 0), -EINVAL);
}

Test(polling, epoll_keeps_a_file_until_its_last_descriptor_goes)
{
    int p[2], ep = (int)CALL(epoll_create1, 0);
    uint32_t ev;
    uint64_t data;
    make_pipe(p, 0);
    ctl(ep, ADD, p[0], 1, 5);
    put_text(p[1], "a");
    int copy = (int)CALL(dup, (uint64_t)p[0]);
    CALL(close, (uint64_t)p[0]);
    cr_assert_eq(take(ep, 4, &ev, &data), 1, "the copy keeps it alive, as in Linux");
    CALL(close, (uint64_t)copy);
    cr_assert_eq(take(ep, 4, &ev, &data), 0);
}

Test(polling, epoll_circles_and_long_chains_are_refused)
{
    int ep[8];
    for (int i = 0; i < 8; i++) { ep[i] = (int)CALL(epoll_create1, 0); }
    for (int i = 0; i < 4; i++) { cr_assert_eq(ctl(ep[i], ADD, ep[i + 1], 1, 0), 0); }
    cr_assert_eq(ctl(ep[4], ADD, ep[0], 1, 0), -ELOOP);
    cr_assert_eq(ctl(ep[1], ADD, ep[0], 1, 0), -ELOOP);
    cr_assert_eq(ctl(ep[4], ADD, ep[5], 1, 0), -ELOOP, "a chain of six");
    cr_assert_eq(ctl(ep[5], ADD, ep[0], 1, 0), -ELOOP, "from above, too");
}

Test(polling, event_through_nested_epolls)
{
    int p[2], inner = (int)CALL(epoll_create1, 0), outer = (int)CALL(epoll_create1, 0);
    uint32_t ev;
    uint64_t data;
    make_pipe(p, 0);
    ctl(outer, ADD, inner, 1, 1);
    ctl(inner, ADD, p[0], 1, 2);
    cr_assert_eq(take(outer, 4, &ev, &data), 0);
    put_text(p[1], "x");
    cr_assert_eq(take(outer, 4, &ev, &data), 1);
    cr_assert_eq(data, 1);
}

Test(polling, busy_items_do_not_starve_others)
{
    int a[2], b[2], ep = (int)CALL(epoll_create1, 0);
    uint32_t ev;
    uint64_t first = 0, second = 0;
    make_pipe(a, 0);
    make_pipe(b, 0);
    ctl(ep, ADD, a[0], 1, 1);
    ctl(ep, ADD, b[0], 1, 2);
    put_text(a[1], "x");
    put_text(b[1], "x");
    cr_assert_eq(take(ep, 1, &ev, &first), 1);
    cr_assert_eq(take(ep, 1, &ev, &second), 1);
    cr_assert_eq(first + second, 3);
}

Test(polling, many_items_are_found_again)
{
    static int fds[500];
    int ep = (int)CALL(epoll_create1, 0);
    uint32_t ev;
    uint64_t data;
    for (int i = 0; i < 500; i++) {
        fds[i] = (int)CALL(eventfd2, 0, 0);
        cr_assert_eq(ctl(ep, ADD, fds[i], 1, (uint64_t)i), 0);
    }
    uint64_t one = 1;
    put_bytes(fds[321], &one, 8);
    cr_assert_eq(take(ep, 4, &ev, &data), 1);
    cr_assert_eq(data, 321);
    for (int i = 0; i < 500; i += 3) { cr_assert_eq(ctl(ep, DEL, fds[i], 0, 0), 0); }
    cr_assert_eq(take(ep, 4, &ev, &data), 0);
}

/* ---- eventfd, timerfd, signalfd, inotify ---- */

Test(polling, eventfd_counts)
{
    uint64_t v = 3;
    int fd = (int)CALL(eventfd2, 2, LO_NONBLOCK), sem = (int)CALL(eventfd2, 2, LO_NONBLOCK | 1);
    cr_assert_eq(put_bytes(fd, &v, 8), 8);
    cr_assert_eq(get_bytes(fd, &v, 8), 8);
    cr_assert_eq(v, 5);
    cr_assert_eq(get_bytes(fd, &v, 8), -EAGAIN);
    cr_assert_eq(get_bytes(fd, &v, 4), -EINVAL);
    v = UINT64_MAX;
    cr_assert_eq(put_bytes(fd, &v, 8), -EINVAL);
    v = UINT64_MAX - 1;
    cr_assert_eq(put_bytes(fd, &v, 8), 8);
    v = 1;
    cr_assert_eq(put_bytes(fd, &v, 8), -EAGAIN);
    cr_assert_eq(get_bytes(sem, &v, 8), 8);
    cr_assert_eq(v, 1);
    cr_assert_eq(get_bytes(sem, &v, 8), 8);
    cr_assert_eq(get_bytes(sem, &v, 8), -EAGAIN);
}

Test(polling, timerfd_counts_expirations)
{
    int64_t spec[4] = {0, 10000000, 0, 5000000}; /* every 10 ms, first after 5 */
    uint64_t va = room(32), n = 0;
    int fd = (int)CALL(timerfd_create, 1, LO_NONBLOCK), r;
    cr_assert_eq(get_bytes(fd, &n, 8), -EAGAIN);
    cr_assert_eq(copy_to_user(va, spec, 32), 0);
    cr_assert_eq(CALL(timerfd_settime, (uint64_t)fd, 0, va, 0), 0);
    cr_assert_eq(poll_one(fd, 1, &r), 0);
    standin_advance_clock(26000000);
    cr_assert_eq(poll_one(fd, 1, &r), 1);
    cr_assert_eq(get_bytes(fd, &n, 8), 8);
    cr_assert_eq(n, 3);
    cr_assert_eq(CALL(timerfd_gettime, (uint64_t)fd, va), 0);
    cr_assert_eq(copy_from_user(spec, va, 32), 0);
    cr_assert_eq(spec[1], 10000000);
    cr_assert_leq(spec[3], 10000000);
    cr_assert_eq(CALL(timerfd_create, 3, 0), -EINVAL);
}

Test(polling, signalfd_reads_what_is_pending)
{
    uint64_t mask = 1ull << (LSIG_USR1 - 1), va = room(8);
    uint32_t info[32];
    int r;
    current()->mask = mask;
    cr_assert_eq(copy_to_user(va, &mask, 8), 0);
    int fd = (int)CALL(signalfd4, (uint64_t)-1, va, 8, LO_NONBLOCK);
    cr_assert_eq(get_bytes(fd, info, 128), -EAGAIN);
    cr_assert_eq(get_bytes(fd, info, 100), -EINVAL);
    signal_simple(current_proc(), LSIG_USR1);
    cr_assert_eq(poll_one(fd, 1, &r), 1);
    cr_assert_eq(get_bytes(fd, info, 128), 128);
    cr_assert_eq(info[0], LSIG_USR1);
    cr_assert_eq(get_bytes(fd, info, 128), -EAGAIN);
}

static void expect_event(int fd, int32_t wd, uint32_t mask, const char *name)
{
    struct {
        int32_t wd;
        uint32_t mask, cookie, len;
        char name[32];
    } e = {0};
    size_t size = name ? 32 : 16;
    cr_assert_eq(get_bytes(fd, &e, size), (int64_t)size, "waiting for 0x%x", mask);
    cr_assert_eq(e.wd, wd);
    cr_assert_eq(e.mask, mask, "found 0x%x, wanted 0x%x", e.mask, mask);
    if (name) { cr_assert_str_eq(e.name, name); }
}

Test(polling, inotify_tells_names_and_ends)
{
    CALL(mkdir, str("/tmp/d"), 0755);
    int fd = (int)CALL(inotify_init1, LO_NONBLOCK);
    int32_t wd = (int32_t)CALL(inotify_add_watch, (uint64_t)fd, str("/tmp/d"),
                               0x100 | 0x200 | 0x2 | 0xc0 | 0x400);
    cr_assert_eq(wd, 1);
    make_file("/tmp/d/f", "x");
    expect_event(fd, wd, 0x100, "f");
    expect_event(fd, wd, 0x2, "f");
    CALL(rename, str("/tmp/d/f"), str("/tmp/d/g"));
    expect_event(fd, wd, 0x40, "f");
    expect_event(fd, wd, 0x80, "g");
    CALL(unlink, str("/tmp/d/g"));
    expect_event(fd, wd, 0x200, "g");
    CALL(rmdir, str("/tmp/d"));
    expect_event(fd, wd, 0x400, NULL);
    expect_event(fd, wd, 0x8000, NULL);
    cr_assert_eq(CALL(inotify_rm_watch, (uint64_t)fd, 1), -EINVAL);
}
