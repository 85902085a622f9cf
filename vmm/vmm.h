/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor: everything between "here is a guest image and its inputs" and "it ended with status n". It knows KVM,
 * memory, vCPUs, TEE back ends and the streams device; it knows nothing of images, registries or key brokers.
 *
 * One call runs one guest. The monitor is outside the trusted base, but what the guest writes is hostile to it.
 */
#ifndef CASEMATE_VMM_VMM_H
#define CASEMATE_VMM_VMM_H

#include "guest/base/err.h"
#include "vmm/streams.h"

#include <stdio.h>

enum vmm_tee { VMM_TEE_NONE, VMM_TEE_SIM, VMM_TEE_SNP, VMM_TEE_TDX };

struct vmm_bytes {
    const void *p; /* borrowed */
    size_t len;
};

/* What `--timings` prints; CLOCK_MONOTONIC nanoseconds, 0 = never reached. */
enum vmm_phase {
    VMM_PHASE_START,    /* vmm_run() entered                          */
    VMM_PHASE_MACHINE,  /* VM, memory and vCPUs exist                 */
    VMM_PHASE_PLACED,   /* guest image placed or launch measured      */
    VMM_PHASE_RUN,      /* first KVM_RUN                              */
    VMM_PHASE_GUEST,    /* + STREAM_PHASE_*, as the guest reports them */
    VMM_PHASE_EXIT = VMM_PHASE_GUEST + 8,
    VMM_PHASE_END,
    VMM_PHASE_COUNT
};

/*
 * The software TEE's signer, handed in by the loader so that the monitor needs no cryptographic library. Fills in and
 * signs `report` (1184 bytes) whose REPORT_DATA, MEASUREMENT and HOST_DATA are set. 0 or a negative errno.
 */
typedef int (*vmm_sim_sign)(void *arg, uint8_t *report, size_t len);

struct vmm_launch {
    enum vmm_tee tee;
    bool guarded;          /* page tables by ward calls; always so in a TEE               */
    unsigned cpus;         /* 1..16                                                       */
    uint64_t memory;       /* bytes of RAM plus window; rounded up to 2 MiB               */

    struct vmm_bytes core; /* core image (mkimage)                                        */
    struct vmm_bytes agent; /* agent part, may be empty                                   */
    struct vmm_bytes stub;  /* sim: first firmware stage                                  */
    uint8_t host_data[32]; /* digest of initdata for HOST_DATA, zero without              */

    struct streams_config streams; /* items, blobs, stdio, terminal; window and callbacks are the monitor's */
    struct streams **out_streams;  /* optional: set while the guest runs, for signals and resizes          */

    vmm_sim_sign sim_sign;
    void *sim_arg;
    void (*log)(void *arg, const char *line); /* lines of the guest's log; may be NULL */
    void *log_arg;
};

struct vmm_result {
    bool exited;          /* the guest ended by itself with status                       */
    unsigned status;      /* 0..255                                                      */
    struct streams_exit exit; /* what the guest said about it                             */
    uint8_t measurement[48]; /* launch digest (sim and TEEs)                              */
    uint64_t phase_ns[VMM_PHASE_COUNT];
};

/*
 * Runs one guest until it ends. Returns 0 with *out filled in when the guest ended by itself; a negative errno with the
 * reason when the machine could not be made, the guest panicked (the code in words), or the monitor met an exit it does
 * not expect. Everything it made is gone on return.
 */
MUST_CHECK int vmm_run(const struct vmm_launch *l, struct vmm_result *out, struct err *e);

/* One line per finding: what this host can do and what is missing. Never fails; text ends in a newline. */
void vmm_check(FILE *out);

#endif
