/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest sends to /attest, read and judged: no session, no HTTP, no policy. The broker does so in a handshake (rcar.c),
 * and an owner at his desk with what was recorded (desk/policy.c). [coco §2.3]
 *
 * Every device that is in the evidence is verified, or the whole is refused.
 */
#ifndef CASEMATE_ATTEST_KBS_ATTESTATION_H
#define CASEMATE_ATTEST_KBS_ATTESTATION_H

#include "attest/jose.h"
#include "attest/kbs/evidence/verifier.h"
#include "attest/policy/decision.h"

struct attestation {
    json_t *doc; /* owner of everything below but key */
    const char *nonce;
    const char *additional;
    json_t *primary;
    const char *initdata;        /* NULL = none */
    const char *initdata_format; /* NULL = none */
    size_t initdata_len;
    json_t *key;    /* the known members of tee-pubkey; owned */
    struct jwk jwk; /* the key itself */
};
void attestation_fini(struct attestation *a);
#define auto_attestation __attribute__((cleanup(attestation_fini))) struct attestation

/* A body of a stranger. Nothing is judged yet. */
MUST_CHECK int attestation_read(struct view body, struct attestation *out, struct err *e);

/* A guest that has proved itself, and what it sent beside the evidence. */
struct attested {
    struct claims device[CLAIMS_DEVICES_MAX]; /* the TEE first */
    size_t device_count;
    const char *nonce, *additional; /* borrowed from the attestation */
    json_t *initdata_claims;        /* owned; NULL = none */
    json_t *submods;                /* one per device, once appraised; owned */
};
void attested_fini(struct attested *a);
#define auto_attested __attribute__((cleanup(attested_fini))) struct attested

#define ATTESTED_NAME_SIZE 16
/* What the submodule of a device is called: "cpu0", "gpu1". Class, and how many of that class came before. */
void attested_name(const struct attested *a, size_t index, char out[static ATTESTED_NAME_SIZE]);
/* claims_to_evidence() of a device: the TEE's alone binds the additional evidence and the initdata. New reference. */
MUST_CHECK int attested_evidence(const struct attested *a, size_t index, json_t **out,
                                 struct err *e);

struct attestation_judge {
    const struct verifier *verifiers; /* that there are */
    size_t verifier_count;
    bool insecure_without_initdata;
    const char *tee;   /* whose verifier judges, as /auth was told */
    const char *nonce; /* the one that was given out */
    int64_t now;
    bool
        *out_coming; /* see struct evidence; false once a device did without. NULL = nobody waits */
    struct decision *out_decision; /* the verifier's reasons, when it is the one who refuses */
};

const struct verifier *verifier_find(const struct verifier *all, size_t count, const char *tee);

/* 0 and *out, or why this evidence is refused. */
MUST_CHECK int attestation_judge(const struct attestation *a, const struct attestation_judge *j,
                                 struct attested *out, struct err *e);

#endif
