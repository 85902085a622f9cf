/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seccomp filter, written out from a list of rules: building it takes microseconds, which start
 * time is measured in. See sandbox.h for what it is for.
 *
 * Arguments are compared by their lower half, which is all that the kernel looks at in each of them
 * (ioctl's command, a domain, a process id) or all that matters (PROT_EXEC).
 */
#include "vmm/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

struct rule {
    uint32_t nr;
    enum { ALWAYS, EQUAL, WITHOUT } when; /* the argument equals value; has none of its bits */
    uint8_t arg;
    uint32_t value;
};

#define CALL(name)                                                                                 \
    {                                                                                              \
        .nr = SYS_##name                                                                           \
    }
#define CALL_WITH(name, n, v)                                                                      \
    {                                                                                              \
        .nr = SYS_##name, .when = EQUAL, .arg = (n), .value = (uint32_t)(v)                        \
    }
#define CALL_SANS(name, n, v)                                                                      \
    {                                                                                              \
        .nr = SYS_##name, .when = WITHOUT, .arg = (n), .value = (v)                                \
    }

/* Rules for one call look at the same argument. */
static const struct rule always[] = {
    CALL_WITH(ioctl, 1, KVM_RUN),
    CALL_WITH(ioctl, 1, KVM_SIGNAL_MSI),
    CALL(read),
    CALL(write),
    CALL(readv),
    CALL(writev),
    CALL(epoll_wait),
    CALL(epoll_pwait), /* the same, as other C libraries do it */
    CALL(futex),
    CALL(preadv),
    CALL(pread64),
    CALL(poll),
    CALL(epoll_ctl),
    CALL(close),
    CALL_WITH(fcntl, 1, F_DUPFD_CLOEXEC),
    CALL(clock_gettime), /* where the vDSO cannot */
    CALL(sched_yield),
    CALL(getpid),
    CALL(gettid),
    CALL(getrandom),
    /* doorbells; another vCPU's entry state; where a guest was that failed */
    CALL_WITH(ioctl, 1, KVM_IOEVENTFD),
    CALL_WITH(ioctl, 1, KVM_GET_SREGS),
    CALL_WITH(ioctl, 1, KVM_SET_SREGS),
    CALL_WITH(ioctl, 1, KVM_GET_REGS),
    CALL_WITH(ioctl, 1, KVM_SET_REGS),
    CALL_WITH(ioctl, 1, KVM_SET_MSRS),
    CALL_WITH(ioctl, 1, KVM_GET_LAPIC),
    CALL_WITH(ioctl, 1, KVM_SET_LAPIC),
    CALL_WITH(ioctl, 1, KVM_SET_XCRS),
    CALL_WITH(ioctl, 1, KVM_SET_MP_STATE),
    CALL_WITH(ioctl, 1, KVM_TRANSLATE),
    /* the user's terminal: its size, and giving it back */
    CALL_WITH(ioctl, 1, TIOCGWINSZ),
    CALL_WITH(ioctl, 1, TCGETS),
    CALL_WITH(ioctl, 1, TCSETSW),
    /* memory of malloc() and of threads that end */
    CALL_SANS(mmap, 2, PROT_EXEC),
    CALL_SANS(mprotect, 2, PROT_EXEC),
    CALL(mremap),
    CALL(munmap),
    CALL(madvise),
    CALL(brk),
    /* a thread that has just been made is still on its way to its function */
    CALL(set_robust_list),
    CALL(rseq),
    /* signals and ends */
    CALL(rt_sigprocmask),
    CALL(rt_sigtimedwait),
    CALL(rt_sigreturn),
    CALL(restart_syscall),
    CALL(exit),
    CALL(exit_group),
};

static const struct rule network[] = {
    CALL(sendmsg),
    CALL(recvmsg),
    CALL(sendto),
    CALL(recvfrom),
    CALL_WITH(socket, 0, AF_INET),
    CALL_WITH(socket, 0, AF_INET6),
    CALL(connect),
    CALL(bind),
    CALL(listen),
    CALL(accept4),
    CALL(shutdown),
    CALL(getsockname),
    CALL(getpeername),
    CALL(getsockopt),
    CALL(setsockopt),
};

/* ---- the filter ------------------------------------------------------------------------------ */

/*
 * Sorted by number and cut into chunks, each behind one comparison that skips it. The kernel walks
 * through the filter for every call there is when it is installed, so a short way counts.
 *
 *   number > last of the chunk: next chunk
 *   for each call of the chunk
 *       number differs: next call
 *       allow; or load its argument, for each value: equal: allow; trap
 *   trap
 */
#define RULES_MAX 96
#define CHUNK     8
#define INSTRUCTIONS_MAX                                                                           \
    (5 + RULES_MAX * 5) /* the longest rule: alone with its call, and its call with its chunk */

_Static_assert(ARRAY_COUNT(always) + ARRAY_COUNT(network) + 4 <= RULES_MAX, "room for all rules");

struct program {
    struct rule rule[RULES_MAX];
    size_t rules;
    struct sock_filter code[INSTRUCTIONS_MAX];
    uint16_t len;
    bool too_far; /* for a jump */
};

static uint16_t put(struct program *p, uint16_t code, uint32_t k)
{
    p->code[p->len] = (struct sock_filter){.code = code, .k = k};
    return p->len++;
}

static void load(struct program *p, size_t off)
{
    (void)put(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)off);
}

