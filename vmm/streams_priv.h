/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the host's end: a stream as we keep it, the operations of a kind, and what is done for all
 * kinds.
 *
 *   streams.c          who works and when: the I/O thread, descriptors, what the monitor calls
 *   device.c           the work: rings, bells, bytes, life of a stream (device.h: between the two)
 *   stream_control.c   items, log lines
 *   stream_stdio.c     standard input, output, error
 *   stream_blob.c      reads at an offset by digest
 *   stream_socket.c    connections of the container and of the agent
 *   stream_listen.c    sockets that the outside speaks to first: listening TCP, UDP
 *   stream_addr.c      addresses
 *
 * Everything runs under the device's lock and never waits, except for the disk.
 */
#ifndef CASEMATE_VMM_STREAMS_PRIV_H
#define CASEMATE_VMM_STREAMS_PRIV_H

#include "guest/base/list.h"
#include "vmm/streams.h"

#include <sys/uio.h>

struct stream;

struct stream_kind {
    const char *name;
    bool to_guest, to_host; /* rings that it cannot do without */
    bool carries_out;       /* bytes written before CLOSE still go out */
    bool patient;           /* however long that takes: they go to the user and not to a peer */
    /* name: private copy. 0: open; -EINPROGRESS: stream_opened() follows; other -errno: refused. */
    int (*open)(struct stream *st, const struct stream_msg *open, const uint8_t *name,
                size_t name_len);
    /*
     * Moves what can be moved, at most a ring's length each way. Called after news from the guest,
     * after the descriptor became ready, and again as long as it returns true.
     */
    bool (*work)(struct stream *st);
    void (*option)(struct stream *st, uint32_t id, int32_t value); /* may be NULL */
    /*
     * The guest has closed and its bytes are out, or the device ends. Frees `priv`; `fd` is closed
     * by the caller.
     */
    void (*close)(struct stream *st); /* may be NULL */
};
extern const struct stream_kind stream_item, stream_log, stream_stdio, stream_blob, stream_connect,
    stream_accept, stream_listen, stream_udp;

/*
 * Positions as in the guest's driver, seen from here: `from` is the ring from the guest, `to` the
 * one to it. Those of the guest have passed the check. from_head <= from_tail <= from_head +
 * from_size; to_head <= to_tail <= to_head + to_size.
 */
struct stream {
    struct streams *device;
    const struct stream_kind *kind;
    struct list due;    /* in device->due, or alone */
    struct list unsent; /* in device->unsent, or alone */
    uint32_t number;
    int result;         /* -EINPROGRESS, or what OPENED says */
    bool opened_unsent; /* OPENED found no room */
    bool closed_unsent;
    bool closing; /* CLOSE has come */
    bool live;    /* the kind's open() took it: work() and close() may be called */
    bool socket;  /* fd is one */
    struct stream_msg opened;

    uint8_t *from, *to;
    uint32_t from_size, to_size;
    uint64_t from_head, from_tail, to_tail, to_head;
    bool from_fin; /* from_tail is final */
    bool to_fin;
    uint32_t error;

    uint32_t want, want_served;
    bool want_pending;

    int fd;                   /* owned, -1 = none */
    bool can_read, can_write; /* not yet answered EAGAIN */
    bool hungry;              /* set by work(): what is there is not enough, tell when more comes */
    bool cramped;             /* set by work(): the room is not enough, tell when there is more */
    uint64_t deadline_ns;     /* a turn is due then; CLOCK_MONOTONIC, 0 = none */
    void *priv;
};

struct streams;
struct stream *streams_stream(const struct streams *s,
                              uint32_t number); /* number < STREAMS_MAX; NULL: none */
void stream_again(struct stream *st);           /* another turn is due */
/*
 * stream_listen.c: the connection that waits under this token; the descriptor is the caller's.
 * -ENOENT: gone.
 */
int stream_listen_take(struct stream *st, uint32_t token);
const struct streams_config *streams_config(const struct streams *s);
/*
 * Counts the sockets open: 0, -ENFILE when there are as many as allowed, -ENETUNREACH when none is.
 */
int streams_socket_get(struct streams *s);
void streams_socket_put(struct streams *s);
/*
 * The descriptor is the caller's from now on, -1: there is none, or none any more. *out_careful:
 * others share its description, and it may block.
 */
int streams_stdio_take(struct streams *s, uint32_t number, bool *out_careful);
int stream_stdio_own(int fd, bool input, bool *out_careful); /* stream_stdio.c: for the device */
uint32_t streams_next_id(struct streams *s);                 /* never 0, not used for long */
/* stream_socket.c: what the helper has answered. False: there is no helper any more. */
bool stream_connect_answers(struct streams *s);
uint64_t streams_now_ns(void);
void streams_deadline(struct streams *s,
                      uint64_t deadline_ns); /* the I/O thread looks at deadlines by then */

/* The answer to an open that was in progress. */
void stream_opened(struct stream *st, int result);
/* Takes fd and watches it for both directions; a file that cannot be watched is always ready. */
int stream_watch(struct stream *st, int take_fd);

/*
 * Bytes from the guest that can be taken, as at most two pieces of the ring. They may change while
 * they are used.
 */
size_t stream_from_vec(const struct stream *st, struct iovec v[2]);
void stream_took(struct stream *st, size_t n);
/* Takes exactly n bytes into private memory; n is at most what is there. */
void stream_take(struct stream *st, void *dst, size_t n);
static inline uint64_t stream_from_avail(const struct stream *st)
{
    return st->from_tail - st->from_head;
}
/* Room to the guest, as at most two pieces. */
size_t stream_to_vec(const struct stream *st, size_t max, struct iovec v[2]);
void stream_gave(struct stream *st, size_t n);
static inline uint64_t stream_to_room(const struct stream *st)
{
    return st->to_size - (st->to_tail - st->to_head);
}
void stream_end(struct stream *st);             /* no more bytes to the guest */
void stream_fail(struct stream *st, int error); /* the stream died: positive errno */
/* The guest broke a rule. */
void streams_break(struct streams *s, const char *why);

/* Shared by stdio and sockets. True: there may be more to move. */
bool stream_pump_out(struct stream *st);
bool stream_pump_in(struct stream *st);

#endif
