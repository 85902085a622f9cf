/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `cc-attest verify` needs of a kind of evidence. A new kind is a file of its own and a line
 * in the table of verify.c.
 */
#ifndef CASEMATE_ATTEST_CLI_JUDGE_H
#define CASEMATE_ATTEST_CLI_JUDGE_H

#include "attest/crypto.h"
#include "attest/verify/verdict.h"
#include "guest/base/err.h"

#include <jansson.h>

#define JUDGE_SIM_KEYS_MAX 16

/* The files a user may name; each by the option of the same name. */
enum judge_file {
    JUDGE_EVIDENCE,
    JUDGE_VEK,
    JUDGE_CHAIN,
    JUDGE_ROOT,
    JUDGE_CRL,
    JUDGE_COLLATERAL,
    JUDGE_POLICY,
    JUDGE_FILES,
};

struct judge_input {
    struct {
        char *bytes; /* NULL = not given; a zero byte behind them */
        size_t len;
    } file[JUDGE_FILES];
    struct crypto_key *sim_keys[JUDGE_SIM_KEYS_MAX];
    size_t sim_key_count;
    const char *collateral_dir; /* what is not in the files is looked for there; NULL = nowhere */
    int64_t now;
};

struct judge {
    const char *type; /* --type */
    unsigned files;   /* which files it takes: 1u << JUDGE_…; others are a wrong argument */
    bool sim_keys;    /* does it take --insecure-sim-key? */
    bool dir;         /* does it take --collateral-dir? */
    /*
     * Judge the evidence: every byte of every file but the policy is a stranger's, so what does not
     * parse is a reason to refuse. An error is about the policy, or memory.
     * v       zeroed, with a table
     * claims  an empty object, filled in as far as the evidence parses
     */
    int (*run)(const struct judge_input *in, struct verdict *v, json_t *claims, struct err *e);
};

extern const struct judge judge_sim, judge_snp, judge_tdx;

/* "name": "<hex>" into claims. Without memory it is left out. */
void judge_claim_hex(json_t *claims, const char *name, const uint8_t *p, size_t len);

/* The policy as an object, {} when none was given; a new reference. */
MUST_CHECK int judge_policy(const struct judge_input *in, json_t **out, struct err *e);

#endif