static void answer(struct program *p, uint32_t action) { (void)put(p, BPF_RET | BPF_K, action); }

/* How far it is from the jump at `from` to here. */
static uint8_t distance(struct program *p, uint16_t from)
{
    unsigned n = p->len - from - 1u;
    p->too_far = p->too_far || n > UINT8_MAX;
    return (uint8_t)n;
}

/* All rules for one call; returns how many. */
static size_t put_call(struct program *p, const struct rule *r, size_t count)
{
    size_t n = 0;
    uint16_t differs = put(p, BPF_JMP | BPF_JEQ | BPF_K, r->nr);

    if (r->when != ALWAYS) {
        load(p, offsetof(struct seccomp_data, args) + r->arg * sizeof(uint64_t));
    }
    for (; n < count && r[n].nr == r->nr; n++) {
        if (r[n].when == EQUAL) { p->code[put(p, BPF_JMP | BPF_JEQ | BPF_K, r[n].value)].jf = 1; }
        if (r[n].when == WITHOUT) {
            p->code[put(p, BPF_JMP | BPF_JSET | BPF_K, r[n].value)].jt = 1;
        }
        answer(p, SECCOMP_RET_ALLOW);
    }
    if (r->when != ALWAYS) { answer(p, SECCOMP_RET_TRAP); }
    p->code[differs].jf = distance(p, differs);
    return n;
}

static void put_all(struct program *p)
{
    load(p, offsetof(struct seccomp_data, arch));
    p->code[put(p, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64)].jt = 1;
    answer(p, SECCOMP_RET_KILL_PROCESS);
    load(p, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < p->rules;) {
        uint16_t beyond = put(p, BPF_JMP | BPF_JGT | BPF_K, 0);
        for (size_t calls = 0; calls < CHUNK && i < p->rules; calls++) {
            p->code[beyond].k = p->rule[i].nr;
            i += put_call(p, &p->rule[i], p->rules - i);
        }
        answer(p, SECCOMP_RET_TRAP);
        p->code[beyond].jt = distance(p, beyond);
    }
    answer(p, SECCOMP_RET_TRAP);
}

static void add(struct program *p, const struct rule *r, size_t count)
{
    memcpy(&p->rule[p->rules], r, count * sizeof *r);
    p->rules += count;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = ((const struct rule *)a)->nr, y = ((const struct rule *)b)->nr;
    return (x > y) - (x < y);
}

static void write_filter(struct program *p, const struct sandbox *s)
{
    const struct rule own[] = {CALL_WITH(tgkill, 0, getpid()), CALL_WITH(kill, 0, getpid())};
    const struct rule helper[] = {CALL_WITH(kill, 0, s->helper), CALL_WITH(wait4, 0, s->helper)};

    add(p, always, ARRAY_COUNT(always));
    add(p, own, ARRAY_COUNT(own));
    if (s->network) { add(p, network, ARRAY_COUNT(network)); }
    if (s->helper > 0) { add(p, helper, ARRAY_COUNT(helper)); }
    qsort(p->rule, p->rules, sizeof p->rule[0], by_number);
    put_all(p);
}

/* ---- what happens to the rest ----------------------------------------------------------------- */

/* Decimal, no end; nothing here may lock or allocate. */
static size_t digits(unsigned v, char *out)
{
    char back[12];
    size_t n = 0, len;
    do {
        back[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    for (len = 0; len < n; len++) { out[len] = back[n - 1 - len]; }
    return len;
}

/* The last words of a broken program: nobody is left to hand an error to. */
static void on_refused(int signo, siginfo_t *si, void *context)
{
    static const char before[] = "sandbox: system call ", between[] = " (", after[] = ") refused\n";
    const ucontext_t *u = context;
    char text[96];
    size_t n = 0;

    (void)signo;
    memcpy(text, before, sizeof before - 1);
    n += sizeof before - 1;
    n += digits((unsigned)si->si_syscall, text + n);
    memcpy(text + n, between, sizeof between - 1);
    n += sizeof between - 1;
    for (int i = 0; i < 3; i++) { /* its first three arguments, lower halves */
        static const int reg[] = {REG_RDI, REG_RSI, REG_RDX};
        if (i > 0) { text[n++] = ' '; }
        n += digits((unsigned)u->uc_mcontext.gregs[reg[i]], text + n);
    }
    memcpy(text + n, after, sizeof after - 1);
    n += sizeof after - 1;
    (void)!write(STDERR_FILENO, text, n);
    abort(); /* whoever owns a terminal gives it back on this signal, too */
}

int sandbox_enter(const struct sandbox *s, struct err *e)
{
    struct program p = {.rules = 0};
    struct sigaction sa = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO};

    write_filter(&p, s);
    if (p.too_far) { return err_set(e, E2BIG, "sandbox: a jump is too far"); }
    (void)sigemptyset(&sa.sa_mask);
    if (sigaction(SIGSYS, &sa, NULL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return err_set(e, errno, "sandbox: %s", strerror(errno));
    }
    /* Without SPEC_ALLOW older kernels turn speculation off in every guest instruction that follows. */
    struct sock_fprog fprog = {.len = p.len, .filter = p.code};
    long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                     SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &fprog);
    if (r < 0) { return err_set(e, errno, "sandbox: seccomp: %s", strerror(errno)); }
    if (r > 0) { return err_set(e, EBUSY, "sandbox: thread %ld is in another one", r); }
    return 0;
}
