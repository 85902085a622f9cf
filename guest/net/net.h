/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets, as the rest of the library OS sees them. */
#ifndef CASEMATE_GUEST_NET_NET_H
#define CASEMATE_GUEST_NET_NET_H

#include "guest/los.h"

struct file;

/*
 * A connected TCP socket; name looked up and connected in the host's view (CC_CONNECT). One
 * reference; NULL with -errno in *out_err. Sleeps.
 */
struct file *net_connect_by_name(const char *host, uint16_t port, uint32_t timeout_ms,
                                 int *out_err);

#endif
