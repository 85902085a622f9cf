/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: the one device between guest and host, complete. Shared rings in the window, fixed
 * addresses, no negotiation, no registers. The guest opens every stream, picks its number and gives
 * it memory; the host only answers.
 *
 * The window
 *
 *   0x000000  struct streams_header                 magic and sizes, then words of each side
 *   0x001000  early log, not part of the device     text before the driver is up (guest/x86/console.c)
 *   0x004000  control ring guest -> host            STREAM_CTL_COUNT messages of 64 bytes
 *   0x008000  control ring host -> guest
 *   0x010000  ready ring guest -> host              STREAMS_MAX stream numbers of 4 bytes
 *   0x020000  ready ring host -> guest
 *   0x200000  struct stream_slot[STREAMS_MAX]       positions and flags of each stream
 *   0x400000  data: byte rings, allocated by the guest, up to the end of the window
 *
 * Before the library OS calls its driver the data area may hold what the monitor passes at boot
 * (guest image, machine description); from then on the area belongs to the guest's ring allocator.
 *
 * One writer per word. Every word below belongs to one side, which alone writes it; the other side
 * reads it once per look, into private memory, and checks the copy there. Positions are 64-bit and
 * count from 0, so they never wrap; the place of position p in a ring of n entries or bytes is p &
 * (n - 1).
 *
 * Rings. A producer writes the entry, then stores its tail (release). A consumer loads the tail,
 * checks old tail <= tail <= head + size, takes entries, then stores its head. Byte rings work
 * alike in a stream's slot, where `guest` holds what the guest writes (tail of the ring to the
 * host, head of the ring from the host) and `host` the reverse. A position outside the rule is a
 * lie: the reader marks the device broken and believes nothing more.
 *
 * News. Whoever moves a stream's tail, head, fin or error and finds, after a full fence, that the
 * other side's `want`
 *   (a) names what changed: STREAM_WANT_DATA for tail, STREAM_WANT_SPACE for head (only once half
 *       the ring is free), either bit for fin and error, and
 *   (b) has a count that it has not served yet,
 * notes the count as served and puts the stream's number into its ready ring. Whoever waits stores
 * a `want` with a new count, fences, and looks again before it sleeps. It may add flags to a count
 * at any time, but takes a new count only after the number of the last one has come back. So each
 * number is at most once in a ready ring, which therefore never overflows, and a number in it is
 * only a hint: looking at a stream without news is harmless. In one look the control ring is read
 * before the ready ring; whoever learns of OPEN or OPENED looks at the stream (the guest then also
 * tells what it wrote before the answer), and whoever learns of CLOSED frees the number after the
 * ready ring has been read.
 *
 * Bells. Each side has one `bell` word with a count and STREAM_BELL_ARMED. Whoever put something
 * into a ready ring or a control ring, or took from a full control ring, fences and, if the other
 * side's bell is armed with a count not served yet, serves it: the guest by its doorbell, the host
 * by the device interrupt. Whoever is about to sleep arms with a new count, fences, and looks at
 * its rings again.
 *
 * End of data. `fin` is STREAM_FIN_NONE until its writer knows its last byte; then it equals the
 * writer's tail and never changes, and the tail does not move again. `error` is 0 or a Linux errno:
 * the stream died; bytes up to the tail are still good. A reader loads error, then fin, then tail,
 * so the tail it sees is at least as new.
 *
 * Life of a stream number: free -> OPEN (guest) -> OPENED (host, result 0) -> ... -> CLOSE (guest)
 * -> CLOSED (host) -> free. The guest sets its half of the slot before OPEN and puts the name,
 * name_len bytes, into the ring to the host; the host sets its half before OPENED. Every OPEN gets
 * one OPENED, and before CLOSED; one with an error still needs CLOSE. CLOSE is allowed from OPEN
 * on; the host then carries out bytes that lie before the guest's fin, lets go of the rings and
 * answers CLOSED. Until then neither number nor ring memory may be used again; a host that never
 * answers only uses up the window, after which opening fails.
 *
 * Whoever sees the rules broken stops talking. What each kind says inside its byte rings:
 * stream_control.h, stream_stdio.h, stream_blob.h, stream_socket.h.
 */
#ifndef CASEMATE_GUEST_ABI_STREAMS_H
#define CASEMATE_GUEST_ABI_STREAMS_H

#include "guest/base/cc.h"

#define STREAMS_MAGIC   0x534d414552545343ull /* "CSTREAMS" */
#define STREAMS_VERSION 1

#define STREAMS_MAX      16384u /* streams; entries of a ready ring */
#define STREAM_CTL_COUNT 256u   /* messages of a control ring */
#define STREAM_RING_MIN  4096u  /* a byte ring: power of two, aligned to 4 KiB */
#define STREAM_RING_MAX  1048576u
#define STREAM_NAME_MAX  1024u

#define STREAMS_EARLY_LOG      0x001000u
#define STREAMS_CTL_TO_HOST    0x004000u
#define STREAMS_CTL_TO_GUEST   0x008000u
#define STREAMS_READY_TO_HOST  0x010000u
#define STREAMS_READY_TO_GUEST 0x020000u
#define STREAMS_SLOTS          0x200000u
#define STREAMS_DATA           0x400000u
#define STREAMS_WINDOW_MIN     0x1000000u

#define STREAM_WANT_DATA  1u
#define STREAM_WANT_SPACE 2u
#define STREAM_WANT_STEP  4u /* the count of a want word is above its two flags */
#define STREAM_BELL_ARMED 1u
#define STREAM_BELL_STEP  2u

