/* SPDX-License-Identifier: Apache-2.0 */
/* Vector registers, MXCSR and the x87 control word live across system calls: compilers keep values in them. */
#include "tests/guest/promise.h"

static uint8_t in[16][16] __attribute__((aligned(16))), out[16][16] __attribute__((aligned(16)));

#define EACH(X)                                                                                    \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define LOAD(n)    "movdqa " #n "*16(%[in]), %%xmm" #n "\n"
#define STORE(n)   "movdqa %%xmm" #n ", " #n "*16(%[out])\n"
#define CLOBBER(n) "xmm" #n,

static void call_between(long number, long a, long b, long c)
{
    __asm__ volatile(EACH(LOAD) "syscall\n" EACH(STORE)
                     : "+a"(number)
                     : [in] "r"(in), [out] "r"(out), "D"(a), "S"(b), "d"(c)
                     : EACH(CLOBBER) "rcx", "r11", "memory");
}

PROMISE("vector and x87 state survives")
{
    for (size_t i = 0; i < sizeof(in); i++) { ((uint8_t *)in)[i] = (uint8_t)(i * 7 + 3); }
    uint32_t mxcsr = 0x7f80, mxcsr_after;
    uint16_t fcw = 0x077f, fcw_after;
    __asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(mxcsr), "m"(fcw));
    static char text[8192];
    int fds[2];
    MUST(pipe(fds));
    for (int round = 0; round < 3; round++) {
        memset(out, 0, sizeof(out));
        call_between(SYS_write, fds[1], (long)text, sizeof(text)); /* the kernel copies */
        WANT_EQ(memcmp(in, out, sizeof(in)), 0);
        memset(out, 0, sizeof(out));
        call_between(SYS_read, fds[0], (long)text, sizeof(text));
        WANT_EQ(memcmp(in, out, sizeof(in)), 0);
        call_between(SYS_sched_yield, 0, 0, 0);
        WANT_EQ(memcmp(in, out, sizeof(in)), 0);
    }
    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr_after), "=m"(fcw_after));
    WANT_EQ(mxcsr_after, mxcsr);
    WANT_EQ(fcw_after, fcw);
}
