/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host may ask of a running container, as init hands it to the library OS: the [[control]]
 * rules of the launch policy (loader/init/policy.h), compiled. Both sides are measured; the table is
 * checked all the same.
 *
 *   struct cc_control | rule_count * struct cc_control_rule | text_len bytes of text
 *
 * A rule is about signals or about one more program. It allows a request when none of the events in
 * `before` has happened, all of those in `after` have, and it has not been used `times` times. An
 * event is a set bit: rule number i was used, or one of CC_EVENT_*. The first rule that allows is
 * the one that is used. Without a rule nothing is allowed but KILL, TERM, INT and WINCH, which need
 * none.
 *
 * Texts end in a zero byte. A list is texts one after the other.
 */
#ifndef CASEMATE_GUEST_ABI_CONTROL_H
#define CASEMATE_GUEST_ABI_CONTROL_H

#include "guest/base/cc.h"

#define CC_CONTROL_RULES_MAX 32u
#define CC_CONTROL_TEXT_MAX  32768u
#define CC_CONTROL_LIST_MAX  1024u
#define CC_CONTROL_SIZE_MAX                                                                        \
    (sizeof(struct cc_control) + CC_CONTROL_RULES_MAX * sizeof(struct cc_control_rule) +           \
     CC_CONTROL_TEXT_MAX)

#define CC_EVENT_EVIDENCE 32u /* the application was given evidence, a token or a resource */
#define CC_EVENT_EXTEND   33u /* the application extended register 3 */
#define CC_EVENT_COUNT    34u

#define CC_CONTROL_EXEC  1u /* about a program: the texts below; otherwise about signals */
#define CC_CONTROL_TTY   2u /* it may have a terminal */
#define CC_CONTROL_STDIN 4u /* it may read what the host writes */

struct cc_control {
    uint32_t rule_count;
    uint32_t text_len;
};
ABI_SIZE(struct cc_control, 8);

struct cc_control_rule {
    uint64_t before, after;    /* sets of events */
    uint64_t signals;          /* bit n - 1: signal n */
    uint32_t flags;            /* CC_CONTROL_* */
    uint32_t times;            /* 0 = any number */
    uint32_t args, args_count; /* where in the text: patterns, one per argument */
    uint32_t env, env_count;   /* the variables it may have, literally */
    uint32_t cwd, user;        /* patterns */
};
ABI_SIZE(struct cc_control_rule, 56);

#endif
