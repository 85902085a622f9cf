/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ward as the library OS sees it: plain functions over the gate. guest/x86/ward.c calls the real one,
 * guest/standin/ward.c is the same as a host process. Names, arguments and results: firmware/abi/ward.h.
 */
#ifndef CASEMATE_GUEST_WARD_H
#define CASEMATE_GUEST_WARD_H

#include "firmware/abi/layout.h"
#include "firmware/abi/ward.h"
#include "guest/abi/handoff.h"

/* The start page, checked by main.c. */
extern const struct handoff *handoff;

static inline bool ward_guarded(void) { return (handoff->flags & HANDOFF_GUARDED) != 0; }
/* RAM that was never used is zero: who gives it is trusted. In a TEE it holds what the host likes. */
static inline bool ward_ram_zeroed(void)
{
    return handoff->tee == TEE_NONE || handoff->tee == TEE_SIM;
}

int64_t ward_call(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4);

struct vpage *cpu_vpage(void); /* this vCPU's */
unsigned cpu_id(void);
void ward_doorbell(uint32_t queue);
/*
 * count chunks of RAM (2 MiB each, from number `chunk` = gpa / CHUNK_SIZE) enter the library OS's direct map: accepted by
 * the ward, mapped at LOS_DIRECT + gpa; content as ward_ram_zeroed() says. Called by the frame allocator before it hands out the first
 * frame of a chunk outside the boot region. guest/x86/direct.c; the stand-in has all RAM mapped. 0 or -ENOMEM.
 */
MUST_CHECK int ram_chunks_map(uint64_t chunk, uint64_t count);
/* The shared window at LOS_WINDOW; once, at start. */
void window_map(void);
NORETURN void ward_power_off(unsigned code);

#endif
