/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signal frame, byte for byte as Linux x86-64 builds it: programs read it, edit it and expect to be obeyed. On the
 * way back everything in it is the application's word: selectors and flags are forced to what ring 3 may have, the
 * extended state is loaded only if its header describes something this processor accepts.
 */
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"
#include "guest/task/proc.h"

#define UC_FP_XSTATE         1u
#define UC_SIGCONTEXT_SS     2u
#define UC_STRICT_RESTORE_SS 4u

struct lmcontext {
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip,
        eflags;
    uint16_t cs, gs, fs, ss;
    uint64_t err, trapno, oldmask, cr2, fpstate;
    uint64_t reserved[8];
};
ABI_SIZE(struct lmcontext, 256);
ABI_AT(struct lmcontext, cs, 144);
ABI_AT(struct lmcontext, fpstate, 184);

struct lstack {
    uint64_t sp;
    uint32_t flags, pad;
    uint64_t size;
};

struct lsigframe {
    uint64_t pretcode;
    uint64_t uc_flags, uc_link;
    struct lstack uc_stack;
    struct lmcontext mc;
    uint64_t sigmask;
    uint8_t info[128];
};
ABI_SIZE(struct lsigframe, 440);
ABI_AT(struct lsigframe, mc, 48);
ABI_AT(struct lsigframe, sigmask, 304);
ABI_AT(struct lsigframe, info, 312);

/* "Software reserved" bytes of the legacy FXSAVE area. */
#define FX_SIZE     512u
#define FX_MXCSR    24u
#define FX_SW       464u
#define FX_MAGIC1   0x46505853u
#define FX_MAGIC2   0x46505845u
#define XSTATE_MIN  576u
#define MXCSR_VALID 0xffffu

struct fx_sw {
    uint32_t magic1, extended_size;
    uint64_t xfeatures;
    uint32_t xstate_size;
    uint32_t reserved[7];
};
ABI_SIZE(struct fx_sw, 48);

struct xheader {
    uint64_t xstate_bv, xcomp_bv, reserved[6];
};

/* Flags that an application may choose: CF PF AF ZF SF TF DF OF RF AC. */
#define FLAGS_USER              0x50dd5ull
#define FLAGS_BASE              0x202ull
#define FLAGS_CLEAR_FOR_HANDLER 0x10500ull /* DF, TF, RF */
#define RED_ZONE                128u

/* ---- siginfo -------------------------------------------------------------------------------------------------------- */

static void put32(uint8_t out[128], size_t off, uint32_t v) { memcpy(out + off, &v, sizeof v); }
static void put64(uint8_t out[128], size_t off, uint64_t v) { memcpy(out + off, &v, sizeof v); }

static bool is_fault(int signo)
{
    return signo == LSIG_SEGV || signo == LSIG_BUS || signo == LSIG_ILL || signo == LSIG_FPE ||
           signo == LSIG_TRAP;
}

void siginfo_pack(uint8_t out[128], const struct ksiginfo *info)
{
    if (info->is_raw) {
        memcpy(out, info->raw, 128);
        return;
    }
    memset(out, 0, 128);
    put32(out, 0, (uint32_t)info->signo);
    put32(out, 4, (uint32_t)info->error);
    put32(out, 8, (uint32_t)info->code);
    if (info->code == LSI_TIMER) {
        put32(out, 16, (uint32_t)info->timerid);
        put32(out, 20, (uint32_t)info->overrun);
        put64(out, 24, info->value);
    } else if (is_fault(info->signo) && info->code > 0) {
        put64(out, 16, info->addr);
    } else {
        put32(out, 16, (uint32_t)info->pid);
        put32(out, 20, info->uid);
        if (info->signo == LSIG_CHLD && info->code > 0) {
            put32(out, 24, (uint32_t)info->status);
            put64(out, 32, info->utime);
            put64(out, 40, info->stime);
        } else {
            put64(out, 24, info->value);
        }
    }
}

/* ---- alternate stack -------------------------------------------------------------------------------------------------- */

static bool on_altstack(const struct thread *t, uint64_t sp)
{
    return t->altstack_size != 0 && (t->altstack_flags & LSS_AUTODISARM) == 0 &&
           sp > t->altstack_sp && sp - t->altstack_sp <= t->altstack_size;
}

static uint32_t altstack_state(const struct thread *t, uint64_t sp)
{
    if (t->altstack_size == 0) { return LSS_DISABLE; }
    return (on_altstack(t, sp) ? LSS_ONSTACK : 0) | (t->altstack_flags & LSS_AUTODISARM);
}

