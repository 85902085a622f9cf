/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's half of the KBS protocol 0.4.0: challenge, evidence, resources. One struct is one
 * session with one broker and one fresh key; when it ends, the key is gone.
 *
 *   K1  the broker is one that initdata name, over TLS with the certificate initdata name
 *   K2  the key is made here, its private half never leaves, and report data binds its public half,
 *       the nonce and the registers
 *   K3  nothing is believed that is not authenticated: resources are JWEs to that key
 */
#ifndef CASEMATE_ATTEST_AGENT_KBS_H
#define CASEMATE_ATTEST_AGENT_KBS_H

#include "attest/agent/env.h"
#include "attest/agent/settings.h"
#include "attest/transcript.h"

struct kbs;
void kbs_close(struct kbs *k); /* NULL is fine; wipes */
static inline void kbs_cleanup(struct kbs **k) { kbs_close(*k); }
#define auto_kbs __attribute__((cleanup(kbs_cleanup))) struct kbs *

/* Who asks: what evidence is to say, before seal or after it. */
struct kbs_guest {
    const char *initdata; /* the exact text, borrowed as long as the session */
    size_t initdata_len;
    struct transcript_registers registers; /* additional evidence, to a broker that takes them */
    bool sealed;
};

/* Connect, attest. broker, guest: borrowed as long as the session. */
MUST_CHECK int kbs_open(const struct agent_env *env, const struct agent_broker *broker,
                        const struct kbs_guest *guest, struct kbs **out, struct err *e);

/*
 * One resource ("kbs:///repository/type/tag"); heap, *out_len bytes, wiped and freed by the caller.
 */
MUST_CHECK int kbs_get(struct kbs *k, const char *uri, uint8_t **out, size_t *out_len,
                       struct err *e);

/* What the broker gave after attestation, a JWT; a view, as long as the session. */
const char *kbs_token(const struct kbs *k);
/* The session's key, private half included, PKCS#8 PEM; heap, wiped and freed by the caller. */
MUST_CHECK int kbs_key_pem(const struct kbs *k, char **out, size_t *out_len);

#endif
