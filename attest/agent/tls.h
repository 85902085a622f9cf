/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One TLS 1.3 connection to a pinned server, the only door to libssl. The trust anchors are the
 * certificates given and nothing else: no system store, no configuration file.
 *
 * The server's certificate must be one of them, or chain to one of them and be made out to the
 * host's name. Validity periods are not looked at: the guest's clock is the host's to set, so they
 * would protect from nobody and only break starts. Withdrawing a certificate means new initdata.
 */
#ifndef CASEMATE_ATTEST_AGENT_TLS_H
#define CASEMATE_ATTEST_AGENT_TLS_H

#include "guest/base/err.h"

struct tls;

/* Milliseconds of CLOCK_MONOTONIC: what deadlines are made of. */
int64_t tls_now_ms(void);

/*
 * Begin a handshake on a connected TCP descriptor, which is taken over, also on failure. The peer's
 * answer is awaited by the first write, so that what the caller does meanwhile costs no time.
 * host         name or address that the certificate must carry
 * pem          one or more certificates
 * deadline_ms  for this and every later call
 */
MUST_CHECK int tls_open(int take_fd, const char *host, const char *pem, int64_t deadline_ms,
                        struct tls **out, struct err *e);
void tls_close(struct tls *t); /* says goodbye without waiting; NULL is fine */

/* Shaped for struct http_io; ctx is the struct tls. -ETIMEDOUT when the deadline has passed. */
MUST_CHECK int tls_read(void *ctx, uint8_t *buf, size_t cap, size_t *out_n, struct err *e);
MUST_CHECK int tls_write(void *ctx, const uint8_t *p, size_t len, struct err *e);

#endif
