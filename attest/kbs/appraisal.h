/* SPDX-License-Identifier: Apache-2.0 */
/* What the owner's policies make of a guest that has proved itself. */
#ifndef CASEMATE_ATTEST_KBS_APPRAISAL_H
#define CASEMATE_ATTEST_KBS_APPRAISAL_H

#include "attest/kbs/attestation.h"
#include "attest/kbs/exchange.h"

/*
 * By the owner's policies, or the broker's own. -EINVAL or -ERANGE when a policy fails over this guest: the text is for
 * the log.
 */
MUST_CHECK int appraise_devices(struct broker *b, int64_t now, struct attested *a, struct err *e);
/* The same once more for claims that somebody changed: payload is a token's. */
MUST_CHECK int appraise_again(struct broker *b, int64_t now, json_t *payload, struct err *e);

#endif
