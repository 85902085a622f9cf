/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor: everything between "here is a guest image and its inputs" and "it ended with status n". It knows KVM,
 * memory, vCPUs, TEE back ends and the streams device; it knows nothing of images, registries or key brokers.
 *
 * One call runs one guest. The monitor is outside the trusted base, but what the guest writes is hostile to it.
 */
#ifndef CASEMATE_VMM_VMM_H
#define CASEMATE_VMM_VMM_H

#include "firmware/plan.h"
#include "guest/base/err.h"
#include "vmm/streams.h"

#include <stdio.h>

#define VMM_CPUS_MAX   16u
#define VMM_MEMORY_MAX ((uint64_t)512 << 30) /* bytes */

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
 * What the software TEE needs of cryptography, handed in by the loader so that the monitor needs no library for it.
 *
 * measure  the launch digest of a plan, by SNP's algorithm
 * report   a signed report over these three (attest/sim_signer.h); both return 0 or a negative errno
 */
struct vmm_sim {
    void *arg;
    int (*measure)(void *arg, const struct plan *p, uint8_t out_digest[48]);
    int (*report)(void *arg, const uint8_t report_data[64], const uint8_t measurement[48],
                  const uint8_t host_data[32], uint8_t out_report[1184]);
};

struct vmm_launch {
    enum vmm_tee tee;
    bool guarded;          /* page tables by ward calls; always so in a TEE               */
    bool keep_syscalls;    /* the library OS rewrites no call sites: slower, for debugging */
    unsigned cpus;         /* 1..VMM_CPUS_MAX                                             */
    uint64_t memory;       /* bytes of RAM plus window; rounded up to 2 MiB               */

    struct vmm_bytes core; /* core image (mkimage)                                        */
    struct vmm_bytes agent; /* agent part, may be empty                                   */
    struct vmm_bytes stub;  /* sim and TEEs: first firmware stage, measured               */
    struct vmm_bytes launch_page; /* the page that names core and agent by hash           */
    uint8_t host_data[32]; /* digest of initdata for HOST_DATA, zero without              */

    struct streams_config streams; /* items, blobs, stdio, terminal; window, names and callbacks are the monitor's */
    bool names; /* the guest may connect by name: its agent does, no container needs it */
    /* Optional: told the device once the guest runs, for signals and resizes, and NULL once it has ended. */
    void (*running)(void *arg, struct streams *s);
    void *running_arg;

    struct vmm_sim sim;
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
 * not expect. Everything it made is gone on return, but for the sandbox (sandbox.h): from the first instruction of the
 * guest on, all threads of this process are in it, and remain there.
 */
MUST_CHECK int vmm_run(const struct vmm_launch *l, struct vmm_result *out, struct err *e);

/* One line per finding: what this host can do and what is missing. False: it cannot run a guest at all. */
bool vmm_check(FILE *out);

#endif
