/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Level 2: task/arch.h for a process in which real programs run. Their memory is [0, LOS_LO) of
 * this process.
 *
 * A software TLB. Nothing of an application is mapped until it is touched; SIGSEGV walks the page
 * tables that the library OS built, and if they permit the access, the frame is mmap'ed there with
 * the entry's rights. Otherwise it is a page fault upcall with the error code a processor would
 * give. A flush is a munmap. So a missing flush shows as a stale mapping, every time.
 *
 * System calls arrive by Syscall User Dispatch: every `syscall` outside the library OS and the C
 * library is a SIGSYS. Signals are blocked while the library OS runs, which is what `deferred`
 * means in a guest.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "guest/standin/native.h"
#include "guest/standin/ward_native.h"
#include "guest/task/arch.h"
#include "guest/task/sched.h"
#include "guest/ward.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON           1
#endif

#define SIGNAL_STACK (256u << 10)
#define FP_SW_OFF    464 /* struct _fpx_sw_bytes inside the legacy area */
#define FP_SW_SIZE   48
#define FP_MAGIC2    0x46505845u
#define XSTATE_MAX   16384u
#define TRAP_PF      14
#define TLB_RUN      32u /* pages mapped at once, when their frames are adjacent */

extern void native_signal_entry(int sig, siginfo_t *si, void *uc);
NORETURN void native_on_stack(struct regs *r, uint64_t vector, uint64_t error, uint64_t cr2);
NORETURN void native_sigreturn(void *uc, uint64_t fs_base);
NORETURN void native_entered(struct regs *r, uint64_t vector, uint64_t error, uint64_t cr2);
void native_signal(int sig, siginfo_t *si, ucontext_t *uc, uint64_t fs_base);

uint64_t native_host_fs;

/* The registers that struct regs has not: the application's while it is not running. */
static uint64_t app_fs;
static uint8_t app_xstate[XSTATE_MAX] ALIGNED(64);
static size_t xstate_size;
static uint64_t xstate_mask;
static uint8_t fp_sw[FP_SW_SIZE]; /* what the kernel wants to find in a frame */
static ucontext_t exit_context;
static uint32_t root;
static timer_t timer;

static NORETURN void give_up(const char *what)
{
    perror(what);
    abort();
}

/* ---- the TLB --------------------------------------------------------------------------------- */

void native_flush(uint64_t va, uint64_t pages)
{
    if (pages == 0) {
        va = 0;
        pages = LOS_LO / PAGE_SIZE;
    }
    if (munmap((void *)va, pages * PAGE_SIZE) < 0) { give_up("stand-in: flush"); }
}

void native_space_load(uint32_t new_root)
{
    root = new_root;
    native_flush(0, 0);
}

static const uint64_t *entries(uint64_t entry)
{
    return (const uint64_t *)(LOS_TABLES + (entry & PTE_FRAME) - TABLES_GPA);
}

/* The leaf table's entry for va; *w: the whole path is writable. NULL: nothing there. */
static const uint64_t *walk(uint64_t va, unsigned *level, bool *w)
{
    const uint64_t *e = (const uint64_t *)(LOS_TABLES + root * PAGE_SIZE) + (va >> 39 & 511);
    *w = true;
    for (*level = 4;; --*level) {
        if ((*e & PTE_P) == 0) { return NULL; }
        *w = *w && (*e & PTE_W) != 0;
        if (*level == 1 || (*e & PTE_PS) != 0) { return e; }
        e = entries(*e) + (va >> (12 + 9 * (*level - 2)) & 511);
    }
}

/* Maps what the tables permit. False: a fault; the processor's error code in *error. */
static bool tlb_fill(uint64_t va, uint64_t *error)
{
    unsigned level;
    bool path_w;
    if (va >= LOS_LO) { return false; }
    const uint64_t *e = walk(va, &level, &path_w);
    bool write = (*error & 2) != 0, fetch = (*error & 16) != 0;
    *error = (*error & 18) | 4 | (e != NULL ? 1 : 0);
    if (e == NULL || (write && !path_w) || (fetch && (*e & PTE_NX) != 0)) { return false; }

    uint64_t page = va & ~(PAGE_SIZE - 1), size = PAGE_SIZE, frame = *e & PTE_FRAME;
    if (level == 2) {
        page = va & ~(CHUNK_SIZE - 1);
        size = CHUNK_SIZE;
    } else {
        /* neighbours that continue it, with the same rights */
        unsigned i = (unsigned)(va >> 12) & 511;
        for (unsigned n = 1; n < TLB_RUN && i + n < 512 && e[n] == *e + n * PAGE_SIZE; n++) {
            size += PAGE_SIZE;
        }
    }
    int prot = PROT_READ | (path_w ? PROT_WRITE : 0) | ((*e & PTE_NX) != 0 ? 0 : PROT_EXEC);
    if (mmap((void *)page, size, prot, MAP_SHARED | MAP_FIXED, native_ram_fd, (off_t)frame) ==
        MAP_FAILED) {
        give_up("stand-in: mapping a frame");
    }
    return true;
}

