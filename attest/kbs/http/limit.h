/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much one client may ask: so many requests a second on average, so many at once, so many connections. A client is an
 * IPv4 address or an IPv6 /64, which is what one customer of one network gets.
 *
 * The table is bounded. When it is full the client that has been quiet longest is forgotten, which gives him nothing he
 * did not have; one with a connection open is not forgotten. Places are chosen by a keyed hash, so nobody can aim at
 * another's.
 *
 * Pure functions of bytes and time.
 */
#ifndef CASEMATE_ATTEST_KBS_HTTP_LIMIT_H
#define CASEMATE_ATTEST_KBS_HTTP_LIMIT_H

#include "guest/base/cc.h"
#include "guest/base/err.h"

#include <sys/socket.h>

struct limit_setup {
    uint32_t per_second;  /* requests on average; 1..1000000 */
    uint32_t burst;       /* requests at once after a quiet time; 1..1000000 */
    uint32_t connections; /* at one time */
    uint32_t clients;     /* remembered; rounded up to a power of two, at least 8 */
};

struct limiter;

MUST_CHECK int limiter_new(const struct limit_setup *s, struct limiter **out, struct err *e);
void limiter_free(struct limiter *l); /* NULL is fine */

struct limit_client {
    uint8_t v[9]; /* 4 or 6, then the address or its first 8 bytes */
};
/* Addresses of other families are one client together; IPv4 inside IPv6 is IPv4. */
struct limit_client limit_client_of(const struct sockaddr *sa);

/*
 * One request. Returns 0 when it may be answered, else the seconds until the next one may (at least 1).
 * now_us  of a clock that never goes back
 */
MUST_CHECK uint32_t limiter_request(struct limiter *l, const struct limit_client *c,
                                    uint64_t now_us);

/*
 * One connection, which costs as much as a request, for it may ask for a TLS handshake and nothing else. False: he has as
 * many as he may, or owes a second bucket beside the one his requests have emptied. Between the two he is let in and
 * hears a refusal. Each true is answered by one limiter_disconnect().
 */
MUST_CHECK bool limiter_connect(struct limiter *l, const struct limit_client *c, uint64_t now_us);
void limiter_disconnect(struct limiter *l, const struct limit_client *c);

#endif
