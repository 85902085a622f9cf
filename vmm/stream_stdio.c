/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard input, output and error (guest/abi/stream_stdio.h).
 *
 * The descriptors are shared with whoever started us: O_NONBLOCK on them would change the shell's
 * terminal too. So a pipe or terminal is opened anew through /proc/self/fd, which gives a
 * description of our own; where that is refused, and for sockets, it is used as it is, with poll()
 * first and at most PIPE_BUF bytes at a time, which a pipe that is ready takes without blocking.
 * Regular files are used as they are: their offset is shared on purpose (`>log 2>&1`).
 */
#include "vmm/streams_priv.h"

#include "guest/abi/stream_stdio.h"
#include "guest/base/hosted.h"
#include "guest/base/ovf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>

struct stdio {
    uint32_t number;
    bool careful; /* the description is shared and may block */
};

int stream_stdio_own(int fd, bool input, bool *careful)
{
    struct stat sb;
    char path[32];

    if (fstat(fd, &sb) < 0) { return -errno; }
    *careful = !S_ISREG(sb.st_mode);
    if (S_ISFIFO(sb.st_mode) || S_ISCHR(sb.st_mode)) {
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int again = open(path, (input ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (again >= 0) {
            *careful = false;
            return again;
        }
    }
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return copy >= 0 ? copy : -errno;
}

static int stdio_open(struct stream *st, const struct stream_msg *open, const uint8_t *name,
                      size_t name_len)
{
    struct streams *s = st->device;
    uint32_t number = open->open.arg;

    (void)name;
    if (number >= STREAM_STDIO_COUNT || name_len != 0 || (number == 0) != (st->to_size != 0) ||
        (number == 0) != (st->from_size == 0)) {
        return -EINVAL;
    }
    auto_free struct stdio *io = calloc(1, sizeof *io);
    if (io == NULL) { return -ENOMEM; }
    io->number = number;
    int fd = streams_stdio_take(s, number, &io->careful);
    if (fd < 0) { return -EBADF; }
    int r = stream_watch(st, fd);
    if (r < 0) { return r; }
    st->priv = steal_ptr(&io);
    return 0;
}

static bool is_ready(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, 0) > 0;
}

/* A piece that cannot block; the description is not ours alone. */
static bool pump_carefully(struct stream *st, bool input)
{
    struct iovec v[2];
    bool can = input ? st->can_read && !st->to_fin && !st->closing : st->can_write;
    size_t len = input ? stream_to_vec(st, PIPE_BUF, v) : stream_from_vec(st, v);

    if (len == 0 || !can) { return false; }
    if (!is_ready(st->fd, input ? POLLIN : POLLOUT)) {
        if (input) { st->can_read = false; }
        if (!input) { st->can_write = false; }
        return false;
    }
    size_t piece = min_u64(v[0].iov_len, PIPE_BUF);
    ssize_t n = input ? read(st->fd, v[0].iov_base, piece) : write(st->fd, v[0].iov_base, piece);
    if (n > 0 && input) { stream_gave(st, (size_t)n); }
    if (n > 0 && !input) { stream_took(st, (size_t)n); }
    if (n == 0 && input) { stream_end(st); }
    if (n < 0 && errno != EINTR && errno != EAGAIN) { stream_fail(st, errno); }
    return n > 0;
}

static bool stdio_work(struct stream *st)
{
    const struct stdio *io = st->priv;
    bool input = io->number == 0;
    bool more;

    if (io->careful) {
        more = pump_carefully(st, input);
    } else {
        more = input ? stream_pump_in(st) : stream_pump_out(st);
    }
    if (st->error != 0 && !input && stream_from_avail(st) > 0) {
        stream_took(st, stream_from_avail(st)); /* nobody will ever read these */
    }
    return more;
}

static void stdio_close(struct stream *st) { free(st->priv); }

const struct stream_kind stream_stdio = {.name = "stdio",
                                         .carries_out = true,
                                         .patient = true,
                                         .open = stdio_open,
                                         .work = stdio_work,
                                         .close = stdio_close};
