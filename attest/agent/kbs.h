/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's half of the KBS protocol 0.4.0: challenge, evidence, resources. One struct is one
 * session with one broker and one fresh key; when it ends, the key is gone.
 *
 *   K1  the broker is the one initdata names, over TLS with the certificate initdata names
 *   K2  the key is made here, its private half never leaves, and report data binds its public half,
 *       the nonce and the registers
 *   K3  nothing is believed that is not authenticated: resources are JWEs to that key
 */
#ifndef CASEMATE_ATTEST_AGENT_KBS_H
#define CASEMATE_ATTEST_AGENT_KBS_H

#include "attest/agent/env.h"
#include "attest/transcript.h"

struct kbs;
void kbs_close(struct kbs *k); /* NULL is fine; wipes */
static inline void kbs_cleanup(struct kbs **k) { kbs_close(*k); }
#define auto_kbs __attribute__((cleanup(kbs_cleanup))) struct kbs *

/*
 * Read broker and certificate from the initdata, connect, attest.
 * initdata  the exact text, borrowed for the call
 * registers as init set them; they travel as additional evidence
 */
MUST_CHECK int kbs_open(const struct agent_env *env, const char *initdata, size_t len,
                        const struct transcript_registers *registers, struct kbs **out,
                        struct err *e);

/*
 * One resource ("kbs:///repository/type/tag"); heap, *out_len bytes, wiped and freed by the caller.
 */
MUST_CHECK int kbs_get(struct kbs *k, const char *uri, uint8_t **out, size_t *out_len,
                       struct err *e);

/*
 * The broker's URL and certificates out of aa.toml ([token_configs.kbs] url, cert) and cdh.toml
 * ([kbc] url, kbs_cert), which must agree where both speak. Heap texts.
 */
struct kbs_config {
    char *url, *cert;
};
void kbs_config_fini(struct kbs_config *c);
MUST_CHECK int kbs_config_read(const char *initdata, size_t len, struct kbs_config *out,
                               struct err *e);

#endif
