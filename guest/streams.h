/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library OS's driver of the one device (guest/abi/streams.h).
 *
 * Whatever the host writes is read once and checked. A host that breaks the rules loses the device:
 * every stream then answers EIO, sleepers wake, and nothing of the window is believed any more.
 *
 * Under the big lock, like all of the library OS. Functions that may sleep say so.
 */
#ifndef CASEMATE_GUEST_STREAMS_H
#define CASEMATE_GUEST_STREAMS_H

#include "guest/abi/streams.h"
#include "guest/los.h"

struct poller;
struct stream;
struct uio;
struct waitq;

/*
 * 0, -ENOMEM, or -EBADMSG when the header is not the one this driver knows. After the machine
 * description has been read.
 */
MUST_CHECK int streams_init(void *window, uint64_t window_size);

/*
 * Takes what the host has put in and wakes who waits for it; then asks for an interrupt for
 * whatever comes later. Called on PENDING_DEVICE and before a vCPU parks. Never sleeps.
 */
void streams_poll(void);
/*
 * The same for a vCPU that spins before it parks: asks for no interrupt. True when there was
 * something. Whoever stops spinning calls streams_poll().
 */
bool streams_spin(void);

unsigned streams_open_count(void);

/*
 * What the host asks of the container. Each is called from streams_poll(), must not sleep, and may
 * be NULL.
 */
struct streams_events {
    void (*signal)(int signo);
    void (*resize)(uint16_t rows, uint16_t cols);
};
extern struct streams_events streams_events;

/* The last word, before ward_power_off(); kind STREAM_EXIT_*. */
void streams_say_exit(unsigned kind, unsigned status);
void streams_say_phase(unsigned phase); /* STREAM_PHASE_* */
/*
 * One line for the host's log, without its end; dropped when the host does not read. No secrets, no
 * application data. False when the device is not there (yet, or any more).
 */
bool streams_log(const char *line, size_t len);
/*
 * Bytes of a whole item (STREAM_ITEM_*), at most u->left of them moved; -ENOENT when the host gave
 * none. Sleeps.
 */
int64_t streams_item(uint32_t item, struct uio *u);

/* ---- one stream ------------------------------------------------------------------------------ */

struct stream_open {
    uint16_t kind; /* STREAM_KIND_*                                                           */
    uint32_t arg;
    uint32_t in_size,
        out_size;      /* ring from, to the host: 0 or a power of two, STREAM_RING_MIN .. _MAX    */
    const void *name;  /* copied */
    uint32_t name_len; /* at most out_size; a ring that exists only for the name may be smallest  */
};
/*
 * Asks the host; does not wait. NULL with -ENOBUFS (window used up), -ENOMEM or -EIO in *out_err.
 */
struct stream *stream_new(const struct stream_open *o, int *out_err);
/* Waits for the answer. 0, the host's -errno, -ETIMEDOUT or -ERESTARTSYS; sleeps. */
MUST_CHECK int stream_wait_open(struct stream *s, uint64_t deadline_ns, bool interruptible);
/* -EINPROGRESS while the host has not answered, then 0 or its error. */
int stream_state(const struct stream *s);
uint32_t stream_number(const struct stream *s); /* for STREAM_KIND_ACCEPT */
/* The host's answer: valid once stream_state() is 0. */
const struct stream_msg *stream_answer(const struct stream *s);

/*
 * Bytes moved; 0 at the end of data; -EAGAIN when nothing can be moved now; the stream's error.
 * Never sleep.
 */
int64_t stream_read_now(struct stream *s, struct uio *u);
int64_t
stream_write_now(struct stream *s,
                 struct uio *u); /* -EPIPE after stream_fin() or when the host stopped reading */
/* After -EAGAIN: until there is news. 0 or -ERESTARTSYS; sleeps. */
MUST_CHECK int stream_wait(struct stream *s, bool interruptible);
int64_t stream_peek_now(struct stream *s, struct uio *u); /* reads without taking */
/* The same, waiting until at least one byte moved (write: all of them, unless nonblock). Sleep. */
int64_t stream_read(struct stream *s, struct uio *u, bool nonblock);
int64_t stream_write(struct stream *s, struct uio *u, bool nonblock);
/*
 * Exactly len bytes between the stream and library-OS memory: 0, -ENODATA at the end of data, the
 * error. Sleep.
 */
MUST_CHECK int stream_read_all(struct stream *s, void *dst, size_t len);
MUST_CHECK int stream_write_all(struct stream *s, const void *src, size_t len);
size_t stream_readable(struct stream *s); /* bytes */
size_t stream_writable(struct stream *s);

/* LPOLL* that hold now; with a poller also asks the host for news. */
uint32_t stream_poll(struct stream *s, struct poller *p);
/* Asks for the next news whatever is ready now: for those who report each arrival (epoll). */
void stream_ask(struct stream *s);
int stream_error(struct stream *s); /* 0, or the positive errno with which the stream died */
/* Called with every piece of news, before waiters are woken. NULL: nobody. Must not sleep. */
void stream_on_news(struct stream *s, void (*fn)(void *arg), void *arg);

void stream_fin(struct stream *s); /* no more bytes will be written; harmless when repeated */
void stream_option(struct stream *s, uint32_t option, int32_t value);
/* Says goodbye and forgets it: bytes written before are still carried out. Accepts NULL. */
void stream_close(struct stream *s);

#endif
