/* SPDX-License-Identifier: Apache-2.0 */
/* A handler may use vector registers; the interrupted code gets its own back, and the handler starts with clean ones. */
#include "tests/guest/promise.h"

static volatile uint32_t mxcsr_inside;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
    uint32_t v;
    __asm__ volatile("stmxcsr %0" : "=m"(v));
    mxcsr_inside = v;
    __asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm7, %%xmm7; pcmpeqd %%xmm15, %%xmm15; fninit"
                     :
                     :
                     : "xmm0", "xmm7", "xmm15");
}

PROMISE("vector state survives a signal")
{
    on_signal(SIGUSR1, handler, 0);
    uint32_t mxcsr = 0x3f80, after;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    uint64_t in[6] = {1, 2, 3, 4, 5, 6}, out[6] = {0};
    long rc = SYS_kill;
    __asm__ volatile(
        "movdqu 0(%[in]), %%xmm0; movdqu 16(%[in]), %%xmm7; movdqu 32(%[in]), %%xmm15\n"
        "syscall\n"
        "movdqu %%xmm0, 0(%[out]); movdqu %%xmm7, 16(%[out]); movdqu %%xmm15, 32(%[out])\n"
        : "+a"(rc)
        : [in] "r"(in), [out] "r"(out), "D"(getpid()), "S"(SIGUSR1)
        : "xmm0", "xmm7", "xmm15", "rcx", "r11", "memory");
    __asm__ volatile("stmxcsr %0" : "=m"(after));
    WANT_EQ(rc, 0);
    for (size_t i = 0; i < COUNT(in); i++) { WANT_EQ(out[i], in[i]); }
    WANT_EQ(mxcsr_inside, 0x1f80);
    WANT_EQ(after, 0x3f80);
}
