/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task/arch.h as a Linux process. Time is virtual: it stands still while code runs and jumps to
 * the deadline when everybody sleeps, so tests of timeouts are exact and take no time. A new
 * application thread is a C function: the stack pointer and instruction pointer in its struct regs
 * are real ones, rbx is the function's argument; its system calls are plain calls of
 * syscall_from_app().
 */
#include "guest/task/arch.h"

#include "guest/standin/standin.h"
#include "guest/standin/ward_native.h"
#include "guest/task/task.h"
#include "guest/ward.h"

#define XSTATE_SIZE 576 /* x87 and SSE */

uint64_t arch_fs_get(void) { return 0; } /* the host's C library owns the register */
void arch_fs_set(uint64_t base) { (void)base; }

size_t arch_xstate_size(void) { return XSTATE_SIZE; }
uint64_t arch_xstate_mask(void) { return 3; }
void arch_xstate_save(void *area) { memset((char *)area + 512, 0, 64); }
void arch_xstate_load(const void *area) { (void)area; }
void arch_xstate_init(void *area)
{
    memset(area, 0, XSTATE_SIZE);
    *(uint16_t *)area = 0x37f;
    *(uint32_t *)((char *)area + 24) = 0x1f80;
}
int arch_fp_code(uint64_t vector)
{
    (void)vector;
    return LFPE_FLTINV;
}

bool arch_entering(const struct regs *r)
{
    (void)r;
    return false;
}

void arch_enter_app(struct regs *r)
{
    __asm__ volatile("mov %0, %%rsp; xor %%ebp, %%ebp; call *%1; ud2"
                     :
                     : "r"(r->rsp), "r"(r->rip), "D"(r->rbx)
                     : "memory");
    __builtin_unreachable();
}

void arch_set_entry_stack(uint64_t top) { cpu_vpage()->kstack = top; }

static uint64_t now_ns = 1000000000;

uint64_t arch_mono_ns(void) { return now_ns; }
uint64_t arch_wall_offset_ns(void) { return 1700000000000000000ull; }
void standin_advance_clock(uint64_t ns) { now_ns += ns; }

void arch_timer(uint64_t deadline_ns) { (void)deadline_ns; }

void arch_park(uint64_t deadline_ns)
{
    if (arch_pending()) { return; }
    if (deadline_ns == UINT64_MAX) { panic("stand-in: every thread sleeps for ever"); }
    if (deadline_ns > now_ns) { now_ns = deadline_ns; }
}

void arch_kick(unsigned cpu) { (void)cpu; }
bool arch_pending(void) { return cpu_vpage()->pending != 0; }
uint32_t arch_take_pending(void)
{
    uint32_t bits = cpu_vpage()->pending;
    cpu_vpage()->pending = 0;
    return bits;
}
void arch_start_secondaries(unsigned count) { (void)count; }

/* Application memory is reached through the page tables only: nothing is cached. */
void native_space_load(uint32_t root) { (void)root; }
void native_flush(uint64_t va, uint64_t pages) { (void)va, (void)pages; }

bool arch_was_trap(void) { return false; }
void arch_trapped(struct regs *r) { (void)r; }
