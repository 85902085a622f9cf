/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ward calls: decode, check, perform. Arguments arrive in registers, so they are copies already; what lies in vpage is
 * read once. Ring 3 is as hostile as the host.
 */
#include "firmware/ward/private.h"
#include "firmware/ward/ward.h"

#define MSR_LSTAR        0xc0000082
#define MSR_FMASK        0xc0000084
#define MSR_TSC_DEADLINE 0x6e0
#define APIC_ICR_LO      0x300
#define APIC_ICR_HI      0x310
/* Flags cleared by `syscall` that stays in ring 3: TF, DF, NT, AC; interrupts stay as they are. */
#define RING3_FMASK 0x44500

static void ipi(unsigned cpu, uint32_t vector)
{
    apic_write(APIC_ICR_HI, (uint32_t)cpu << 24);
    apic_write(APIC_ICR_LO, vector);
}

/* Everything this vCPU cached. The number is taken first: a table freed after that is not covered. */
static void drop_translations(uint64_t cr3)
{
    uint64_t seq = __atomic_add_fetch(&ward_flush_seq, 1, __ATOMIC_SEQ_CST);
    __asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
    *vcpu_epoch(my_cpu()) = seq;
}

static int64_t space_load(uint64_t root)
{
    uint64_t cr3 = root << 12;

    if (ward_state.guarded) {
        int64_t r = tables_root(root, &cr3);
        if (r < 0) { return r; }
    }
    drop_translations(cr3);
    return 0;
}

static int64_t flush(uint64_t va, uint64_t n)
{
    if (n == 1) {
        __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
        return 0;
    }
    uint64_t cr3;
    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
    drop_translations(cr3);
    return 0;
}

static int64_t flush_others(uint64_t mask)
{
    uint64_t seq = __atomic_add_fetch(&ward_flush_seq, 1, __ATOMIC_SEQ_CST);

    for (unsigned cpu = 0; cpu < ward_state.cpus; cpu++) {
        if ((mask >> cpu & 1) != 0 && cpu != my_cpu()) { ipi(cpu, VEC_FLUSH); }
    }
    return (uint32_t)seq;
}

static int64_t kick(uint64_t mask)
{
    for (unsigned cpu = 0; cpu < ward_state.cpus; cpu++) {
        if ((mask >> cpu & 1) == 0) { continue; }
        struct vpage *v = vpage_of(cpu);
        __atomic_fetch_or(&v->pending, PENDING_KICK, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&v->polling, __ATOMIC_SEQ_CST) == 0) { ipi(cpu, VEC_KICK); }
    }
    return 0;
}

void park_once(void); /* entry.S: until the next interrupt */

static int64_t park(uint64_t deadline)
{
    struct vpage *v = my_vpage();

    if (deadline != 0) { wrmsr(MSR_TSC_DEADLINE, deadline); }
    while (__atomic_load_n(&v->pending, __ATOMIC_SEQ_CST) == 0) { park_once(); }
    return __atomic_load_n(&v->pending, __ATOMIC_SEQ_CST);
}

static int64_t vcpu_start(uint64_t id)
{
    if (id == 0 || id >= ward_state.cpus) { return -EINVAL; }
    *vcpu_ticket((unsigned)id) = 1;
    ipi((unsigned)id, VEC_KICK);
    return 0;
}

NORETURN static void power_off(uint64_t code)
{
    for (;;) { out32(PORT_POWER, (uint32_t)code & 0xff); }
}

/*
 * Where `syscall` enters ring 0, LSTAR on a page of ring 3 would be ring 3's code with ring 0's rights. The ward cannot try
 * the instruction itself, but the library OS does, first of all: the call it tries it with arrives only where it enters.
 */
static bool syscall_enters;

static int64_t syscall_target(void)
{
    if (syscall_enters) { return -EPERM; }
    wrmsr(MSR_FMASK, RING3_FMASK);
    wrmsr(MSR_LSTAR, LOS_SYSCALL);
    return 0;
}

int64_t ward_dispatch(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t nr);
int64_t ward_dispatch(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t nr)
{
    (void)a4;
    switch (nr) {
    case WARD_SPACE_LOAD: return space_load(a0);
    case WARD_FLUSH: return flush(a0, a1);
    case WARD_PARK: return park(a0);
    case WARD_TABLE_NEW:
    case WARD_TABLE_FREE:
    case WARD_TABLE_SET:
    case WARD_TABLE_LINK:
    case WARD_TABLE_MASK:
    case WARD_TABLE_COPY: return tables_call(nr, a0, a1, a2, a3);
    case WARD_BATCH: return tables_batch(a0);
    case WARD_FLUSH_OTHERS: return flush_others(a0);
    case WARD_VCPU_START: return vcpu_start(a0);
    case WARD_KICK: return kick(a0);
    case WARD_TIMER: wrmsr(MSR_TSC_DEADLINE, a0); return 0;
    case WARD_RELAX: return 0;
    case WARD_RAM_ACCEPT: return chunk_accept(a0, a1);
    case WARD_EVIDENCE: return identity_evidence(a0);
    case WARD_REGISTER_SET: return identity_register_set(a0);
    case WARD_EXTEND: return identity_extend();
    case WARD_DERIVE_KEY: return identity_derive();
    case WARD_SEAL: return identity_seal();
    case WARD_RANDOM: return identity_random();
    case WARD_POWER_OFF: power_off(a0);
    case WARD_PANIC: ward_panic((enum panic_code)(a0 & 0xff));
    case WARD_SYSCALL_TARGET: return syscall_target();
    case WARD_SYSCALL_ENTERS: syscall_enters = true; return 0;
    default: return -ENOSYS;
    }
}
