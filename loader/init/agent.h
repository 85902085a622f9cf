/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Init's end of attest/agent/agent.h: run the agent, which attests and fetches, and take the keys
 * from it. The agent is a process of its own and is gone when this returns.
 */
#ifndef CASEMATE_INIT_AGENT_H
#define CASEMATE_INIT_AGENT_H

#include "attest/agent/agent.h"
#include "loader/image/ocicrypt.h"

/*
 * keys      count of them, their uri filled in; their key is filled in, all or (wiped) none
 * initdata  the text
 */
MUST_CHECK int agent_fetch(struct kek *keys, size_t count, const void *initdata,
                           size_t initdata_len, const uint8_t registers[4][48], struct err *e);

/* The conversation alone, over two descriptors. */
MUST_CHECK int agent_talk(int to, int from, struct kek *keys, size_t count, const void *initdata,
                          size_t initdata_len, const uint8_t registers[4][48], struct err *e);

#endif
