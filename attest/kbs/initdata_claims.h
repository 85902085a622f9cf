/* SPDX-License-Identifier: Apache-2.0 */
/*
 * initdata as a token shows them: the table [data], with `aa.toml` and `cdh.toml` as objects instead of text, and a
 * `policy.rego` that has an object `policy_data` replaced by that object under the name `agent_policy_claims`. A text that
 * does not parse stays a text: evidence binds it either way, and a policy that looks inside finds nothing. [coco §5.2]
 */
#ifndef CASEMATE_ATTEST_KBS_INITDATA_CLAIMS_H
#define CASEMATE_ATTEST_KBS_INITDATA_CLAIMS_H

#include "attest/initdata.h"

/*
 * Beyond this, as compact JSON, a token would outgrow the request heads it has to travel in: then there are no initdata
 * claims in it, and a policy that needs them refuses. Kata's generated policies are some 60 KiB.
 */
#define INITDATA_CLAIMS_MAX (64u * 1024)

/* A new reference; *out NULL when they are too large. */
MUST_CHECK int initdata_claims(const struct initdata *d, json_t **out, struct err *e);

#endif
