/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What task/ needs from the machine underneath. guest/x86/ implements it over the ward, guest/standin/ as a Linux
 * process; task/ itself has no other door. The entry points at the end are the opposite direction: the machine calls
 * them with the application's registers saved.
 */
#ifndef CASEMATE_GUEST_TASK_ARCH_H
#define CASEMATE_GUEST_TASK_ARCH_H

#include "guest/los.h"

struct regs;
struct thread;

/* ---- registers that are not in struct regs ---------------------------------------------------------------------------- */

uint64_t arch_fs_get(void); /* the application's thread pointer, in the register now */
void arch_fs_set(uint64_t base);

/*
 * Extended state (x87, SSE, AVX, …) in the standard XSAVE form. An area is 64-byte aligned, arch_xstate_size() bytes.
 * The library OS is compiled for general registers only, so what is in the registers is the application's.
 */
size_t arch_xstate_size(void);
uint64_t arch_xstate_mask(void);              /* components that may be present */
void arch_xstate_save(void *area);            /* writes every header byte */
void arch_xstate_load(const void *area);      /* the area was made by _save or _init, or checked by the caller */
void arch_xstate_init(void *area);            /* the state of a new program */

int arch_fp_code(uint64_t vector);            /* si_code of the floating-point exception just raised */
/* Is r about to enter the library OS (a call not yet begun)? */
bool arch_entering(const struct regs *r);

/* This call came by a trap; rip is behind it. Takes the chance to make the next one cheaper. */
void arch_trapped(struct regs *r);
bool arch_was_trap(void); /* the entry just made */

/* ---- stacks ------------------------------------------------------------------------------------------------------------- */

/* Saves callee-saved registers on this stack and its pointer in *save_sp, continues on the stack load_sp. switch.S */
void thread_switch_stacks(uint64_t *save_sp, uint64_t load_sp);
/* Leaves the library OS: the frame at the top of the current thread's stack becomes the application. */
NORETURN void arch_enter_app(struct regs *r);
/* Tells the entry code whose stack the next entry uses: top = vpage.kstack. */
void arch_set_entry_stack(uint64_t top);

/* ---- time and other vCPUs --------------------------------------------------------------------------------------------------- */

uint64_t arch_mono_ns(void);             /* since boot, never backwards */
uint64_t arch_wall_offset_ns(void);      /* wall = mono + this */
void arch_timer(uint64_t deadline_ns);   /* one-shot upcall or pending bit at that time; 0 = off */
void arch_park(uint64_t deadline_ns);    /* until something is pending or the deadline; NO_DEADLINE = none. Big lock not held */
void arch_kick(unsigned cpu);            /* makes that vCPU enter the library OS soon */
uint32_t arch_take_pending(void);        /* PENDING_*, cleared */
bool arch_pending(void);
void arch_start_secondaries(unsigned count);

/* ---- the machine calls these --------------------------------------------------------------------------------------------------- */

/* A system call. 0: only rax, rcx, r11 differ from what the application had (fast exit); 1: everything may. */
int syscall_from_app(struct regs *r);
/* An exception (vector < 32, error code, fault address) or an asynchronous event (vector >= 32) of the application. */
void upcall_from_app(struct regs *r, uint64_t vector, uint64_t error, uint64_t cr2);
/* Something became pending on the way out. */
void exit_again(struct regs *r);

#endif
