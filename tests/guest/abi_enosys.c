/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that mean nothing give ENOSYS; of rax only the low half counts. */
#include "tests/guest/promise.h"

static long raw(unsigned long number)
{
    long rc;
    __asm__ volatile("syscall"
                     : "=a"(rc)
                     : "a"(number), "D"(0), "S"(0), "d"(0)
                     : "rcx", "r11", "memory");
    return rc;
}

PROMISE("unknown numbers give ENOSYS")
{
    static const unsigned long unknown[] = {180 /* nfsservctl */,
                                            214 /* epoll_ctl_old */,
                                            400,
                                            1000,
                                            65536,
                                            0x3fffffff,
                                            0x80000000,
                                            0xffffffff};
    for (size_t i = 0; i < COUNT(unknown); i++) { WANT_EQ(raw(unknown[i]), -ENOSYS); }
    WANT_EQ(raw(0x100000000ul + SYS_getpid), getpid());
}
