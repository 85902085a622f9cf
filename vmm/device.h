/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between device.c, which keeps the rules of guest/abi/streams.h, and streams.c, which calls it
 * from its thread and for the monitor. All under the lock, but device_spoke().
 */
#ifndef CASEMATE_VMM_DEVICE_H
#define CASEMATE_VMM_DEVICE_H

#include "guest/abi/stream_stdio.h"
#include "vmm/streams_priv.h"

#include <pthread.h>

struct streams {
    struct streams_config config;
    uint8_t *window;
    struct streams_header *head;
    pthread_mutex_t lock;
    pthread_t thread;
    bool running; /* the thread exists */
    bool stop;    /* the thread shall end */
    int epoll_fd, bell_fd, kick_fd;
    int stdio[STREAM_STDIO_COUNT]; /* our own, -1 = none or taken by a stream */
    bool stdio_careful[STREAM_STDIO_COUNT];
    uint32_t sockets;
    uint32_t last_id;

    bool broken;
    uint64_t ctl_tail, ctl_head, ready_tail, ready_head;
    uint64_t guest_ctl_head, guest_ready_head;
    uint32_t bell, bell_served;
    struct list due, unsent;
    uint64_t next_deadline_ns;
    uint64_t signals; /* bit n-1: signal n waits for room in the control ring */
    uint32_t used;    /* numbers below it have been used */
    uint16_t rows, cols;
    bool size_unsent;
    struct streams_exit exit;
    struct stream *stream[STREAMS_MAX];
};

/* One look at the rings, and one turn of each stream that is due. */
void device_work(struct streams *s);
/* Has the guest put something into its rings since? Only looks. */
bool device_spoke(struct streams *s);
/* Armed, the guest rings our bell with its next news; the rings want another look afterwards. */
void device_arm(struct streams *s);
void device_disarm(struct streams *s);
/* What waits for room in the control ring, as far as there is any. */
void device_flush(struct streams *s);
/* Every stream ends, and nothing is said to the guest. */
void device_drop(struct streams *s);

#endif
