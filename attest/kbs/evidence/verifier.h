/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker asks of a verifier: is this evidence genuine, and what does it say? One entry per kind of evidence; the
 * entries are made by the program from its configuration, so the trust anchors are never this library's choice.
 */
#ifndef CASEMATE_ATTEST_KBS_EVIDENCE_VERIFIER_H
#define CASEMATE_ATTEST_KBS_EVIDENCE_VERIFIER_H

#include "attest/kbs/claims.h"
#include "attest/verify/verdict.h"
#include "guest/base/cur.h"

struct evidence {
    const json_t *primary; /* tee-evidence.primary_evidence, an object */
    const char *
        additional; /* tee-evidence.additional_evidence, "" = none; NULL = this is about a further device */
    const char *nonce;     /* ours, already compared with runtime-data */
    const json_t *tee_key; /* runtime-data.tee-pubkey, from transcript_tee_key() */
    struct view
        initdata; /* init-data.body, the exact text; empty only where that is allowed by configuration */
    int64_t now;
    /* Set when something that the verifier missed is on its way, so that the same evidence may be accepted soon; NULL =
     * nobody waits. */
    bool *out_coming;
};

struct verifier {
    const char *name; /* in /auth, on the wire: "casemate-sim" */
    const char *kind; /* in claims, rules and reference values: "sim" */
    enum claims_class class;
    bool further; /* judges further devices, too: evidence whose `additional` is NULL */
    void *ctx;
    /*
     * Judge the evidence. *v is zeroed by the caller and accepted only when signature, report data and initdata all hold;
     * then every member of *out but tee, class and tee_key is filled in. Which launch digests are good is the rules'
     * business.
     */
    void (*verify)(void *ctx, const struct evidence *ev, struct claims *out, struct verdict *v);
};

#endif
