/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that the monitor carries out in the container's network namespace. An address that says
 * loopback is refused on both sides: inside the guest loopback is the guest's own.
 *
 * STREAM_KIND_CONNECT: outgoing TCP, both rings, plain bytes. name = struct stream_connect and then
 * host_len bytes of a host name, resolved in the host's view (the agent's way), or host_len 0 and
 * an address. OPENED carries local and peer address, or the errno of connect(); -EHOSTUNREACH when
 * the name has no address, -ETIMEDOUT after timeout_ms.
 *
 * STREAM_KIND_LISTEN: name = struct stream_listen; one ring to the guest, of struct
 * stream_incoming. OPENED carries the local address with the port chosen. Each incoming connection
 * waits at the host until the guest opens
 *
 * STREAM_KIND_ACCEPT: arg = the listening stream, name = the token (4 bytes, little endian); both
 * rings, plain bytes. -ENOENT when the peer has gone. Closing the listening stream drops the
 * connections that wait.
 *
 * STREAM_KIND_UDP: name = struct stream_listen (port 0: any); both rings, of struct stream_datagram
 * and then len bytes; a record is put whole or not at all, and its len may be 0. What does not fit
 * is dropped, as UDP may.
 *
 * fin of the guest is shutdown(SHUT_WR). STREAM_OP_OPTION sets what the list below names,
 * everything else is the library OS's own business.
 */
#ifndef CASEMATE_GUEST_ABI_STREAM_SOCKET_H
#define CASEMATE_GUEST_ABI_STREAM_SOCKET_H

#include "guest/abi/streams.h"

#define STREAM_HOST_NAME_MAX 253u

struct stream_connect {
    struct stream_addr peer; /* family 0 and ip 0 with a host name; the port counts in both forms */
    uint32_t timeout_ms;     /* 0: the host system's own */
    uint32_t host_len;       /* 0 .. STREAM_HOST_NAME_MAX */
};
ABI_SIZE(struct stream_connect, 32);

struct stream_listen {
    struct stream_addr local; /* ip 0: all addresses */
    uint32_t backlog;         /* TCP: 1..4096; UDP: 0 */
    uint32_t flags;           /* STREAM_LISTEN_* */
};
ABI_SIZE(struct stream_listen, 32);
#define STREAM_LISTEN_REUSEADDR 1u
#define STREAM_LISTEN_V6ONLY    2u

struct stream_incoming {
    uint32_t token;
    uint32_t reserved;
    struct stream_addr local, peer;
};
ABI_SIZE(struct stream_incoming, 56);

struct stream_datagram {
    struct stream_addr addr; /* to the host: destination; to the guest: source */
    uint32_t len;            /* at most STREAM_DATAGRAM_MAX */
    uint32_t reserved;
};
ABI_SIZE(struct stream_datagram, 32);
#define STREAM_DATAGRAM_MAX 65507u

#define STREAM_OPTION_NODELAY   1u /* 0 or 1 */
#define STREAM_OPTION_KEEPALIVE 2u /* 0 or 1 */
#define STREAM_OPTION_KEEPIDLE  3u /* seconds, 1..32767 */
#define STREAM_OPTION_KEEPINTVL 4u
#define STREAM_OPTION_KEEPCNT   5u /* 1..127 */
#define STREAM_OPTION_COUNT     6u

#endif
