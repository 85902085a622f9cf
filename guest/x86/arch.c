/* SPDX-License-Identifier: Apache-2.0 */
/* task/arch.h over the ward: thread pointer, extended state, clock, timer, parking. */
#include "guest/task/arch.h"

#include "guest/task/sched.h"
#include "guest/ward.h"
#include "guest/x86/asm.h"
#include "guest/x86/cpu.h"
#include "guest/x86/patch.h"

#define REGS_AT(field, off) ABI_AT(struct regs, field, off)
REGS_AT(r15, REGS_R15);
REGS_AT(r14, REGS_R14);
REGS_AT(r13, REGS_R13);
REGS_AT(r12, REGS_R12);
REGS_AT(rbp, REGS_RBP);
REGS_AT(rbx, REGS_RBX);
REGS_AT(r11, REGS_R11);
REGS_AT(r10, REGS_R10);
REGS_AT(r9, REGS_R9);
REGS_AT(r8, REGS_R8);
REGS_AT(rax, REGS_RAX);
REGS_AT(rcx, REGS_RCX);
REGS_AT(rdx, REGS_RDX);
REGS_AT(rsi, REGS_RSI);
REGS_AT(rdi, REGS_RDI);
REGS_AT(orig_rax, REGS_ORIG_RAX);
REGS_AT(rip, REGS_RIP);
REGS_AT(cs, REGS_CS);
REGS_AT(rflags, REGS_RFLAGS);
REGS_AT(rsp, REGS_RSP);
REGS_AT(ss, REGS_SS);
ABI_SIZE(struct regs, REGS_SIZE);

uint64_t arch_fs_get(void)
{
    uint64_t v;
    __asm__ volatile("rdfsbase %0" : "=r"(v));
    return v;
}

void arch_fs_set(uint64_t base) { __asm__ volatile("wrfsbase %0" : : "r"(base)); }

/* ---- extended state ------------------------------------------------------------------------------------------------- */

#define XSTATE_LEGACY 576      /* x87, SSE and the XSAVE header */
#define XSTATE_AMX    0x60000u /* tiles are not offered: nothing in here switches them */
#define XSTATE_LEAF   0xd

static uint64_t xstate_mask = 3;
static size_t xstate_size = XSTATE_LEGACY;

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(sub));
}

void xstate_setup(void)
{
    uint32_t lo, hi;

    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    xstate_mask = (((uint64_t)hi << 32) | lo) & ~(uint64_t)XSTATE_AMX;
    for (uint32_t i = 2; i < 63; i++) {
        if ((xstate_mask >> i & 1) == 0) { continue; }
        uint32_t r[4];
        cpuid(XSTATE_LEAF, i, r);
        uint64_t end = (uint64_t)r[0] + r[1];
        if (end > xstate_size) { xstate_size = end; }
    }
    if (xstate_size > 16384) { panic("extended state too large"); }
}

size_t arch_xstate_size(void) { return xstate_size; }
uint64_t arch_xstate_mask(void) { return xstate_mask; }

void arch_xstate_save(void *area)
{
    memset((char *)area + 512, 0,
           64); /* xsave leaves header bytes 16..63 alone, xrstor wants them zero */
    __asm__ volatile("xsave64 (%0)"
                     :
                     : "r"(area), "a"((uint32_t)xstate_mask), "d"((uint32_t)(xstate_mask >> 32))
                     : "memory");
}

void arch_xstate_load(const void *area)
{
    __asm__ volatile("xrstor64 (%0)"
                     :
                     : "r"(area), "a"((uint32_t)xstate_mask), "d"((uint32_t)(xstate_mask >> 32))
                     : "memory");
}

void arch_xstate_init(void *area)
{
    memset(area, 0, xstate_size);
    *(uint16_t *)area = 0x37f; /* FCW */
    *(uint32_t *)((char *)area + 24) =
        0x1f80; /* MXCSR: loaded even when XSTATE_BV says "initial" */
}

