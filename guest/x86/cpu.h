/* SPDX-License-Identifier: Apache-2.0 */
/* Private to x86/ and main.c: bringing vCPUs up, probing the gate, the clock. */
#ifndef CASEMATE_GUEST_X86_CPU_H
#define CASEMATE_GUEST_X86_CPU_H

#include "guest/los.h"

struct regs;

#define PROBE_STAYED (-999) /* no ward call answers this */

void ward_probe(void);
/* A page fault of the probe: true when it was one, and then r continues behind it. */
bool ward_probe_fault(struct regs *r);
void ward_syscall_target(void); /* this vCPU's `syscall` goes to LOS_SYSCALL, where the machine leaves it to us */
bool ward_syscall_stays(void); /* `syscall` is a jump inside ring 3 on this machine */

void xstate_setup(void);
struct clock {
    uint64_t base;            /* tsc at monotonic 0 */
    uint64_t ns_per_tick_32;  /* scaled by 2^32 */
    uint64_t ticks_per_ns_24; /* scaled by 2^24 */
    uint64_t wall_offset_ns;
};
extern struct clock clock;
void vdso_setup(void); /* after the clock and the file systems */
/* tsc_hz: rate of the time-stamp counter. wall_ns: time of day now, 0 = unknown. */
void clock_setup(uint64_t tsc_hz, uint64_t wall_ns);

/* gate.S calls these. */
void upcall_from_los(struct regs *r, uint64_t vector, uint64_t error, uint64_t cr2);
uint64_t cpu_secondary_stack(void);
NORETURN void cpu_secondary(void);
NORETURN void los_main(const void *handoff_page);

/* Addresses of gate.S where an interrupted application is about to enter: no signal is built there. */
extern const char patched_entry[];

#endif
