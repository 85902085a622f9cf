/* SPDX-License-Identifier: Apache-2.0 */
/*
 * initdata: what the owner of a workload decides, in CoCo's format. A TOML text with version,
 * algorithm and a table of named texts; the host carries it, its digest is in the evidence, so a
 * changed byte is another identity.
 *
 * The digest is over the exact bytes. Source: [CoCo initdata 0.1.0].
 */
#ifndef CASEMATE_ATTEST_INITDATA_H
#define CASEMATE_ATTEST_INITDATA_H

#include "attest/crypto.h"
#include "attest/json.h"

#define INITDATA_MAX (1u << 20)

/* Names in [data]. The first three are CoCo's; then our launch policy, and brokers of shares. */
#define INITDATA_AA     "aa.toml"
#define INITDATA_CDH    "cdh.toml"
#define INITDATA_REGO   "policy.rego"
#define INITDATA_POLICY "casemate.toml"
#define INITDATA_BROKERS "brokers.toml"

/* Fields of evidence that hold the digest, cut or padded with zeros. */
#define INITDATA_FIELD_SNP 32 /* HOST_DATA; sim too */
#define INITDATA_FIELD_TDX 48 /* MRCONFIGID */

struct initdata {
    enum crypto_hash algorithm;
    uint8_t digest[CRYPTO_HASH_MAX];
    size_t digest_len; /* 32, 48 or 64 */
    json_t *data;      /* name -> text */
};
void initdata_fini(struct initdata *d);
#define auto_initdata __attribute__((cleanup(initdata_fini))) struct initdata

/*
 * Refused: another version or algorithm, no [data], values that are not strings, further top-level
 * keys.
 */
MUST_CHECK int initdata_parse(const void *text, size_t len, struct initdata *out, struct err *e);

/* The raw text under a name of [data], NUL-terminated, or NULL. Lives as long as d. */
const char *initdata_text(const struct initdata *d, const char *name);

/* What a field of this many bytes holds for these initdata. */
void initdata_field(const struct initdata *d, uint8_t *out, size_t field_len);

/* Runtime register 0 for these initdata: always 48 bytes, by the same rule. */
#define INITDATA_REGISTER 48

#endif
