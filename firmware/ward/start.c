/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processor needs before the library OS runs on vCPU 0, where the ward itself has to do it: after the stub.
 * Under `none` the monitor sets the same state by ioctl. Descriptor tables are made at build time (mkimage.c).
 */
#include "firmware/ward/ward.h"

#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_FMASK          0xc0000084
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define FMASK              0x44700 /* TF, IF, DF, NT, AC */
#define APIC_SVR           0xf0
#define APIC_LVT_TIMER     0x320
#define LVT_TSC_DEADLINE   (2u << 17)

extern uint8_t ward_gdt[], ward_idt[];
extern const uint32_t ward_gdt_limit, ward_idt_limit;
extern const uint8_t ward_syscall[];
void ward_start(void);

#define CR4_OSXSAVE      (1ull << 18)
#define CPUID1_ECX_XSAVE (1u << 26)
#define XCR0_OFFERED     0xe7u /* x87 SSE AVX AVX-512; no AMX, PKRU or CET state */

/*
 * Extended state for ring 3. Ring 0 sees what KVM says; where that hides XSAVE (deprivileged hosts) ring 3 has the host's
 * state anyway, and xsetbv may not exist.
 */
static void enable_xstate(void)
{
    uint32_t a = 1, b, c = 0, d;
    uint64_t cr4;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if ((c & CPUID1_ECX_XSAVE) == 0) { return; }
    a = 0xd;
    c = 0;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    __asm__ volatile("mov %%cr4, %0; or %1, %0; mov %0, %%cr4"
                     : "=&r"(cr4)
                     : "r"(CR4_OSXSAVE)
                     : "memory");
    __asm__ volatile("xsetbv" : : "c"(0), "a"(a & XCR0_OFFERED), "d"(0) : "memory");
}

struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

void ward_start(void)
{
    struct table_register gdt = {(uint16_t)ward_gdt_limit, (uint64_t)ward_gdt};
    struct table_register idt = {(uint16_t)ward_idt_limit, (uint64_t)ward_idt};

    __asm__ volatile("lgdt %0; lidt %1; ltr %w2" : : "m"(gdt), "m"(idt), "r"(SEL_TSS) : "memory");
    wrmsr(MSR_STAR, (uint64_t)SEL_UCS32 << 48 | (uint64_t)SEL_KCS << 32);
    wrmsr(MSR_LSTAR, (uint64_t)ward_syscall);
    wrmsr(MSR_FMASK, FMASK);
    wrmsr(MSR_GS_BASE, LOS_CPU);
    wrmsr(MSR_KERNEL_GS_BASE, WARD_CPU + CPU_PRIVATE);
    enable_xstate();
    apic_write(APIC_SVR, 0x100 | VEC_SPURIOUS);
    apic_write(APIC_LVT_TIMER, LVT_TSC_DEADLINE | VEC_TIMER);
    if (ward_state.cpus > 1) { out32(PORT_CPUS, ward_state.cpus); }
}