/* ---- in -------------------------------------------------------------------------------------- */

static void take_registers(struct regs *r, const greg_t *g)
{
    *r = (struct regs){
        .r15 = (uint64_t)g[REG_R15],
        .r14 = (uint64_t)g[REG_R14],
        .r13 = (uint64_t)g[REG_R13],
        .r12 = (uint64_t)g[REG_R12],
        .rbp = (uint64_t)g[REG_RBP],
        .rbx = (uint64_t)g[REG_RBX],
        .r11 = (uint64_t)g[REG_R11],
        .r10 = (uint64_t)g[REG_R10],
        .r9 = (uint64_t)g[REG_R9],
        .r8 = (uint64_t)g[REG_R8],
        .rax = (uint64_t)g[REG_RAX],
        .rcx = (uint64_t)g[REG_RCX],
        .rdx = (uint64_t)g[REG_RDX],
        .rsi = (uint64_t)g[REG_RSI],
        .rdi = (uint64_t)g[REG_RDI],
        .orig_rax = UINT64_MAX,
        .rip = (uint64_t)g[REG_RIP],
        .cs = SEL_UCS,
        .rflags = (uint64_t)g[REG_EFL],
        .rsp = (uint64_t)g[REG_RSP],
        .ss = SEL_UDS,
    };
}

static NORETURN void own_fault(int sig, const ucontext_t *uc)
{
    const greg_t *g = uc->uc_mcontext.gregs;
    fprintf(stderr, "los-native: signal %d in the library OS, rip 0x%llx, address 0x%llx\n", sig,
            (unsigned long long)g[REG_RIP], (unsigned long long)g[REG_CR2]);
    signal(sig, SIG_DFL);
    abort();
}

void native_signal(int sig, siginfo_t *si, ucontext_t *uc, uint64_t fs_base)
{
    greg_t *g = uc->uc_mcontext.gregs;
    (void)si;

    if (sig == SIGALRM) { cpu_vpage()->pending |= PENDING_TIMER; }
    if ((uint64_t)g[REG_RIP] >= LOS_LO && !(sig == SIGSEGV && g[REG_TRAPNO] == TRAP_PF &&
                                            (uint64_t)g[REG_CR2] == (uint64_t)g[REG_RIP])) {
        if (sig != SIGALRM) { own_fault(sig, uc); }
        return; /* parked: C library code, FS is right */
    }
    uint64_t vector = sig == SIGALRM ? VEC_TIMER : (uint64_t)g[REG_TRAPNO];
    uint64_t error = (uint64_t)g[REG_ERR], cr2 = (uint64_t)g[REG_CR2];
    if (sig == SIGSEGV && vector == TRAP_PF && tlb_fill(cr2, &error)) {
        __asm__ volatile("wrfsbase %0" : : "r"(fs_base));
        return;
    }
    app_fs = fs_base;
    memcpy(app_xstate, uc->uc_mcontext.fpregs, xstate_size);
    struct regs *r = (struct regs *)(cpu_vpage()->kstack - sizeof *r);
    take_registers(r, g);
    native_on_stack(r, sig == SIGSYS ? UINT64_MAX : vector, error, cr2);
}

void native_entered(struct regs *r, uint64_t vector, uint64_t error, uint64_t cr2)
{
    if (vector == UINT64_MAX) {
        r->orig_rax = r->rax;
        r->rax = (uint64_t)-ENOSYS;
        (void)syscall_from_app(r);
    } else {
        upcall_from_app(r, vector, error, cr2);
    }
    arch_enter_app(r);
}

/* ---- out ------------------------------------------------------------------------------------- */

void arch_enter_app(struct regs *r)
{
    greg_t *g = exit_context.uc_mcontext.gregs;

    while (arch_pending()) { exit_again(r); }
    g[REG_R15] = (greg_t)r->r15, g[REG_R14] = (greg_t)r->r14, g[REG_R13] = (greg_t)r->r13,
    g[REG_R12] = (greg_t)r->r12;
    g[REG_R11] = (greg_t)r->r11, g[REG_R10] = (greg_t)r->r10, g[REG_R9] = (greg_t)r->r9,
    g[REG_R8] = (greg_t)r->r8;
    g[REG_RBP] = (greg_t)r->rbp, g[REG_RBX] = (greg_t)r->rbx, g[REG_RAX] = (greg_t)r->rax,
    g[REG_RCX] = (greg_t)r->rcx;
    g[REG_RDX] = (greg_t)r->rdx, g[REG_RSI] = (greg_t)r->rsi, g[REG_RDI] = (greg_t)r->rdi;
    g[REG_RIP] = (greg_t)r->rip, g[REG_RSP] = (greg_t)r->rsp, g[REG_EFL] = (greg_t)r->rflags;
    sigemptyset(&exit_context.uc_sigmask);
    exit_context.uc_mcontext.fpregs = (fpregset_t)(void *)app_xstate;
    memcpy(app_xstate + FP_SW_OFF, fp_sw, FP_SW_SIZE);
    uint32_t magic2 = FP_MAGIC2;
    memcpy(app_xstate + xstate_size, &magic2, sizeof magic2);
    native_sigreturn(&exit_context, app_fs);
}

