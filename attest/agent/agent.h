/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between init and the agent, which init starts with a pipe as standard input and one as standard
 * output: one request, then answers until AGENT_DONE or AGENT_FAILED. Both sides are parts of the
 * measured guest image; lengths are checked all the same. Little endian, natural alignment, no
 * padding.
 *
 *   request   struct agent_request | initdata text | want_count * (struct agent_want | text)
 *   answers   struct agent_answer | len bytes, each
 *
 * The agent takes everything else from the initdata (attest/agent/settings.h).
 *
 * AGENT_MODE_FETCH, before seal: attest once, deliver what is wanted in order, exit with 0 or 1.
 * Whatever goes wrong is one AGENT_FAILED with one line of text, and no AGENT_VALUE follows it:
 * init forgets what came before.
 *
 * AGENT_MODE_SERVE, after seal: wants nothing. AGENT_DONE comes when the REST service listens
 * (attest/agent/rest.h); then the agent lets go of its pipes and stays until the guest ends.
 */
#ifndef CASEMATE_ATTEST_AGENT_AGENT_H
#define CASEMATE_ATTEST_AGENT_AGENT_H

#include "guest/base/cc.h"

#define AGENT_REQUEST_MAGIC 0x51474143u /* "CAGQ" */
#define AGENT_ANSWER_MAGIC  0x41474143u /* "CAGA" */
#define AGENT_VERSION       2u

#define AGENT_MODE_FETCH 0u
#define AGENT_MODE_SERVE 1u

#define AGENT_INITDATA_MAX (1u << 20)
#define AGENT_WANTS_MAX    128u       /* keys of an image, secrets of its environment and files */
#define AGENT_WANT_MAX     65536u     /* bytes of one want's text */
#define AGENT_VALUE_MAX    (2u << 20) /* bytes of one value: the broker's own ceiling */
#define AGENT_TEXT_MAX     256u       /* bytes of a failure's text, no zero byte */

struct agent_request {
    uint32_t magic;
    uint32_t version;
    uint32_t initdata_len; /* 1..AGENT_INITDATA_MAX */
    uint32_t want_count;   /* FETCH: 1..AGENT_WANTS_MAX; SERVE: 0 */
    uint32_t launch_flags;
    uint32_t mode;            /* AGENT_MODE_* */
    uint8_t registers[4][48]; /* as init set them; register 3 is zero */
};
ABI_SIZE(struct agent_request, 216);
ABI_AT(struct agent_request, registers, 24);

#define AGENT_WANT_RESOURCE 0u /* "kbs:///repository/type/tag" */
#define AGENT_WANT_SEALED   1u /* "sealed.…", attest/agent/sealed.h */

struct agent_want {
    uint32_t kind; /* AGENT_WANT_* */
    uint32_t len;  /* bytes of text behind this, 1..AGENT_WANT_MAX */
};
ABI_SIZE(struct agent_want, 8);

#define AGENT_DONE   0u /* every value was delivered, or the service listens; index and len 0 */
#define AGENT_VALUE  1u /* of want number index, len bytes */
#define AGENT_FAILED 2u /* len bytes of text for the log and the host's error message; index 0 */

struct agent_answer {
    uint32_t magic;
    uint32_t kind; /* AGENT_DONE, AGENT_VALUE, AGENT_FAILED */
    uint32_t index;
    uint32_t len;
};
ABI_SIZE(struct agent_answer, 16);

#endif