/* x87 status and MXCSR have the flags in the same order: invalid, denormal, divide, overflow, underflow, inexact. */
int arch_fp_code(uint64_t vector)
{
    uint32_t flags, mask;

    if (vector == 19) {
        __asm__ volatile("stmxcsr %0" : "=m"(flags));
        mask = flags >> 7;
    } else {
        uint16_t status, control;
        __asm__ volatile("fnstsw %0; fnstcw %1" : "=m"(status), "=m"(control));
        flags = status;
        mask = control;
    }
    flags &= ~mask;
    if (flags & 1) { return LFPE_FLTINV; }
    if (flags & 4) { return LFPE_FLTDIV; }
    if (flags & 8) { return LFPE_FLTOVF; }
    if (flags & (2 | 16)) { return LFPE_FLTUND; }
    return LFPE_FLTRES;
}

/* ---- clock ---------------------------------------------------------------------------------------------------------- */

/*
 * ns = (tsc - base) * mult >> 32 and back; no division at run time. 2^32 / 2 GHz rounds by less than one part in 10^9.
 * vdso.c reads the same numbers.
 */
#define CLOCK_HZ_DEFAULT 2000000000ull

struct clock clock = {.ns_per_tick_32 = (1000000000ull << 32) / CLOCK_HZ_DEFAULT,
                      .ticks_per_ns_24 = (CLOCK_HZ_DEFAULT << 24) / 1000000000};

static uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return ((uint64_t)hi << 32) | lo;
}

static uint64_t mul_shift(uint64_t a, uint64_t b, unsigned shift)
{
    return (uint64_t)((unsigned __int128)a * b >> shift);
}

void clock_setup(uint64_t tsc_hz, uint64_t wall_ns)
{
    /* Host input: a rate nobody builds would make deadlines overflow. */
    if (tsc_hz < 100000000 || tsc_hz > 20000000000) { panic("tsc rate"); }
    clock.ns_per_tick_32 = (1000000000ull << 32) / tsc_hz;
    clock.ticks_per_ns_24 = (tsc_hz << 24) / 1000000000;
    clock.base = rdtsc();
    clock.wall_offset_ns = wall_ns;
}

uint64_t arch_mono_ns(void) { return mul_shift(rdtsc() - clock.base, clock.ns_per_tick_32, 32); }

uint64_t arch_wall_offset_ns(void) { return clock.wall_offset_ns; }

static uint64_t tsc_at(uint64_t mono_ns)
{
    if (mono_ns > UINT64_MAX / 64) { return 0; } /* 9 years away: no deadline */
    return clock.base + mul_shift(mono_ns, clock.ticks_per_ns_24, 24);
}

void arch_timer(uint64_t deadline_ns)
{
    (void)ward_call(WARD_TIMER, deadline_ns != 0 ? tsc_at(deadline_ns) : 0, 0, 0, 0, 0);
}

void arch_park(uint64_t deadline_ns)
{
    (void)ward_call(WARD_PARK, tsc_at(deadline_ns), 0, 0, 0, 0);
}

void arch_kick(unsigned cpu) { (void)ward_call(WARD_KICK, 1u << cpu, 0, 0, 0, 0); }

bool arch_pending(void) { return __atomic_load_n(&cpu_vpage()->pending, __ATOMIC_RELAXED) != 0; }

uint32_t arch_take_pending(void)
{
    return __atomic_exchange_n(&cpu_vpage()->pending, 0, __ATOMIC_SEQ_CST);
}

void arch_set_entry_stack(uint64_t top)
{
    struct vpage *v = cpu_vpage();
    v->kstack = top;
    v->los[WORD_PATCHED] = (uint64_t)patched_entry;
}

bool arch_entering(const struct regs *r)
{
    return r->rip == LOS_SYSCALL || r->rip == (uint64_t)patched_entry || patch_entering(r);
}

bool arch_was_trap(void) { return (uint32_t)cpu_vpage()->los[WORD_TRAPPED] != 0; }
