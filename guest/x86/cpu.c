/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPUs coming up, and upcalls that interrupt the library OS itself. User copies walk the page tables (mm/uaccess.c), so
 * the library OS never faults on purpose, except in the boot probe; every other fault at one of its addresses is a bug
 * and ends the guest with the address.
 */
#include "guest/mm/mm.h"
#include "guest/task/sched.h"
#include "guest/ward.h"
#include "guest/x86/cpu.h"

#define TRAP_DB 1
#define TRAP_PF 14
#define TRAP_AC 17
#define FLAG_TF 0x100u
#define FLAG_AC 0x40000u

static bool dying;

void upcall_from_los(struct regs *r, uint64_t vector, uint64_t error, uint64_t cr2)
{
    if (vector == TRAP_PF && ward_probe_fault(r)) { return; }
    if (vector == TRAP_DB) { /* the application single-steps into a rewritten call site */
        r->rflags &= ~(uint64_t)FLAG_TF;
        return;
    }
    if (vector == TRAP_AC) { /* it entered there with its own alignment check */
        r->rflags &= ~(uint64_t)FLAG_AC;
        return;
    }
    if (!dying) { /* the log may fault too */
        dying = true;
        log_warn("exception %lu, error %lx, at %lx, address %lx", (unsigned long)vector,
                 (unsigned long)error, (unsigned long)(r->rip - LOS_TEXT), (unsigned long)cr2);
    }
    panic_code(PANIC_LOS_FAULT);
}

/* ---- the other vCPUs ------------------------------------------------------------------------------------------------ */

static void *idle_stacks[CPU_MAX];

uint64_t cpu_secondary_stack(void) { return (uint64_t)idle_stacks[cpu_id()] + STACK_SIZE; }

void cpu_secondary(void)
{
    ward_syscall_target();
    big_lock();
    sched_cpu_init(cpu_id());
    sched_idle(NULL);
    panic("idle ended");
}

void arch_start_secondaries(unsigned count)
{
    for (unsigned id = 1; id < count && id < CPU_MAX; id++) {
        idle_stacks[id] = mem_alloc(STACK_SIZE);
        if (idle_stacks[id] == NULL || ward_call(WARD_VCPU_START, id, 0, 0, 0, 0) != 0) {
            log_warn("vCPU %u did not start; going on with %u", id, id);
            return;
        }
    }
}
