/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as they cross (struct stream_addr) and as the host's kernel takes them. */
#ifndef CASEMATE_VMM_STREAM_ADDR_H
#define CASEMATE_VMM_STREAM_ADDR_H

#include "guest/abi/stream_socket.h"
#include "guest/base/cur.h"

#include <netinet/in.h>
#include <sys/socket.h>

union sockaddr_any {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

socklen_t stream_addr_out(const struct stream_addr *a, union sockaddr_any *out); /* addr_ok() */
struct stream_addr stream_addr_in(const union sockaddr_any *a);
struct stream_addr stream_addr_read(struct cur *c);
/* A known family, and nothing where that family has nothing. */
bool stream_addr_ok(const struct stream_addr *a);
/* Loopback or "this host": addresses that would stay on the host. */
bool stream_addr_is_local(const struct stream_addr *a);
bool stream_addr_is_any(const struct stream_addr *a);
/* The address a socket has. Zero when it has none. */
struct stream_addr stream_addr_of(int fd, bool peer);

#endif
