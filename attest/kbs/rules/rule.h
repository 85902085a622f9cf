/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy as data, between those who make it (read.c), ask it (check.c, agree.c) and decide (rules.c).
 */
#ifndef CASEMATE_ATTEST_KBS_RULES_RULE_H
#define CASEMATE_ATTEST_KBS_RULES_RULE_H

#include "attest/crypto.h"
#include "attest/kbs/rules/approval.h"
#include "attest/kbs/rules/question.h"
#include "attest/policy/decision.h"

#define RULES_MAX          1024u /* an owner's images, generously; each request looks at all of them */
#define RULES_LIST_MAX     256u /* entries in one list */
#define RULES_RELEASES_MAX 1000000000u

#define DIGEST_MAX 64

struct digest {
    size_t len;
    uint8_t bytes[DIGEST_MAX];
};
/* Lists are malloc; count 0 = the rule does not have it. */
struct digests {
    size_t count;
    struct digest *v;
};
struct texts {
    size_t count;
    char **v; /* each malloc */
};

/* The parts of SNP's TCB, in the order of their names in read.c. */
#define SNP_PARTS 5
struct firmware {
    bool there;
    int64_t snp[SNP_PARTS]; /* -1 = not looked at */
    bool has_snp;
    struct digests tdx; /* one of 16 bytes */
};

struct tcb {
    bool there;
    struct texts status;
    bool has_not_before;
    int64_t not_before, max_age_days; /* 0 = not looked at */
};

struct claim_check {
    char *at;          /* malloc; a JSON pointer */
    json_t *is, *has;  /* owned; NULL = not looked at */
    json_t *min, *max; /* numbers; the same */
};
struct claim_checks {
    size_t count;
    struct claim_check *v;
};

struct when {
    bool has_from, has_until, has_hours;
    int64_t from, until;            /* seconds since 1970 */
    unsigned days;                  /* bit 0 = Monday; 0 = not looked at */
    unsigned hour_from, hour_until; /* minutes of the day */
};

struct rule {
    char name[64];
    struct texts resources, tees;
    struct digests initdata;
    struct digests measurement; /* count 0 = reference values */
    struct digests image;       /* as register 1 has them: SHA-256 and 16 zero bytes */
    struct digests registers[CLAIMS_REGISTERS];
    enum claims_phase phase;
    struct digests chips;
    struct texts platforms;
    struct firmware firmware;
    struct tcb tcb;
    struct claim_checks claims;
    struct when when;
    uint64_t releases; /* 0 = not counted */
    struct texts approvers;
    size_t need;
    struct texts signers;
};

struct approver {
    char name[APPROVER_SIZE];
    struct crypto_key *key;
};

struct rules {
    size_t count;
    struct rule *v; /* malloc */
    size_t approver_count;
    struct approver *approvers; /* malloc */
};

/* A half-read one is fine. */
void rule_fini(struct rule *r);
/* NULL = the policy names nobody so. */
const struct approver *approver_find(const struct rules *rules, const char *name);

/* From JSON (read.c); what is half-read is in *r and counted. */
MUST_CHECK int rules_read(const json_t *doc, struct rules *r, struct err *e);

/* Every check says yes, or no with a reason in v. */
struct check {
    const struct rules *rules;
    const struct rule *r;
    const struct rule_sources *sources;
    const struct rule_question *q;
    struct decision *v;
};
/* What the evidence says, and the time (check.c). */
MUST_CHECK bool rule_holds(const struct check *k);

/* What was found for one rule: the approvals it rests on, each still with a release left (agree.c). */
struct rests_on {
    size_t count;
    struct approval v[RULES_LIST_MAX + 1]; /* `approvals` needs so many at most, `signer` one */
};
MUST_CHECK bool approvals_hold(const struct check *k, struct rests_on *out);

#endif
