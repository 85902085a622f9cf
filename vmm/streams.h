/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's end of the one device (guest/abi/streams.h): what the monitor calls, and nothing about
 * how it works.
 *
 * The guest writes the window while we read it, and it may lie: every word is read once into
 * private memory and checked there. A guest that breaks the rules costs itself the device: `broken`
 * is called once with a reason, and nothing of the window is believed afterwards. It never costs
 * the monitor anything but that.
 *
 * Order: streams_new() before the guest starts, streams_start() with it, streams_finish() after its
 * last vCPU has stopped, streams_free(). All functions but new and free may be called from any
 * thread. The process ignores SIGPIPE.
 */
#ifndef CASEMATE_VMM_STREAMS_H
#define CASEMATE_VMM_STREAMS_H

#include "guest/abi/stream_control.h"
#include "guest/abi/streams.h"
#include "guest/base/err.h"

struct streams;
struct names;

/* Bytes the guest may read by digest: [off, off + size) of a file. */
struct streams_blob {
    const char *digest; /* "sha256:<hex>"; borrowed until streams_free() */
    int fd;             /* borrowed; read by pread() */
    uint64_t off, size;
};

struct streams_item {
    const void *bytes; /* borrowed until streams_free(); NULL = the host has none */
    size_t size;
};

struct streams_config {
    void *window; /* the shared window, zero where never written; borrowed */
    size_t window_size;

    struct streams_item item[STREAM_ITEM_COUNT]; /* STREAM_ITEM_*: launch spec, initdata, agent */
    const struct streams_blob *blobs;            /* borrowed */
    size_t blob_count;

    /*
     * Duplicated, -1 = none; closed when the guest closes its end. Others who share them never see
     * them become non-blocking.
     */
    int stdio[3];
    uint16_t rows, cols; /* size of the terminal; 0 = there is none */
    /* Online cores beyond those that vCPUs use; above 1 the I/O thread may spin before it sleeps. */
    unsigned spare_cores;
    uint32_t sockets_max;      /* outside connections open at once; 0 = no network */
    const struct names *names; /* borrowed (names.h); NULL: nothing is connected to by name */

    void *arg;              /* for the callbacks, which run under the device's lock */
    void (*irq)(void *arg); /* inject the device interrupt (VEC_DEVICE, any vCPU) */
    void (*log)(void *arg,
                const char *line); /* one line of the guest's, printable ASCII, no end of line */
    void (*broken)(void *arg,
                   const char *why);          /* the guest broke the rules of the device; stop it */
    void (*phase)(void *arg, unsigned phase); /* STREAM_PHASE_*; NULL = nobody wants to know */
};

/* Writes the header into the window. */
MUST_CHECK int streams_new(struct streams **out, const struct streams_config *c, struct err *e);
void streams_free(
    struct streams *s); /* accepts NULL; stops the thread if streams_finish() was not called */

/* The guest's doorbell: an eventfd for KVM_IOEVENTFD at DOORBELL_GPA. Borrowed. */
int streams_doorbell_fd(const struct streams *s);

MUST_CHECK int streams_start(struct streams *s, struct err *e); /* the I/O thread */

/*
 * Everything the guest has asked for that can be done without waiting. For a vCPU thread after a
 * synchronous doorbell.
 */
void streams_service(struct streams *s);

/*
 * After the last vCPU has stopped: stops the thread, takes what the rings still hold, waits until
 * standard output and error are written: timeout_ms at most; 0 = whatever can be written at once;
 * STREAMS_NO_TIMEOUT = as long as the reader takes, as the program itself would have waited.
 */
#define STREAMS_NO_TIMEOUT UINT32_MAX
void streams_finish(struct streams *s, unsigned timeout_ms);

void streams_signal(struct streams *s,
                    int signo); /* the guest's policy decides what becomes of it */
void streams_resize(struct streams *s, uint16_t rows, uint16_t cols);

struct streams_exit {
    bool known;      /* the guest said why it ended */
    unsigned kind;   /* STREAM_EXIT_* */
    unsigned status; /* 0..255 */
};
struct streams_exit streams_exit(struct streams *s);

#endif
