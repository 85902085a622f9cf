/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known about a guest, or about one more device of it, once its evidence has been verified: the only thing rules
 * look at. Claims travel inside a token and nowhere else: a session keeps its token, a guest may show one, and both are
 * read back by the same function. So what a decision looks at does not depend on the road.
 *
 * The form is CoCo's, so that policies written for it find what they look for: one submodule per device (`cpu0`, `gpu0`),
 * in it `ear.veraison.annotated-evidence` with `report_data`, `init_data`, `init_data_claims`, `runtime_data_claims` and the
 * TEE's own object. What CoCo has no place for stands in that object under `casemate`: {measurement, initdata, phase,
 * registers}. [coco §5.2, §5.3]
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
#define CLAIMS_DEVICES_MAX  8 /* the TEE and its further devices */

/* Before the ward was sealed only init can speak; after it, the application may. */
enum claims_phase { CLAIMS_PHASE_INIT = 1, CLAIMS_PHASE_APPLICATION };

/* What kind of device: the first half of a submodule's name, the second half of an attestation policy's. */
enum claims_class { CLAIMS_CPU = 0, CLAIMS_GPU, CLAIMS_CLASSES };
const char *claims_class_name(enum claims_class c);

struct claims {
    char tee[CLAIMS_TEE_MAX]; /* kind: sim, snp, tdx, sample */
    enum claims_class class;
    uint8_t
        measurement[CLAIMS_MEASUREMENT]; /* launch digest, or MRTD; zero for kinds without one */
    uint8_t report_data[CLAIMS_REPORT_DATA];
    uint8_t
        initdata[CLAIMS_INITDATA_MAX]; /* digest of the initdata text, by the algorithm it names */
    size_t initdata_len;               /* 32, 48 or 64; 0 = the guest sent none */
    enum claims_phase phase;
    bool has_registers; /* bound to the evidence; false = rules about them never hold */
    uint8_t registers[CLAIMS_REGISTERS][CLAIMS_REGISTER];
    json_t *
        platform; /* the TEE's own object, members named as CoCo names them; owned; NULL = only what stands above */
    json_t *tee_key; /* the guest's JWK; owned */
};

void claims_fini(struct claims *c); /* a zeroed or half-built one is fine */
#define auto_claims __attribute__((cleanup(claims_fini))) struct claims

#define CLAIMS_EVIDENCE "ear.veraison.annotated-evidence"

/*
 * One device's claims as a token shows them and an attestation policy sees them: the value of
 * CLAIMS_EVIDENCE. New reference in *out.
 *
 * nonce       of the session
 * additional  the additional evidence's text, bound by report data; NULL for a further device, which does not bind it
 * initdata    `init_data_claims`, borrowed; NULL = leave it out
 */
MUST_CHECK int claims_to_evidence(const struct claims *c, const char *nonce, const char *additional,
                                  const json_t *initdata, json_t **out, struct err *e);

/*
 * The guest's claims from the payload of a token whose signature has been verified: who signed it is the caller's
 * business. An error when no key of the guest's is in it, or when its TEE is one that rules know (sim, snp, tdx) and its
 * members are not what they must be; of other kinds only `tee` and `tee_key` are filled in, and no rule holds for them.
 */
MUST_CHECK int claims_from_json(const json_t *payload, struct claims *out, struct err *e);

/* The guest's public key in a token, where CoCo looks for it, first hit wins. Borrowed. [coco §5.5] */
MUST_CHECK int claims_tee_key(const json_t *payload, json_t **out, struct err *e);

#endif
