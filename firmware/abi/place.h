/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What whoever places a core image writes beside it: the handoff to the library OS, the ward's state, and the first
 * words of each vCPU. The stub does it in a TEE, for images it has hashed; the monitor does it under `none`. One
 * function, so that a guest cannot tell who placed it but by `tee`.
 */
#ifndef CASEMATE_FIRMWARE_ABI_PLACE_H
#define CASEMATE_FIRMWARE_ABI_PLACE_H

#include "firmware/abi/image.h"
#include "firmware/abi/launch.h"
#include "guest/abi/handoff.h"

#define PLACE_PTE_W 2ull

/*
 * base   where guest-physical address 0 is seen: 0 in the guest
 * p      checked; flags: LAUNCH_*; agent: the part's size and hash; h: header of the image, which lies in place
 */
static inline void place_words(uint64_t base, const struct stub_params *p, uint32_t flags, const struct launch_part *agent,
                               const struct core_header *h)
{
    struct handoff *o = (struct handoff *)(base + h->handoff_gpa);
    *o = (struct handoff){.magic = HANDOFF_MAGIC,
                          .version = HANDOFF_VERSION,
                          .tee = p->tee,
                          .flags = (flags & LAUNCH_GUARDED) != 0 ? HANDOFF_GUARDED : 0,
                          .launch_flags = flags,
                          .heap_size = h->zero_gpa,
                          .tables_gpa = TABLES_GPA,
                          .tables_size = p->tables_size,
                          .window_gpa = p->window_gpa,
                          .window_size = p->window_size,
                          .init_gpa = h->init_gpa,
                          .init_size = h->init_size,
                          .fdt_off = p->fdt_off,
                          .fdt_size = p->fdt_size,
                          .agent_size = agent->size};
    o->ram[0].size = p->ram_size[0];
    o->ram[1].size = p->ram_size[1];
    o->ram[1].gpa = p->ram_size[1] != 0 ? HOLE_HI : 0;
    for (unsigned i = 0; i < sizeof o->agent_sha256; i++) { o->agent_sha256[i] = agent->sha256[i]; }

    struct ward_state *w = (struct ward_state *)(base + h->ward_state_gpa);
    *w = (struct ward_state){.ram_end = {p->ram_size[0], p->ram_size[1] != 0 ? HOLE_HI + p->ram_size[1] : 0},
                             .window_lo = p->window_gpa,
                             .window_hi = p->window_gpa + p->window_size,
                             .tables_size = p->tables_size,
                             .ward_gpa = h->ward_gpa,
                             .guarded = flags & LAUNCH_GUARDED,
                             .tee = p->tee,
                             .cpus = p->cpus,
                             .launch_flags = flags};

    for (uint32_t cpu = 0; cpu < p->cpus; cpu++) {
        uint64_t pages = base + h->cpu_gpa + cpu * CORE_CPU_PAGES * PAGE_SIZE;
        uint64_t vpage = LOS_CPU + cpu * CPU_STRIDE;
        *(uint64_t *)pages = vpage;
        *(uint64_t *)(pages + CORE_CPU_PAGES * PAGE_SIZE - 16) = vpage;
    }
    if ((flags & LAUNCH_GUARDED) == 0) { /* ring 3 writes tables itself */
        *(uint64_t *)(base + TABLES_GPA + T_TABLES_L3 * PAGE_SIZE) |= PLACE_PTE_W;
    }
}

#endif
