/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In from the application and out again. The machine has saved the registers in the frame at the top of the thread's
 * stack; everything here runs under the big lock.
 *
 * Invariants. (1) A thread leaves only with nothing pending for it: no signal it would take, no termination, no stop.
 * (2) What became pending after the lock was dropped is a bit in vpage.pending or a kick, and brings it back in.
 * (3) A frame whose rip is one of the library OS's entries belongs to an application about to enter: no signal is
 * built on it; the call that follows will have an exit of its own.
 */
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"
#include "guest/task/sched.h"

/* Everything before the application may run. */
static void leave(struct regs *r)
{
    do {
        sched_cpu_check();
        thread_exit_if_killed();
    } while (signal_deliver(r) || arch_pending());
}

int syscall_from_app(struct regs *r)
{
    big_lock();
    thread_exit_if_killed(); /* whoever ends it counts the threads: it makes no more of them */
    struct thread *t = current();
    const uint64_t a[6] = {r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9};

    t->full_exit = false;
    if (arch_was_trap()) { arch_trapped(r); }
    r->rax = (uint64_t)sys_dispatch(r->orig_rax, a);
    leave(r);
    bool full = t->full_exit;
    big_unlock();
    return full;
}

void exit_again(struct regs *r)
{
    big_lock();
    leave(r);
    big_unlock();
}

void thread_leave(void)
{
    struct regs *r = current()->regs;
    leave(r);
    big_unlock();
    arch_enter_app(r);
}

#define TRAP_DE 0
#define TRAP_DB 1
#define TRAP_BP 3
#define TRAP_OF 4
#define TRAP_BR 5
#define TRAP_UD 6
#define TRAP_PF 14
#define TRAP_MF 16
#define TRAP_AC 17
#define TRAP_XM 19

/*
 * The legacy vsyscall page is not mapped: its three entries are called by old static programs only, and the fetch that
 * faults is the call. Performed here, as Linux emulates it.
 */
#define VSYSCALL_PAGE 0xffffffffff600000ull

static bool vsyscall(struct regs *r, uint64_t va)
{
    static const uint16_t calls[3] = {96, 201, 309}; /* gettimeofday, time, getcpu */
    uint64_t off = va - VSYSCALL_PAGE;
    uint64_t back;

    if (r->rip != va || off >= 3 * 1024 || off % 1024 != 0) { return false; }
    if (get_user_u64(r->rsp, &back) != 0) { return false; }
    const uint64_t a[6] = {r->rdi, r->rsi, r->rdx};
    r->rax = (uint64_t)sys_dispatch(calls[off / 1024], a);
    r->rip = back;
    r->rsp += sizeof back;
    return true;
}

static void page_fault(struct regs *r, uint64_t va, uint64_t error)
{
    int e = vsyscall(r, va) ? 0 : space_fault(current_proc()->space, va, error);
    switch (e) {
    case 0: return;
    case -ENXIO: signal_fault(LSIG_BUS, LBUS_ADRERR, va, TRAP_PF, error); return;
    case -EACCES: signal_fault(LSIG_SEGV, LSEGV_ACCERR, va, TRAP_PF, error); return;
    case -ENOMEM: /* as Linux's out-of-memory killer, which spares nobody */
        signal_proc(current_proc(),
                    &(struct ksiginfo){.signo = LSIG_KILL, .code = LSI_KERNEL, .forced = true});
        return;
    default: signal_fault(LSIG_SEGV, LSEGV_MAPERR, va, TRAP_PF, error); return;
    }
}

static void fault(struct regs *r, uint64_t vector, uint64_t error, uint64_t cr2)
{
    switch (vector) {
    case TRAP_PF: page_fault(r, cr2, error); return;
    case TRAP_DE: signal_fault(LSIG_FPE, LFPE_INTDIV, r->rip, vector, error); return;
    case TRAP_DB: signal_fault(LSIG_TRAP, LTRAP_TRACE, r->rip, vector, error); return;
    case TRAP_BP: signal_fault(LSIG_TRAP, LSI_KERNEL, 0, vector, error); return;
    case TRAP_UD: signal_fault(LSIG_ILL, LILL_ILLOPN, r->rip, vector, error); return;
    case TRAP_MF:
    case TRAP_XM: signal_fault(LSIG_FPE, arch_fp_code(vector), r->rip, vector, error); return;
    case TRAP_AC: signal_fault(LSIG_BUS, LBUS_ADRALN, 0, vector, error); return;
    default: signal_fault(LSIG_SEGV, LSI_KERNEL, 0, vector, error); return;
    }
}

void upcall_from_app(struct regs *r, uint64_t vector, uint64_t error, uint64_t cr2)
{
    big_lock();
    if (vector < 32) { fault(r, vector, error, cr2); }
    leave(r);
    big_unlock();
}
