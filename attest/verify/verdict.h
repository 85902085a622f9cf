/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer of a verifier. Refusing is an answer and not a malfunction, so it is no errno: the
 * zero value is "refused", all reasons are collected, and only verdict_close() on a verdict without
 * reasons makes it "accepted".
 *
 * Every check has a code, and a code is an entry of its verifier's table: it brings the layer, the
 * field it looks at, and the words `cc-attest explain` says. So there is no reason that nobody can
 * explain; explain.h knows all tables.
 */
#ifndef CASEMATE_ATTEST_VERIFY_VERDICT_H
#define CASEMATE_ATTEST_VERIFY_VERDICT_H

#include "guest/base/cc.h"

#include <jansson.h>

#define VERDICT_REASONS_MAX 32
#define VERDICT_UNBOUND_MAX 40
#define VERDICT_ROWS_MAX    128
#define VERDICT_VALUE_MAX   160 /* 64 bytes in hex, and room for a few words */

enum verdict_result { VERDICT_REFUSED = 0, VERDICT_ACCEPTED = 1 };

/* One kind of reason to refuse. All texts live forever and none is NULL. */
struct verdict_code {
    const char *name;  /* stable, for programs: "snp-signature" */
    const char *check; /* the layer: parse, chain, signature, freshness, measurement, policy */
    const char *ref;   /* the check's number in README.md, "" = none */
    const char *field; /* what is looked at; names a row of the table */
    const char *means; /* one sentence: what is wrong */
    const char *todo;  /* one sentence: what the reader can do about it */
};

struct verdict_reason {
    const char *code;  /* verdict_code's name */
    const char *check; /* and its layer */
    char found[VERDICT_VALUE_MAX];
    char wanted[VERDICT_VALUE_MAX];
    char text[VERDICT_VALUE_MAX];
};

/*
 * Every field that was looked at, for people; a verifier fills it only for a caller that gave one.
 * Rows beyond the room are dropped: nothing is decided by them.
 */
enum verdict_state { VERDICT_HELD = 1, VERDICT_FAILED, VERDICT_UNBOUND };
struct verdict_row {
    enum verdict_state state;
    const struct verdict_code *code; /* of HELD and FAILED, else NULL */
    const char *field;
    char found[VERDICT_VALUE_MAX];
    char wanted[VERDICT_VALUE_MAX];
};
struct verdict_table {
    size_t count;
    struct verdict_row rows[VERDICT_ROWS_MAX];
};

struct verdict {
    enum verdict_result result;
    size_t reason_count; /* beyond the room the latest overwrites the last; it stays refused */
    struct verdict_reason reasons[VERDICT_REASONS_MAX];
    size_t unbound_count; /* what nobody demanded anything of */
    const char *unbound[VERDICT_UNBOUND_MAX];
    struct verdict_table *table; /* borrowed; NULL = nobody wants to see */
};

/* One reason to refuse, with a text of its own. */
void verdict_refuse(struct verdict *v, const struct verdict_code *code, const char *found,
                    const char *wanted, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* Did a check hold? If not it is a reason to refuse, in the code's own words. Returns holds. */
bool verdict_check(struct verdict *v, bool holds, const struct verdict_code *code,
                   const char *found, const char *wanted);
/* The same with bytes as found and wanted, shown in hexadecimal, at most 64 of them. */
bool verdict_check_bytes(struct verdict *v, bool holds, const struct verdict_code *code,
                         const uint8_t *found, const uint8_t *wanted, size_t len);

/*
 * Nobody demanded anything of it.
 * member  the policy member that would; lives forever
 * found   "" = not shown
 */
void verdict_unbound(struct verdict *v, const char *member, const char *found);

/* Accepted if and only if there is no reason to refuse. */
void verdict_close(struct verdict *v);

/*
 * {"verdict":"accepted|refused","reasons":[{code,check,found,wanted,text}],"unbound":[…],
 * "claims":{…}}; NULL without memory.
 * claims  borrowed; NULL = the member is left out
 */
json_t *verdict_to_json(const struct verdict *v, const json_t *claims);

#endif
