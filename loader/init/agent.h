/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Init's end of attest/agent/agent.h: run the agent, which attests and fetches, and take the values
 * from it. The agent that fetches is a process of its own and is gone when this returns; the one
 * that serves stays when init's world ends.
 */
#ifndef CASEMATE_INIT_AGENT_H
#define CASEMATE_INIT_AGENT_H

#include "attest/agent/agent.h"
#include "guest/base/err.h"

/* What to fetch, and what came. */
struct wanted {
    uint32_t kind;    /* AGENT_WANT_* */
    const char *text; /* borrowed */
    uint8_t *value;   /* heap, a zero byte behind it; NULL = not fetched */
    size_t len;
};
void wanted_wipe(struct wanted *w); /* the value alone */

/* What the agent is told about the guest; borrowed. */
struct agent_guest {
    const void *initdata; /* the text */
    size_t initdata_len;
    const uint8_t (*registers)[48]; /* four */
    uint32_t launch_flags;
};

/*
 * Values are filled in, all or (wiped) none.
 * program  descriptor of the agent; -1 = it is fetched from the host, checked and left here
 */
MUST_CHECK int agent_fetch(const struct agent_guest *g, int *program, struct wanted *w,
                           size_t count, struct err *e);

/* Start the agent that serves applications; returns when it listens. After seal. */
MUST_CHECK int agent_stay(const struct agent_guest *g, int *program, struct err *e);

/* The conversation alone, over two descriptors. count 0: AGENT_MODE_SERVE. */
MUST_CHECK int agent_talk(int to, int from, const struct agent_guest *g, struct wanted *w,
                          size_t count, struct err *e);

#endif
