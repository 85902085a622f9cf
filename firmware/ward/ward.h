/* SPDX-License-Identifier: Apache-2.0 */
/* What the ward's C files share. Everything runs with interrupts off on the vCPU's private stack. */
#ifndef CASEMATE_FIRMWARE_WARD_WARD_H
#define CASEMATE_FIRMWARE_WARD_WARD_H

#include "firmware/abi/image.h"
#include "firmware/abi/panic.h"
#include "firmware/abi/ward.h"
#include "firmware/ward/private.h"
#include "guest/abi/linux_errno.h"

/* state.c */
extern struct ward_state ward_state; /* written once by the placer */
extern uint64_t ward_flush_seq; /* counts flushes of everything, of any vCPU; 64 bits: ring 3 has the patience to wrap 32 */
NORETURN void ward_panic(enum panic_code code);

/* The supervisor alias of this vCPU's vpage. Ring 3 writes it at any time: each word is read once. */
static inline struct vpage *my_vpage(void)
{
    uint64_t sp;
    __asm__("mov %%rsp, %0" : "=r"(sp));
    return (struct vpage *)(sp & ~(CPU_STRIDE - 1));
}
static inline unsigned my_cpu(void) { return (unsigned)(((uint64_t)my_vpage() - WARD_CPU) / CPU_STRIDE); }
static inline struct vpage *vpage_of(unsigned cpu) { return (struct vpage *)(WARD_CPU + cpu * CPU_STRIDE); }

static inline void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}
static inline void out32(uint16_t port, uint32_t v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory"); }
static inline void apic_write(uint32_t reg, uint32_t v)
{
    *(volatile uint32_t *)(WARD_APIC + reg) = v;
}

static inline void ward_lock(uint32_t *l)
{
    while (__atomic_exchange_n(l, 1, __ATOMIC_ACQUIRE) != 0) { cpu_relax(); }
}
static inline void ward_unlock(uint32_t *l) { __atomic_store_n(l, 0, __ATOMIC_RELEASE); }

/* Words of a vCPU's private page. */
static inline volatile uint32_t *vcpu_ticket(unsigned cpu)
{
    return (volatile uint32_t *)(WARD_CPU + (uint64_t)cpu * CPU_STRIDE + PRIVATE_TICKET);
}
static inline volatile uint64_t *vcpu_epoch(unsigned cpu)
{
    return (volatile uint64_t *)(WARD_CPU + (uint64_t)cpu * CPU_STRIDE + PRIVATE_EPOCH);
}

/* tables.c: the guarded regime */
int64_t tables_call(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3);
int64_t tables_batch(uint64_t n);
int64_t tables_root(uint64_t t, uint64_t *out_cr3);
int64_t chunk_accept(uint64_t chunk, uint64_t n);

/* identity.c: registers, evidence, keys */
int64_t identity_evidence(uint64_t form);
int64_t identity_register_set(uint64_t i);
int64_t identity_extend(void);
int64_t identity_derive(void);
int64_t identity_seal(void);
int64_t identity_random(void);

#endif
