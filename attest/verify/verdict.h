/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer of a verifier. Refusing is an answer and not a malfunction, so it is no errno: the
 * zero value is "refused", all reasons are collected, and only verdict_close() on a verdict without
 * reasons makes it "accepted".
 */
#ifndef CASEMATE_ATTEST_VERIFY_VERDICT_H
#define CASEMATE_ATTEST_VERIFY_VERDICT_H

#include "guest/base/cc.h"

#include <jansson.h>

#define VERDICT_REASONS_MAX 16
#define VERDICT_UNBOUND_MAX 8
#define VERDICT_VALUE_MAX   160

enum verdict_result { VERDICT_REFUSED = 0, VERDICT_ACCEPTED = 1 };

struct verdict_reason {
    const char *code;  /* stable, for programs: "sim-signature" */
    const char *check; /* the layer: parse, chain, signature, freshness, measurement, policy */
    char found[VERDICT_VALUE_MAX];
    char wanted[VERDICT_VALUE_MAX];
    char text[VERDICT_VALUE_MAX];
};

struct verdict {
    enum verdict_result result;
    size_t reason_count; /* beyond the room the latest overwrites the last; it stays refused */
    struct verdict_reason reasons[VERDICT_REASONS_MAX];
    size_t unbound_count; /* what nobody demanded anything of */
    const char *unbound[VERDICT_UNBOUND_MAX];
};

/* One reason to refuse. code and check live forever. */
void verdict_refuse(struct verdict *v, const char *check, const char *code, const char *found,
                    const char *wanted, const char *fmt, ...) PRINTF_LIKE(6, 7);
/* The same with bytes as found and wanted, in hexadecimal. */
void verdict_refuse_bytes(struct verdict *v, const char *check, const char *code,
                          const uint8_t *found, const uint8_t *wanted, size_t len,
                          const char *text);
void verdict_unbound(struct verdict *v, const char *what);
/* Accepted if and only if there is no reason to refuse. */
void verdict_close(struct verdict *v);

/*
 * {"verdict":"accepted|refused","reasons":[{code,check,found,wanted,text}],"unbound":[…]}; NULL
 * without memory.
 */
json_t *verdict_to_json(const struct verdict *v);

#endif
