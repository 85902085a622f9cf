/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host says about the machine: a flattened device tree in the shared window (vmm/fdt.c). A closed list of
 * numbers, host input, each with a sane range; nothing in it can weaken the guest.
 */
#ifndef CASEMATE_GUEST_MACHINE_H
#define CASEMATE_GUEST_MACHINE_H

#include "guest/los.h"

#define MACHINE_FDT_MAX 65536u

struct machine {
    unsigned cpus;     /* 1 .. CPU_MAX                                     */
    bool keep_syscalls; /* rewrite no call sites                           */
    uint64_t tsc_hz;   /* 0: the host does not say                         */
    uint64_t wall_ns;  /* time of day at start, since 1970                 */
};

/* guest/x86/fdt.c: what it said, once machine_setup() has read it at start. Panics when it is not understood. */
extern struct machine machine;
void machine_setup(void);

/*
 * Pure: reads size bytes at fdt (private memory). -EBADMSG: not a device tree or a number outside its range; *out is
 * then untouched.
 */
MUST_CHECK int machine_parse(const void *fdt, size_t size, struct machine *out);

#endif
