/* SPDX-License-Identifier: Apache-2.0 */
/* What the owner's policies make of a guest that has proved itself. */
#ifndef CASEMATE_ATTEST_KBS_APPRAISAL_H
#define CASEMATE_ATTEST_KBS_APPRAISAL_H

#include "attest/kbs/exchange.h"

/* A guest that has proved itself, and what it sent beside the evidence. */
struct attested {
    struct claims device[CLAIMS_DEVICES_MAX]; /* the TEE first */
    size_t device_count;
    const char *nonce, *additional; /* borrowed */
    json_t *initdata_claims;        /* owned; NULL = none */
    json_t *submods;                /* one per device, once appraised; owned */
};
void attested_fini(struct attested *a);
#define auto_attested __attribute__((cleanup(attested_fini))) struct attested

/*
 * By the owner's policies, or the broker's own. -EINVAL or -ERANGE when a policy fails over this guest: the text is for
 * the log.
 */
MUST_CHECK int appraise_devices(struct broker *b, int64_t now, struct attested *a, struct err *e);
/* The same once more for claims that somebody changed: payload is a token's. */
MUST_CHECK int appraise_again(struct broker *b, int64_t now, json_t *payload, struct err *e);

#endif
