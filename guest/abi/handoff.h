/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the library OS is told when it starts: one read-only page at LOS_HANDOFF, written by the stub (sim, TEEs) or by
 * the monitor (none). The numbers began life at the host; the library OS checks order, overlap and ends again although
 * it trusts the writer.
 */
#ifndef CASEMATE_GUEST_ABI_HANDOFF_H
#define CASEMATE_GUEST_ABI_HANDOFF_H

#include "guest/base/cc.h"

#define HANDOFF_MAGIC   0x46464f444e414843ull /* "CHANDOFF" */
#define HANDOFF_VERSION 1
#define HANDOFF_RAM_MAX 2

#define TEE_NONE 0
#define TEE_SIM  1
#define TEE_SNP  2
#define TEE_TDX  3

#define HANDOFF_GUARDED 1u /* page tables are set by ward calls */

struct handoff {
    uint64_t magic;
    uint32_t version;
    uint32_t tee;          /* TEE_*                                                                  */
    uint32_t flags;        /* HANDOFF_*                                                              */
    uint32_t launch_flags; /* as measured in the launch page                                         */
    struct {
        uint64_t gpa, size; /* whole chunks; [0] from 0 and below the hole, [1] from 4 GiB or empty   */
    } ram[HANDOFF_RAM_MAX];
    uint64_t heap_gpa, heap_size;     /* free part of the boot region, whole pages, zero              */
    uint64_t tables_gpa, tables_size; /* table region; its first CORE_TABLES pages are in use         */
    uint64_t window_gpa, window_size;
    uint64_t init_gpa, init_size;     /* the init program: whole pages, zero behind its last byte     */
    uint64_t fdt_off, fdt_size;       /* machine description inside the window: host input            */
    uint64_t agent_size;              /* bytes of the agent part; 0 when there is none                */
    uint8_t agent_sha256[32];         /* of the agent part, from the measured launch page             */
    uint64_t reserved[9];
};
ABI_AT(struct handoff, ram, 24);
ABI_AT(struct handoff, heap_gpa, 56);
ABI_AT(struct handoff, agent_sha256, 144);
ABI_SIZE(struct handoff, 248);

#endif