static int set_altstack(struct thread *t, const struct lstack *s, uint64_t sp)
{
    uint32_t mode = s->flags & ~LSS_AUTODISARM;

    if (on_altstack(t, sp)) { return -EPERM; }
    if (mode != LSS_DISABLE && mode != LSS_ONSTACK && mode != 0) { return -EINVAL; }
    if (mode == LSS_DISABLE) {
        t->altstack_sp = t->altstack_size = 0;
        t->altstack_flags = LSS_DISABLE;
        return 0;
    }
    if (s->size < LMINSIGSTKSZ) { return -ENOMEM; }
    t->altstack_sp = s->sp;
    t->altstack_size = s->size;
    t->altstack_flags = s->flags & LSS_AUTODISARM;
    return 0;
}

int64_t sys_sigaltstack(const uint64_t a[6])
{
    struct thread *t = current();
    uint64_t sp = t->regs->rsp;
    struct lstack new, old = {t->altstack_sp, altstack_state(t, sp), 0, t->altstack_size};

    if (a[0] != 0) {
        if (copy_from_user(&new, a[0], sizeof new) != 0) { return -EFAULT; }
        int e = set_altstack(t, &new, sp);
        if (e != 0) { return e; }
    }
    return a[1] != 0 ? copy_to_user(a[1], &old, sizeof old) : 0;
}

/* ---- to the handler ----------------------------------------------------------------------------------------------------- */

static int push_xstate(struct thread *t, uint64_t va)
{
    uint8_t *area = thread_xstate_area(t);
    uint32_t size = (uint32_t)arch_xstate_size();
    const struct fx_sw sw = {FX_MAGIC1, size + 4, arch_xstate_mask(), size, {0}};
    const uint32_t magic2 = FX_MAGIC2;

    arch_xstate_save(area);
    memcpy(area + FX_SW, &sw, sizeof sw);
    if (copy_to_user(va, area, size) != 0) { return -EFAULT; }
    return copy_to_user(va + size, &magic2, sizeof magic2);
}

static void fill_mcontext(struct lmcontext *m, const struct regs *r, const struct thread *t)
{
    *m = (struct lmcontext){
        .r8 = r->r8,
        .r9 = r->r9,
        .r10 = r->r10,
        .r11 = r->r11,
        .r12 = r->r12,
        .r13 = r->r13,
        .r14 = r->r14,
        .r15 = r->r15,
        .rdi = r->rdi,
        .rsi = r->rsi,
        .rbp = r->rbp,
        .rbx = r->rbx,
        .rdx = r->rdx,
        .rax = r->rax,
        .rcx = r->rcx,
        .rsp = r->rsp,
        .rip = r->rip,
        .eflags = r->rflags,
        .cs = SEL_UCS,
        .ss = SEL_UDS,
        .err = t->trap_error,
        .trapno = t->trapno,
        .cr2 = t->trap_cr2,
    };
}

int signal_frame_push(struct regs *r, const struct ksiginfo *info, const struct sigaction_k *sa)
{
    struct thread *t = current();
    struct lsigframe f;
    uint64_t sp = r->rsp - RED_ZONE;
    bool switched = false;

    if ((sa->flags & LSA_RESTORER) == 0) { return -EFAULT; }
    if ((sa->flags & LSA_ONSTACK) != 0 && t->altstack_size != 0 && !on_altstack(t, r->rsp)) {
        sp = t->altstack_sp + t->altstack_size;
        switched = true;
    }
    uint64_t fp = align_down(sp - (arch_xstate_size() + 4), 64);
    uint64_t at = align_down(fp - sizeof f, 16) - 8;
    if (switched && at < t->altstack_sp) { return -EFAULT; }
    if (!switched && on_altstack(t, r->rsp) && !on_altstack(t, at)) { return -EFAULT; }

    memset(&f, 0, sizeof f);
    f.pretcode = sa->restorer;
    f.uc_flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
    f.uc_stack = (struct lstack){t->altstack_sp, altstack_state(t, r->rsp), 0, t->altstack_size};
    fill_mcontext(&f.mc, r, t);
    f.mc.fpstate = fp;
    f.sigmask = t->mask_saved ? t->saved_mask : t->mask;
    f.mc.oldmask = f.sigmask;
    siginfo_pack(f.info, info);
    if (push_xstate(t, fp) != 0 || copy_to_user(at, &f, sizeof f) != 0) { return -EFAULT; }

    if ((t->altstack_flags & LSS_AUTODISARM) != 0) {
        t->altstack_sp = t->altstack_size = 0;
        t->altstack_flags = LSS_DISABLE;
    }
    r->rip = sa->handler;
    r->rsp = at;
    r->rdi = (uint64_t)info->signo;
    r->rsi = at + offsetof(struct lsigframe, info);
    r->rdx = at + offsetof(struct lsigframe, uc_flags);
    r->rax = 0;
    r->rflags &= ~FLAGS_CLEAR_FOR_HANDLER;
    r->orig_rax = ~0ull;
    arch_xstate_init(thread_xstate_area(t));
    arch_xstate_load(thread_xstate_area(t));
    return 0;
}