#define STREAM_FIN_NONE UINT64_MAX

/*
 * Words of one side that concern all streams. Each pair of rings: my tail in mine, my head in the
 * other's.
 */
struct streams_side {
    uint64_t ctl_tail, ctl_head;
    uint64_t ready_tail, ready_head;
    uint32_t bell; /* count * STREAM_BELL_STEP | STREAM_BELL_ARMED */
    uint32_t reserved[7];
};
ABI_SIZE(struct streams_side, 64);

struct streams_header {
    uint64_t magic; /* the host writes these three before the guest starts */
    uint32_t version;
    uint32_t reserved;
    uint64_t window_size; /* bytes, whole 4 KiB pages, at least STREAMS_WINDOW_MIN */
    uint8_t pad[40];
    struct streams_side guest; /* written by the guest */
    struct streams_side host;  /* written by the host  */
};
ABI_AT(struct streams_header, guest, 64);
ABI_AT(struct streams_header, host, 128);

/* What one side says about one stream. */
struct stream_side {
    uint64_t tail;  /* bytes put into its outgoing ring                       */
    uint64_t head;  /* bytes taken from its incoming ring                     */
    uint64_t fin;   /* STREAM_FIN_NONE, or where its outgoing bytes end       */
    uint32_t want;  /* count * STREAM_WANT_STEP | STREAM_WANT_*               */
    uint32_t error; /* 0, or the Linux errno with which the stream died       */
    uint64_t reserved[4];
};
ABI_SIZE(struct stream_side, 64);
ABI_AT(struct stream_side, want, 24);

struct stream_slot {
    struct stream_side guest, host;
};
ABI_SIZE(struct stream_slot, 128);

/*
 * An internet address as it crosses: family, port and bytes; IPv4 uses the first four. Zero = none.
 */
struct stream_addr {
    uint16_t family; /* STREAM_AF_* */
    uint16_t port;   /* a number, not network order */
    uint32_t scope;  /* IPv6 scope, else 0 */
    uint8_t ip[16];  /* network order */
};
ABI_SIZE(struct stream_addr, 24);
#define STREAM_AF_NONE  0
#define STREAM_AF_INET  1
#define STREAM_AF_INET6 2

/* Control messages. Members that an op does not name are zero, checked. */
enum {
    /* guest -> host */
    STREAM_OP_OPEN = 1, /* kind, stream, open  */
    STREAM_OP_CLOSE,    /* stream              */
    STREAM_OP_OPTION,   /* stream, option: a socket option; no answer */
    STREAM_OP_EXIT,     /* exit: the guest's last word, before power-off */
    STREAM_OP_PHASE,    /* phase: for the host's timings */
    /* host -> guest */
    STREAM_OP_OPENED = 16, /* stream, result, then by kind: size, or addr */
    STREAM_OP_CLOSED,      /* stream              */
    STREAM_OP_SIGNAL,      /* number: a Linux signal for the container, judged by policy */
    STREAM_OP_RESIZE,      /* resize: the terminal's new size */
};

enum {
    STREAM_KIND_ITEM = 1, /* stream_control.h */
    STREAM_KIND_LOG,      /* stream_control.h */
    STREAM_KIND_STDIO,    /* stream_stdio.h   */
    STREAM_KIND_BLOB,     /* stream_blob.h    */
    STREAM_KIND_CONNECT,  /* stream_socket.h  */
    STREAM_KIND_LISTEN,   /* stream_socket.h  */
    STREAM_KIND_ACCEPT,   /* stream_socket.h  */
    STREAM_KIND_UDP,      /* stream_socket.h  */
};

struct stream_msg {
    uint16_t op;
    uint16_t kind;   /* OPEN */
    uint32_t stream; /* below STREAMS_MAX; 0 where no stream is meant */
    int32_t result;  /* OPENED: 0 or -errno, at least -4095 */
    uint32_t reserved;
    union {
        struct {
            uint32_t out_page,
                out_size; /* ring guest -> host: window page, bytes; size 0 = no ring */
            uint32_t in_page, in_size; /* ring host -> guest */
            uint32_t name_len;         /* at most out_size and STREAM_NAME_MAX */
            uint32_t arg;              /* by kind */
        } open;
        struct {
            uint32_t id; /* STREAM_OPTION_* */
            int32_t value;
        } option;
        struct {
            uint32_t kind; /* STREAM_EXIT_* */
            uint32_t status;
        } exit;
        struct {
            uint32_t rows, cols; /* 1..65535 */
        } resize;
        struct {
            struct stream_addr local, peer;
        } addr;
        uint64_t size;   /* OPENED: bytes of an item or blob */
        uint32_t number; /* SIGNAL: 1..64 */
        uint32_t phase;  /* STREAM_PHASE_* */
        uint8_t bytes[48];
    };
};
ABI_SIZE(struct stream_msg, 64);
ABI_AT(struct stream_msg, open, 16);

/* Why the guest ended. */
#define STREAM_EXIT_PROGRAM                                                                        \
    0 /* status: exit code of the container's program, 128 + n after signal n */
#define STREAM_EXIT_REFUSED                                                                        \
    1 /* init refused or failed before the program started: status as for `docker run` */

#define STREAM_PHASE_INIT     1 /* library OS up, init starts     */
#define STREAM_PHASE_ATTESTED 2 /* keys fetched                   */
#define STREAM_PHASE_UNPACKED 3 /* root file system ready         */
#define STREAM_PHASE_STARTED  4 /* the container's program starts */
#define STREAM_PHASE_COUNT    5

#endif
