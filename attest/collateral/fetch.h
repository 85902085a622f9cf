/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items from the vendors' services, or from a mirror with the same paths. The transport is trusted
 * with nothing: what arrives is signed by the vendor, and the store and every verifier check that.
 * So http will do, redirects are not followed, and a proxy named by the environment is used.
 *
 * Source: [PCS] Intel SGX and TDX provisioning certification service, API version 4; [KDS] AMD VCEK
 * certificate and KDS interface specification.
 */
#ifndef CASEMATE_ATTEST_COLLATERAL_FETCH_H
#define CASEMATE_ATTEST_COLLATERAL_FETCH_H

#include "attest/collateral/store.h"

#include <stdatomic.h>

#define FETCH_INTEL    "https://api.trustedservices.intel.com"
#define FETCH_INTEL_CA "https://certificates.trustedservices.intel.com"
#define FETCH_AMD      "https://kdsintf.amd.com"

struct fetch_from {
    const char *intel;       /* <intel>/tdx/certification/v4/tcb?fmspc=…, and so on */
    const char *intel_ca;    /* <intel_ca>/IntelSGXRootCA.der */
    const char *amd;         /* <amd>/vcek/v1/Milan/… */
    const char *ca_file;     /* PEM: whom to believe for https; NULL = the system's */
    long timeout_s;          /* of each request */
    const atomic_bool *stop; /* once true, ends a transfer within a second; NULL = nobody does */
};

/*
 * Heap bytes; nothing of them is checked but the form of the answer. -EIO when the service did not
 * answer, or that it cannot (500 and above, 408, 429); another errno when this item is not to be
 * had there.
 */
MUST_CHECK int fetch_item(const struct fetch_from *from, const struct collateral_id *id, char **out,
                          size_t *out_len, struct err *e);

/*
 * One answer's parts as a set has them. Pure, for tests: pem_escaped is percent-encoded, body is
 * {"<name>":{…},"signature":"…"}.
 */
MUST_CHECK int fetch_unescape(const char *text, char **out, struct err *e);
MUST_CHECK int fetch_signed(const char *body, size_t len, const char *name, char **out_text,
                            char **out_signature, struct err *e);

#endif
