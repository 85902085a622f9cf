/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard input, output and error, as three streams (guest/abi/stream_stdio.h) behind files that
 * look like pipes, or as one terminal. Everything in them is plaintext to the host.
 *
 * Opening does not wait for the host: a program that only writes is done before the answer comes.
 * Where the host has no descriptor, reading ends at once and what is written is dropped, as with
 * /dev/null.
 */
#include "guest/abi/stream_stdio.h"
#include "guest/fs/fs.h"
#include "guest/fs/tty.h"
#include "guest/mm/mm.h"
#include "guest/stream_files.h"
#include "guest/streams.h"
#include "guest/task/task.h"

#define RING_IN      16384u
#define RING_OUT     65536u
#define RING_ERR     4096u
#define S_IFIFO_     0010000u
#define CONSOLE_RDEV 0x501u /* 5:1 */

struct stdio {
    struct stream *stream; /* NULL once the terminal has taken it */
    unsigned number;
};
static struct stdio *installed[STREAM_STDIO_COUNT];

static struct stdio *of(struct file *f) { return f->priv; }

/* 0 usable (or not yet answered), -EBADF absent, else the error. */
static int usable(const struct stdio *io)
{
    if (io->stream == NULL) { return -EIO; }
    int r = stream_state(io->stream);
    return r == -EINPROGRESS ? 0 : r;
}

static int64_t stdio_read(struct file *f, struct uio *u, uint64_t *pos)
{
    struct stdio *io = of(f);
    bool nonblock = (f->flags & LO_NONBLOCK) != 0;

    (void)pos;
    if (io->stream != NULL && stream_state(io->stream) == -EINPROGRESS) {
        if (nonblock) { return -EAGAIN; }
        int r = stream_wait_open(io->stream, NO_DEADLINE, true);
        if (r < 0 && r != -EBADF) { return r; }
    }
    int r = usable(io);
    if (r < 0) { return r == -EBADF ? 0 : r; }
    return stream_read(io->stream, u, nonblock);
}

static int64_t broken_pipe(void)
{
    signal_thread(current(), &(struct ksiginfo){
                                 .signo = LSIG_PIPE, .code = LSI_USER, .pid = current_proc()->pid});
    return -EPIPE;
}

static int64_t stdio_write(struct file *f, struct uio *u, uint64_t *pos)
{
    struct stdio *io = of(f);
    int r = usable(io);

    (void)pos;
    if (r == -EBADF) { return (int64_t)u->left; }
    if (r < 0) { return r; }
    int64_t n = stream_write(io->stream, u, (f->flags & LO_NONBLOCK) != 0);
    return n == -EPIPE ? broken_pipe() : n;
}

static uint32_t stdio_poll(struct file *f, struct poller *p)
{
    struct stdio *io = of(f);
    if (io->stream == NULL) { return LPOLLERR | LPOLLHUP; }
    uint32_t events = stream_poll(io->stream, p);
    if (usable(io) == -EBADF) {
        events = io->number == 0 ? LPOLLIN | LPOLLRDNORM : LPOLLOUT | LPOLLWRNORM;
    }
    return events;
}

static void stdio_release(struct file *f)
{
    stream_close(of(f)->stream);
    installed[of(f)->number] = NULL;
    mem_free(f->priv);
}

static const struct file_ops input_ops = {
    .read = stdio_read, .poll = stdio_poll, .release = stdio_release};
static const struct file_ops output_ops = {
    .write = stdio_write, .poll = stdio_poll, .release = stdio_release};

static struct stream *open_number(unsigned number, int *out_err)
{
    struct stream_open o = {.kind = STREAM_KIND_STDIO,
                            .arg = number,
                            .in_size = number == 0 ? RING_IN : 0,
                            .out_size = number == 0   ? 0
                                        : number == 1 ? RING_OUT
                                                      : RING_ERR};
    return stream_new(&o, out_err);
}

static struct file *stdio_file(unsigned number, int *out_err)
{
    struct stdio *io = mem_alloc(sizeof *io);
    struct file *f = NULL;

