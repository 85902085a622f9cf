/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between init and the agent, which init starts with a pipe as standard input and one as standard
 * output: one request, then answers until AGENT_DONE or AGENT_FAILED, then the agent exits (0 or
 * 1). Both sides are parts of the measured guest image; lengths are checked all the same. Little
 * endian, natural alignment, no padding.
 *
 *   request   struct agent_request | initdata text | resource_count * struct agent_resource
 *   answers   struct agent_answer | len bytes, each
 *
 * The agent takes the broker's address and certificate from the initdata (aa.toml, cdh.toml),
 * attests once, and fetches the resources in order. Whatever goes wrong is one AGENT_FAILED with
 * one line of text, and no AGENT_RESOURCE follows it: init forgets what came before.
 */
#ifndef CASEMATE_ATTEST_AGENT_AGENT_H
#define CASEMATE_ATTEST_AGENT_AGENT_H

#include "guest/base/cc.h"

#define AGENT_REQUEST_MAGIC 0x51474143u /* "CAGQ" */
#define AGENT_ANSWER_MAGIC  0x41474143u /* "CAGA" */
#define AGENT_VERSION       1u

#define AGENT_INITDATA_MAX  (1u << 20)
#define AGENT_RESOURCES_MAX 32u
#define AGENT_URI_MAX       256u       /* with the zero byte */
#define AGENT_RESOURCE_MAX  (2u << 20) /* bytes of one resource: the broker's own ceiling */
#define AGENT_TEXT_MAX      256u       /* bytes of a failure's text, no zero byte */

struct agent_request {
    uint32_t magic;
    uint32_t version;
    uint32_t initdata_len;   /* 1..AGENT_INITDATA_MAX */
    uint32_t resource_count; /* 1..AGENT_RESOURCES_MAX */
    uint32_t launch_flags;
    uint32_t reserved;        /* zero */
    uint8_t registers[4][48]; /* as init set them; register 3 is zero before seal */
};
ABI_SIZE(struct agent_request, 216);
ABI_AT(struct agent_request, registers, 24);

struct agent_resource {
    char uri[AGENT_URI_MAX]; /* "kbs:///repository/type/tag", zeros behind it */
};
ABI_SIZE(struct agent_resource, 256);

#define AGENT_DONE     0u /* every resource was delivered; index and len 0 */
#define AGENT_RESOURCE 1u /* resource number index, len bytes */
#define AGENT_FAILED   2u /* len bytes of text for the log and the host's error message; index 0 */

struct agent_answer {
    uint32_t magic;
    uint32_t kind; /* AGENT_DONE, AGENT_RESOURCE, AGENT_FAILED */
    uint32_t index;
    uint32_t len;
};
ABI_SIZE(struct agent_answer, 16);

#endif
