/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate to the ward. Where `syscall` enters ring 0 it is the gate; where it does not (some deprivileged hosts keep
 * it in ring 3) it jumps to the ward's LSTAR address, which ring 3 cannot fetch from, and the page fault says so: then
 * the gate is `int3`, and LSTAR is pointed at the library OS itself. Probed once, before anything else calls the ward.
 */
#include "guest/ward.h"

#include "guest/los.h"
#include "guest/task/task.h"
#include "guest/x86/cpu.h"

static uint64_t gate_address = LOS_GATE_SYSCALL;
static bool probing;

int64_t ward_call(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)
{
    register uint64_t r10 __asm__("r10") = a3;
    register uint64_t r8 __asm__("r8") = a4;
    int64_t ret;

    __asm__ volatile("call *%[gate]"
                     : "=a"(ret), "+D"(a0), "+S"(a1), "+d"(a2), "+r"(r10), "+r"(r8)
                     : "a"(nr), [gate] "m"(gate_address)
                     : "rcx", "r9", "r11", "memory", "cc");
    return ret;
}

void ward_probe(void)
{
    probing = true;
    int64_t r = ward_call(WARD_SYSCALL_ENTERS, 0, 0, 0, 0, 0);
    probing = false;
    if (r == PROBE_STAYED) {
        gate_address = LOS_GATE_INT3;
        ward_syscall_target();
    }
}

void ward_syscall_target(void)
{
    if (ward_syscall_stays() && ward_call(WARD_SYSCALL_TARGET, 0, 0, 0, 0, 0) != 0) {
        panic("syscall target refused");
    }
}

bool ward_probe_fault(struct regs *r)
{
    if (!probing || r->rip < WARD_LO || r->rip >= LOS_HI) { return false; }
    r->rip = r->rcx; /* where the instruction left its return address: the gate's ret */
    r->rflags = r->r11;
    r->rax = (uint64_t)PROBE_STAYED;
    return true;
}

bool ward_syscall_stays(void) { return gate_address == LOS_GATE_INT3; }

struct vpage *cpu_vpage(void)
{
    struct vpage *v;
    __asm__ volatile("mov %%gs:%c1, %0" : "=r"(v) : "i"(VPAGE_SELF));
    return v;
}

unsigned cpu_id(void) { return (unsigned)(((uint64_t)cpu_vpage() - LOS_CPU) / CPU_STRIDE); }

void ward_doorbell(uint32_t queue)
{
    if (handoff->tee == TEE_NONE || handoff->tee == TEE_SIM) {
        *(volatile uint32_t *)LOS_DOORBELL = queue;
    } else {
        (void)ward_call(WARD_DOORBELL, queue, 0, 0, 0, 0);
    }
}

void ward_power_off(unsigned code)
{
    for (;;) { (void)ward_call(WARD_POWER_OFF, code & 0xff, 0, 0, 0, 0); }
}
