/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host names become addresses in a process of their own. getaddrinfo() reads files, loads libraries
 * and waits: all that the monitor's sandbox forbids. The helper answers one request after the other
 * and holds nothing but its end of a socket; it ends with us, whatever ends us.
 */
#ifndef CASEMATE_VMM_NAMES_H
#define CASEMATE_VMM_NAMES_H

#include "guest/base/err.h"
#include "vmm/stream_addr.h"

#include <sys/types.h>

#define NAMES_ADDR_MAX 8u

struct names {
    pid_t pid; /* 0 = none */
    int fd;    /* SOCK_SEQPACKET: requests out, answers in */
};

/* One packet each way; id is the asker's own. */
struct names_request {
    uint32_t id;
    uint16_t port;
    uint16_t host_len;
    char host[STREAM_HOST_NAME_MAX];
};
struct names_answer {
    uint32_t id;
    uint32_t count; /* 0: the name has no address */
    struct {
        socklen_t len;
        union sockaddr_any to;
    } addr[NAMES_ADDR_MAX];
};

/* Before guest memory is mapped: the helper would hold a copy. */
MUST_CHECK int names_start(struct names *out, struct err *e);
void names_stop(struct names *n); /* {0, -1} is fine */

#endif
