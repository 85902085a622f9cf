/* SPDX-License-Identifier: Apache-2.0 */
/* What a broker is told when it is made, and what it counts. */
#ifndef CASEMATE_ATTEST_KBS_BROKER_SETUP_H
#define CASEMATE_ATTEST_KBS_BROKER_SETUP_H

#include "attest/crypto.h"
#include "attest/kbs/evidence/verifier.h"
#include "attest/kbs/store/store.h"
#include "attest/kbs/trust.h"

/* What a role other than `admin`, which may do everything, may do. */
struct admin_role {
    const char *name;
    const json_t *operations; /* array of texts, as the audit log names them: "set-reference" */
};

/* The operations of administrators, by number; NULL behind the last. admin.c */
const char *admin_operation(size_t i);

struct broker_setup {
    struct store *store; /* everything in this struct is borrowed and outlives the broker */
    const struct crypto_key
        *token_key; /* P-256, P-384 or P-521, private: signs attestation tokens */
    struct crypto_cert *const *token_chain; /* goes into their header, leaf first; none is fine */
    size_t token_chain_count;
    const char *token_issuer;       /* `iss` in them; NULL = "cc-kbs" */
    struct token_trust token_trust; /* whose tokens are believed beside ours; `own` is filled in */
    /* What CoCo allows: evidence without initdata; a Rego policy that does not depend on them. */
    bool insecure_without_initdata, insecure_policy_without_initdata;
    const struct crypto_key *const *admin_keys; /* public; whoever signs with one administers */
    size_t admin_key_count;
    const char *admin_issuer; /* what `iss` of an administrator's token must be */
    const struct admin_role *roles;
    size_t role_count;
    bool documented_statuses; /* 403 and 404 for guests, where CoCo's broker says 401 */
    const struct verifier *verifiers;
    size_t verifier_count;
    uint32_t max_sessions;
    int64_t session_seconds;                   /* from /auth */
    int64_t token_seconds;                     /* from its making; 0 = session_seconds */
    int (*audit)(void *ctx, const char *line); /* one JSON object, no line break; 0 = it is kept */
    void *audit_ctx;
    bool audit_required; /* what cannot be recorded is not told either: 503 */
};

/* Decisions about guests so far, as they were told. */
struct broker_counts {
    uint64_t attested, not_attested, released, not_released;
};

#endif