    *out_err = -ENOMEM;
    if (io == NULL) { return NULL; }
    io->number = number;
    io->stream = open_number(number, out_err);
    if (io->stream != NULL) {
        f = file_anon(number == 0 ? &input_ops : &output_ops, io,
                      number == 0 ? LO_RDONLY : LO_WRONLY, S_IFIFO_ | 0600, "pipe");
    }
    if (f == NULL) {
        stream_close(io->stream);
        mem_free(io);
    }
    return f;
}

/* ---- the terminal -------------------------------------------------------------------------------
 *
 * One terminal, made once and never taken down: input and output streams outlive every file.
 */

static struct {
    struct tty *tty; /* kept alive by being the console */
    struct stream *in, *out;
    uint16_t rows, cols; /* what the host said last */
} console;

static size_t console_write(struct tty *t, const void *bytes, size_t len)
{
    struct uio u;
    (void)t;
    uio_kernel(&u, (void *)(uintptr_t)bytes, len);
    int64_t n = stream_write_now(console.out, &u);
    if (n == -EAGAIN) { return 0; }
    return n < 0 ? len : (size_t)n; /* nobody is there to see it */
}

static size_t console_room(struct tty *t)
{
    (void)t;
    int r = stream_state(console.out);
    return r == 0 || r == -EINPROGRESS ? stream_writable(console.out) : RING_OUT;
}

/* What was typed, as far as the terminal has room. */
static void console_pump(struct tty *t)
{
    uint8_t bytes[256];
    struct uio u;

    for (;;) {
        size_t room = min_u64(tty_input_room(t), sizeof bytes);
        if (room == 0) { return; }
        uio_kernel(&u, bytes, room);
        int64_t n = stream_read_now(console.in, &u);
        if (n == 0 || (n < 0 && n != -EAGAIN)) {
            stream_on_news(console.in, NULL, NULL);
            tty_hangup(t);
        }
        if (n <= 0) { return; }
        (void)tty_input(t, bytes, (size_t)n);
    }
}

static void input_news(void *arg)
{
    int r = stream_state(console.in);
    if (r == 0) { console_pump(arg); }
    if (r < 0 && r != -EINPROGRESS && r != -EBADF) {
        tty_hangup(arg);
    } /* -EBADF: nobody will ever type */
}

static void output_news(void *arg)
{
    if (stream_writable(console.out) > 0) {
        tty_output_ready(arg);
    } else {
        (void)stream_poll(console.out, NULL); /* asks for the next news */
    }
}

static void console_resize(uint16_t rows, uint16_t cols)
{
    console.rows = rows;
    console.cols = cols;
    if (console.tty != NULL) { tty_resize(console.tty, rows, cols); }
}

static const struct tty_ops console_ops = {
    .write = console_write, .room = console_room, .input_room = console_pump};

/* ---- what start-up calls --------------------------------------------------------------------- */

int stdio_install(struct fdtable *t)
{
    for (unsigned number = 0; number < STREAM_STDIO_COUNT; number++) {
        int r = 0;
        struct file *f = stdio_file(number, &r);
        if (f == NULL) { return r; }
        installed[number] = of(f);
        r = fdtable_set(t, (int)number, f);
        file_put(f);
        if (r < 0) { return r; }
    }
    streams_events.resize = console_resize;
    return 0;
}

int stdio_make_terminal(struct fdtable *t)
{
    if (installed[0] == NULL || installed[1] == NULL || console.tty != NULL) { return -ENXIO; }
    struct tty *tty = tty_new(&console_ops, NULL, CONSOLE_RDEV);
    struct file *f = tty != NULL ? tty_file(tty, LO_RDWR) : NULL;
    int r = f != NULL ? 0 : -ENOMEM;

    if (r == 0) {
        /* The streams leave their files, so that closing those does not close them. */
        console.tty = tty;
        console.in = installed[0]->stream;
        console.out = installed[1]->stream;
        installed[0]->stream = installed[1]->stream = NULL;
        stream_on_news(console.in, input_news, tty);
        stream_on_news(console.out, output_news, tty);
        tty_set_console(tty);
        if (console.rows != 0) { tty_resize(tty, console.rows, console.cols); }
    }
    for (int number = 0; r == 0 && number < (int)STREAM_STDIO_COUNT; number++) {
        r = fdtable_set(t, number, f);
    }
    file_put(f);
    tty_put(tty);
    if (r == 0) { input_news(tty); }
    return r;
}
