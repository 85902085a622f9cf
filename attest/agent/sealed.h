/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed secrets: a text that may travel through the host's hands and names, or holds, a secret.
 *
 *   sealed.<header>.<payload>.<signature>      a JWS in compact form behind "sealed."
 *
 *   header    {"alg":"ES256","kid":K}: K is a kbs: resource that is a public P-256 JWK, or the
 *             local name of one (settings.h, credentials). So whoever may put a key where the
 *             broker gives it to this guest may seal for it
 *   vault     {"version":"0.1.0","type":"vault","provider":"kbs","name":"kbs:///…",
 *             "provider_settings":{},"annotations":{}}: the secret is that resource
 *   envelope  {…,"type":"envelope","provider":P,"key_id","encrypted_key","encrypted_data",
 *             "wrap_type":"A256GCM"|"A256CTR","iv"}: the secret is encrypted_data under a key that
 *             the key service P unwraps
 *
 * All members must be there and no others. An unsigned secret is refused unless insecure_unsigned,
 * and then only the payload is looked at, as CoCo's old tools wrote it. A256CTR authenticates
 * nothing: only the signature does.
 *
 * Source: [CoCo sealed secrets 0.1.0].
 */
#ifndef CASEMATE_ATTEST_AGENT_SEALED_H
#define CASEMATE_ATTEST_AGENT_SEALED_H

#include "attest/agent/settings.h"
#include "attest/json.h"

#define SEALED_TEXT_MAX 65536u
#define SEALED_KEY_SIZE 32

/* A key service that unwraps keys of envelopes. This guest is built with none. */
struct sealed_kms {
    const char *provider;
    void *ctx;
    int (*unwrap)(void *ctx, const char *key_id, const uint8_t *wrapped, size_t len,
                  const json_t *provider_settings, const json_t *annotations,
                  uint8_t out_key[SEALED_KEY_SIZE], struct err *e);
};

/* Where keys and secrets come from. */
struct sealed_source {
    void *ctx;
    /* A resource by its kbs: URI; heap, wiped and freed by the caller. */
    int (*get)(void *ctx, const char *uri, uint8_t **out, size_t *out_len, struct err *e);
    const struct agent_credential *credentials;
    size_t credential_count;
    const struct sealed_kms *kms;
    size_t kms_count;
    bool insecure_unsigned;
};

/* Does this text claim to be one? */
bool sealed_is(const char *text, size_t len);

/* The secret; heap, a zero byte behind it, wiped and freed by the caller. */
MUST_CHECK int sealed_open(const struct sealed_source *from, const char *text, size_t len,
                           uint8_t **out, size_t *out_len, struct err *e);

#endif