/* ---- and back ------------------------------------------------------------------------------------------------------------- */

/* Bytes of a whole XSAVE image at fp, 0 when it only is a legacy one. */
static uint32_t image_size(const uint8_t *legacy, uint64_t fp)
{
    struct fx_sw sw;
    uint32_t magic2;

    memcpy(&sw, legacy + FX_SW, sizeof sw);
    if (sw.magic1 != FX_MAGIC1 || sw.xstate_size < XSTATE_MIN ||
        sw.xstate_size > arch_xstate_size() || sw.extended_size < sw.xstate_size + 4) {
        return 0;
    }
    if (get_user_u32(fp + sw.xstate_size, &magic2) != 0 || magic2 != FX_MAGIC2) { return 0; }
    return sw.xstate_size;
}

static int pop_xstate(struct thread *t, uint64_t fp)
{
    uint8_t *area = thread_xstate_area(t);
    struct xheader h;
    uint32_t mxcsr;

    arch_xstate_init(area);
    if (fp != 0) {
        if (copy_from_user(area, fp, FX_SIZE) != 0) { return -EFAULT; }
        uint32_t size = image_size(area, fp);
        if (size != 0) {
            if (copy_from_user(area, fp, size) != 0) { return -EFAULT; }
            memcpy(&h, area + FX_SIZE, sizeof h);
            if ((h.xstate_bv & ~arch_xstate_mask()) != 0 || h.xcomp_bv != 0) { return -EFAULT; }
            for (unsigned i = 0; i < 6; i++) {
                if (h.reserved[i] != 0) { return -EFAULT; }
            }
        } else {
            h = (struct xheader){.xstate_bv = 3};
            memcpy(area + FX_SIZE, &h, sizeof h);
        }
        memcpy(&mxcsr, area + FX_MXCSR, sizeof mxcsr);
        mxcsr &= MXCSR_VALID;
        memcpy(area + FX_MXCSR, &mxcsr, sizeof mxcsr);
    }
    arch_xstate_load(area);
    return 0;
}

static void take_mcontext(struct regs *r, const struct lmcontext *m)
{
    *r = (struct regs){
        .r8 = m->r8,
        .r9 = m->r9,
        .r10 = m->r10,
        .r11 = m->r11,
        .r12 = m->r12,
        .r13 = m->r13,
        .r14 = m->r14,
        .r15 = m->r15,
        .rdi = m->rdi,
        .rsi = m->rsi,
        .rbp = m->rbp,
        .rbx = m->rbx,
        .rdx = m->rdx,
        .rax = m->rax,
        .rcx = m->rcx,
        .rsp = m->rsp,
        .rip = m->rip,
        .cs = SEL_UCS,
        .ss = SEL_UDS,
        .rflags = FLAGS_BASE | (m->eflags & FLAGS_USER),
        .orig_rax = ~0ull,
    };
}

int64_t sys_rt_sigreturn(const uint64_t a[6])
{
    (void)a;
    struct thread *t = current();
    struct regs *r = t->regs;
    struct lsigframe f;

    t->full_exit = true;
    if (copy_from_user(&f, r->rsp - 8, offsetof(struct lsigframe, info)) != 0 ||
        pop_xstate(t, f.mc.fpstate) != 0) {
        r->orig_rax = ~0ull;
        signal_force(t, LSIG_SEGV, LSI_KERNEL, 0);
        return (int64_t)r->rax;
    }
    signal_set_mask(t, f.sigmask);
    take_mcontext(r, &f.mc);
    (void)set_altstack(t, &f.uc_stack, r->rsp);
    return (int64_t)r->rax;
}
