/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known about a guest once its evidence has been verified: the only thing rules look at. It reaches a decision
 * along two roads that must agree, the session's memory and the token the guest shows; so it goes into a token and comes
 * back unchanged.
 */
#ifndef CASEMATE_ATTEST_KBS_CLAIMS_H
#define CASEMATE_ATTEST_KBS_CLAIMS_H

#include "attest/hex.h"
#include "attest/json.h"
#include "guest/base/cc.h"
#include "guest/base/err.h"

#define CLAIMS_TEE_MAX      16 /* name and zero byte */
#define CLAIMS_MEASUREMENT  48
#define CLAIMS_REGISTER     48
#define CLAIMS_REGISTERS    4
#define CLAIMS_INITDATA_MAX 64
#define CLAIMS_REPORT_DATA  64

/* Before the ward was sealed only init can speak; after it, the application may. */
enum claims_phase { CLAIMS_PHASE_INIT = 1, CLAIMS_PHASE_APPLICATION };

struct claims {
    char tee[CLAIMS_TEE_MAX];                /* kind: sim, snp, tdx */
    uint8_t measurement[CLAIMS_MEASUREMENT]; /* launch digest, or MRTD */
    uint8_t report_data[CLAIMS_REPORT_DATA];
    uint8_t
        initdata[CLAIMS_INITDATA_MAX]; /* digest of the initdata text, by the algorithm it names */
    size_t initdata_len;               /* 32, 48 or 64 */
    enum claims_phase phase;
    bool has_registers; /* bound to the evidence; false = rules about them never hold */
    uint8_t registers[CLAIMS_REGISTERS][CLAIMS_REGISTER];
    json_t *tee_key; /* the guest's JWK; owned */
};

void claims_fini(struct claims *c); /* a zeroed or half-built one is fine */
#define auto_claims __attribute__((cleanup(claims_fini))) struct claims

/* The member `submods.cpu0` of a token. status: "affirming" and the like. New reference in *out. */
MUST_CHECK int claims_to_json(const struct claims *c, const char *nonce, const char *status,
                              json_t **out, struct err *e);

/* From the payload of a token whose signature has been verified. */
MUST_CHECK int claims_from_json(const json_t *payload, struct claims *out, struct err *e);

#endif
