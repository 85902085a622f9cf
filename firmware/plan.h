/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launch plan: the ordered list of initial pages of a guest. A pure function of stub, launch page and kind of TEE;
 * one plan, several readers: back ends of the monitor play it into the processor, attest/ hashes it. Nothing of it
 * depends on memory size, number of vCPUs or workload, so every guest of one build has one launch digest.
 */
#ifndef CASEMATE_FIRMWARE_PLAN_H
#define CASEMATE_FIRMWARE_PLAN_H

#include "firmware/abi/launch.h"
#include "guest/base/err.h"

enum plan_kind {
    PLAN_NORMAL, /* content and address are measured                                  */
    PLAN_VMSA,   /* initial register state of the boot vCPU, in SNP's layout, measured */
};

struct plan_page {
    enum plan_kind kind;
    uint64_t gpa;         /* page aligned; 0 for a VMSA: the back end knows its own */
    const uint8_t *bytes; /* 4096, inside the plan or the caller's stub            */
};

#define PLAN_PAGES_MAX 8
struct plan {
    size_t count;
    struct plan_page page[PLAN_PAGES_MAX]; /* in launch order */
    struct launch_page launch;
    uint8_t vmsa[PAGE_SIZE];
};

/*
 * stub    STUB_SIZE bytes, borrowed as long as the plan
 * launch  copied; its flags are `flags` (LAUNCH_*), everything else as made at build time
 * Returns 0, -EINVAL for a stub of another size, -EBADMSG for a launch page of another format.
 */
MUST_CHECK int plan_make(struct plan *out, const void *stub, size_t stub_len, const void *launch, size_t launch_len,
                         uint32_t flags, struct err *e);

/* Build time: the launch page for these two parts; agent may be empty. */
void plan_launch_page(struct launch_page *out, const void *core, size_t core_len, const void *agent, size_t agent_len);

#endif
