/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the driver: the stream as we keep it, and the few functions that its three files share.
 *
 *   stream_rings.c   ring memory: which pages of the window are in use
 *   streams.c        the device: control rings, ready rings, bells, life of a stream
 *   stream_io.c      bytes: reading, writing, readiness
 */
#ifndef CASEMATE_GUEST_STREAMS_PRIV_H
#define CASEMATE_GUEST_STREAMS_PRIV_H

#include "guest/streams.h"
#include "guest/task/task.h"

/* Part of the data area: one ring. */
struct ring {
    struct list free; /* in its size's free list */
    uint32_t page;    /* 4 KiB page of the window */
    uint32_t size;    /* bytes */
};
void rings_init(uint64_t window_size);
struct ring *ring_alloc(uint32_t size, int *out_err); /* NULL: -ENOBUFS or -ENOMEM */
void ring_free(struct ring *r);                       /* accepts NULL; allocates nothing */

/*
 * Positions are ours where we write them (in_head, out_tail) and otherwise the last value of the
 * host's that passed the check. Invariants: in_head <= in_tail <= in_head + in.size; out_head <=
 * out_tail <= out_head + out.size.
 */
struct stream {
    struct list link;      /* in device.unsent, or in device.closed, or alone */
    struct stream_msg msg; /* OPEN until sent, then the host's OPENED */
    uint32_t number;
    enum { STREAM_OPENING, STREAM_OPENED, STREAM_CLOSING } state;
    bool open_unsent, close_unsent;
    int result; /* -EINPROGRESS, 0, or the host's errno */

    struct ring *in, *out;
    uint8_t *in_bytes, *out_bytes; /* in the window */
    uint64_t in_head, in_tail, out_tail, out_head;
    bool in_fin, out_fin; /* in_tail, out_tail are final */
    uint32_t error;       /* the host's, checked */

    uint32_t want;        /* our word, as stored */
    bool want_pending;    /* its number has not come back */
    uint32_t want_served; /* count of the host's word that we have answered */

    struct waitq wait;
    void (*news)(void *arg);
    void *news_arg;
};

struct stream_slot *stream_slot(const struct stream *s);
bool streams_broken(void);
void streams_mistrust(const char *why); /* the host broke a rule: believe nothing any more */

/* Reads the host's half of the slot. Does nothing before OPENED or after the device broke. */
void stream_look(struct stream *s);
/* Asks for news; the caller looks again afterwards. */
void stream_want(struct stream *s, uint32_t flags);
/* Tells the host about what changed (STREAM_WANT_*), if it wants to know. */
void stream_tell(struct stream *s, uint32_t what);
/* News came: readiness changed, or the device broke. */
void stream_news(struct stream *s);

#endif
