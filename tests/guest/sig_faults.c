/* SPDX-License-Identifier: Apache-2.0 */
/* Each processor exception becomes the signal, code and address that Linux gives. */
#include <setjmp.h>

#include "tests/guest/promise.h"

static sigjmp_buf back;
static siginfo_t got;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    got = *info;
    siglongjmp(back, 1);
}

#define WANT_FAULT(statement, signo, code)                                                         \
    do {                                                                                           \
        got.si_signo = 0;                                                                          \
        if (sigsetjmp(back, 1) == 0) { statement; }                                                \
        WANT_EQ(got.si_signo, signo);                                                              \
        WANT_EQ(got.si_code, code);                                                                \
    } while (0)

PROMISE("exceptions become signals")
{
    static const int all[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    for (size_t i = 0; i < COUNT(all); i++) { on_signal(all[i], handler, 0); }
    volatile char *page = anon(2);
    volatile int zero = 0;

    WANT_FAULT(*(volatile char *)0 = 1, SIGSEGV, SEGV_MAPERR);
    WANT_EQ(got.si_addr, 0);
    WANT_FAULT((void)*(volatile char *)0x1234567, SIGSEGV, SEGV_MAPERR);
    WANT_EQ(got.si_addr, 0x1234567);
    MUST(mprotect((void *)page, PAGE, PROT_READ));
    WANT_FAULT(page[5] = 1, SIGSEGV, SEGV_ACCERR);
    WANT_EQ(got.si_addr, page + 5);
    WANT_EQ(page[5], 0);
    MUST(mprotect((void *)page, PAGE, PROT_NONE));
    WANT_FAULT((void)page[6], SIGSEGV, SEGV_ACCERR);
    page[PAGE] = (char)0xc3;
    WANT_FAULT(((void (*)(void))(uintptr_t)(page + PAGE))(), SIGSEGV,
               SEGV_ACCERR); /* not executable */
    WANT_EQ(got.si_addr, page + PAGE);
    WANT_FAULT((void)*(volatile char *)0x8000000000000000, SIGSEGV, SI_KERNEL); /* not canonical */
    WANT_EQ(got.si_addr, 0);
    WANT_FAULT(__asm__ volatile("hlt"), SIGSEGV, SI_KERNEL);
    WANT_FAULT(__asm__ volatile("idivl %0" : : "m"(zero), "a"(1), "d"(0)), SIGFPE, FPE_INTDIV);
    WANT_FAULT(__asm__ volatile("ud2"), SIGILL, ILL_ILLOPN);
    WANT_FAULT(__asm__ volatile("int3"), SIGTRAP, SI_KERNEL);

    scratch();
    put_file("f", "short");
    int fd = MUST(open("f", O_RDWR));
    volatile char *map = MUST(mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    WANT_EQ(map[5], 0);
    WANT_FAULT((void)map[PAGE], SIGBUS, BUS_ADRERR);
    WANT_EQ(got.si_addr, map + PAGE);
    MUST(ftruncate(fd, 2 * PAGE));
    WANT_EQ(map[PAGE], 0);
    MUST(ftruncate(fd, 0));
    WANT_FAULT((void)map[0], SIGBUS, BUS_ADRERR);
}