void arch_set_entry_stack(uint64_t top) { cpu_vpage()->kstack = top; }

/* Every call is a signal here, whatever is at the call site. */
bool arch_was_trap(void) { return false; }
void arch_trapped(struct regs *r) { (void)r; }

bool arch_entering(const struct regs *r)
{
    (void)r;
    return false;
}

/* ---- extended state -------------------------------------------------------------------------- */

uint64_t arch_fs_get(void) { return app_fs; }
void arch_fs_set(uint64_t base) { app_fs = base; }
size_t arch_xstate_size(void) { return xstate_size; }
uint64_t arch_xstate_mask(void) { return xstate_mask; }
void arch_xstate_save(void *area) { memcpy(area, app_xstate, xstate_size); }
void arch_xstate_load(const void *area) { memcpy(app_xstate, area, xstate_size); }
void arch_xstate_init(void *area)
{
    memset(area, 0, xstate_size);
    *(uint16_t *)area = 0x37f;
    *(uint32_t *)((char *)area + 24) = 0x1f80;
}
int arch_fp_code(uint64_t vector)
{
    (void)vector;
    return LFPE_FLTINV;
}

/* ---- time, waiting --------------------------------------------------------------------------- */

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t arch_mono_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
uint64_t arch_wall_offset_ns(void)
{
    /* read once: two clocks read one after the other would run backwards */
    static uint64_t offset;
    if (offset == 0) { offset = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC); }
    return offset;
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
                             .tv_nsec = (long)(ns % 1000000000u)};
}

void arch_timer(uint64_t deadline_ns)
{
    struct itimerspec at = {.it_value = timespec_of(deadline_ns)};
    timer_settime(timer, TIMER_ABSTIME, &at, NULL);
}

/*
 * Signals are open only inside ppoll, so none is lost between the test and the sleep. Like a
 * ward's, the timer stays set when something else ends the sleep.
 */
void arch_park(uint64_t deadline_ns)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    bool wants_input = native_input_wanted();
    sigset_t none;
    sigemptyset(&none);

    if (arch_pending()) { return; }
    if (deadline_ns != UINT64_MAX) {
        arch_timer(deadline_ns);
    } else if (!wants_input) {
        panic("stand-in: every thread sleeps for ever");
    }
    if (ppoll(&input, wants_input, NULL, &none) > 0) { cpu_vpage()->pending |= PENDING_DEVICE; }
}

void arch_kick(unsigned cpu) { (void)cpu; }
bool arch_pending(void) { return cpu_vpage()->pending != 0; }
uint32_t arch_take_pending(void)
{
    uint32_t bits = cpu_vpage()->pending;
    cpu_vpage()->pending = 0;
    return bits;
}
void arch_start_secondaries(unsigned count) { (void)count; }

/* ---- start ----------------------------------------------------------------------------------- */

/* One signal to see what a frame looks like on this machine. */
static void capture(int sig, siginfo_t *si, void *context)
{
    const ucontext_t *uc = context;
    (void)sig, (void)si;
    memcpy(&exit_context, uc, offsetof(ucontext_t, uc_sigmask) + 8);
    memcpy(fp_sw, (const char *)uc->uc_mcontext.fpregs + FP_SW_OFF, FP_SW_SIZE);
    uint32_t size;
    memcpy(&size, fp_sw + 16, sizeof size); /* _fpx_sw_bytes.xstate_size */
    memcpy(&xstate_mask, fp_sw + 8, sizeof xstate_mask);
    xstate_size = size;
}

static void handle(int sig, void (*fn)(int, siginfo_t *, void *))
{
    struct sigaction sa = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&sa.sa_mask);
    sigdelset(&sa.sa_mask, SIGSEGV);
    if (sigaction(sig, &sa, NULL) < 0) { give_up("sigaction"); }
}

void native_machine_start(void)
{
    static const int faults[] = {SIGSEGV, SIGSYS, SIGALRM, SIGILL, SIGFPE, SIGTRAP, SIGBUS};
    static uint8_t stack[SIGNAL_STACK];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigset_t most;

    __asm__("rdfsbase %0" : "=r"(native_host_fs));
    if (sigaltstack(&alternate, NULL) < 0) { give_up("sigaltstack"); }
    handle(SIGUSR1, capture);
    raise(SIGUSR1);
    if (xstate_size == 0 || xstate_size + 4 > XSTATE_MAX) { give_up("stand-in: extended state"); }
    signal(SIGUSR1, SIG_DFL);

    sigfillset(&most);
    sigdelset(&most, SIGSEGV);
    sigdelset(&most, SIGINT);
    sigprocmask(SIG_SETMASK, &most, NULL);
    for (size_t i = 0; i < ARRAY_COUNT(faults); i++) { handle(faults[i], native_signal_entry); }
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0) { give_up("timer_create"); }
    if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, LOS_LO, (1ull << 47) - LOS_LO, 0) <
        0) {
        give_up("stand-in: this kernel has no Syscall User Dispatch");
    }
}
