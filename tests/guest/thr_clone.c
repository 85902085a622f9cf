/* SPDX-License-Identifier: Apache-2.0 */
/* The raw clone of a thread: starts on the stack given, shares memory, tells its id, and clears a word when it ends. */
#include "tests/guest/promise.h"

#define VM             0x100
#define FS             0x200
#define FILES          0x400
#define SIGHAND        0x800
#define THREAD         0x10000
#define SYSVSEM        0x40000
#define PARENT_SETTID  0x100000
#define CHILD_CLEARTID 0x200000

static volatile int ran, tid_inside, pid_inside, cleared;

static void body(void)
{
    tid_inside = (int)syscall(SYS_gettid);
    pid_inside = (int)syscall(SYS_getpid);
    ran = 1;
}

/* The child calls body on its new stack and exits by number 60. */
__attribute__((naked, noinline)) static long
thread(unsigned long flags __attribute__((unused)), void *stack __attribute__((unused)),
       void *parent_tid __attribute__((unused)), volatile void *child_tid __attribute__((unused)))
{
    __asm__("mov %rcx, %r10\n"
            "mov $56, %eax\n"
            "xor %r8d, %r8d\n"
            "syscall\n"
            "test %rax, %rax\n"
            "jz 1f\n"
            "ret\n"
            "1: xor %ebp, %ebp\n"
            "call *(%rsp)\n"
            "xor %edi, %edi\n"
            "mov $60, %eax\n"
            "syscall\n"
            "hlt");
}

PROMISE("clone makes a thread")
{
    char *stack = anon(16);
    uintptr_t *top = (uintptr_t *)(stack + 16 * PAGE - 64);
    *top = (uintptr_t)body;
    int tid = 0;
    cleared = 1;
    long rc = thread(VM | FS | FILES | SIGHAND | THREAD | SYSVSEM | PARENT_SETTID | CHILD_CLEARTID,
                     top, &tid, &cleared);
    WANT(rc > 0);
    WANT_EQ(tid, rc);
    while (cleared) { /* woken as pthread_join is */
        if (syscall(SYS_futex, &cleared, 0, 1, NULL, NULL, 0) == -1) { WANT(errno == EAGAIN); }
    }
    WANT_EQ(ran, 1);
    WANT_EQ(tid_inside, rc);
    WANT_EQ(pid_inside, getpid());
    WANT_EQ(thread(THREAD, top, &tid, NULL),
            -EINVAL); /* a thread without shared handlers and memory */
    WANT_EQ(thread(SIGHAND, top, &tid, NULL), -EINVAL);
}
