/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge of what the host asks of a running container, by the rules in guest/abi/control.h. Pure:
 * it remembers what has happened and nothing else.
 *
 * Signals are asked for by STREAM_OP_SIGNAL. No stream carries a request for another program yet;
 * its judge is here because its rules are in the same table and in the same order of events.
 */
#ifndef CASEMATE_GUEST_CONTROL_H
#define CASEMATE_GUEST_CONTROL_H

#include "guest/abi/control.h"
#include "guest/base/cur.h"

/* The zero value has no rules: nothing but the four signals is allowed. */
struct control {
    struct cc_control_rule rules[CC_CONTROL_RULES_MAX];
    uint32_t rule_count;
    struct view text;  /* borrowed from the table */
    uint64_t happened; /* set of events */
    uint32_t used[CC_CONTROL_RULES_MAX];
};

/* False when the table is none; then out is as it was. The table must outlive out. */
MUST_CHECK bool control_load(struct control *out, const void *table, size_t len);

/* An event of CC_EVENT_*. */
void control_note(struct control *c, unsigned event);

/* May it be sent? A yes is remembered. */
MUST_CHECK bool control_signal(struct control *c, unsigned signo);

struct control_exec {
    const char *const *args, *const *env; /* end with NULL */
    const char *cwd, *user;
    uint32_t flags; /* CC_CONTROL_TTY, CC_CONTROL_STDIN: what it wants */
};
MUST_CHECK bool control_exec(struct control *c, const struct control_exec *x);

#endif
