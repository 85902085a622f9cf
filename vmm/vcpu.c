/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPUs: entry states, the run loop, and a clear message for every exit that is not expected. The guest needs three
 * ports and nothing else: doorbells are eventfds, interrupts and timers are KVM's local APIC.
 */
#include "firmware/abi/panic.h"
#include "firmware/abi/ward.h"
#include "vmm/vm.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CR0_RUN            0x80050033ull /* PG AM WP NE ET MP PE */
#define CR4_RUN            0x10620ull    /* PAE OSFXSR OSXMMEXCPT FSGSBASE */
#define CR4_OSXSAVE        0x40000ull
#define EFER_RUN           0xd01ull /* NXE LMA LME SCE */
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_FMASK          0xc0000084
#define MSR_KERNEL_GS_BASE 0xc0000102
#define FMASK_RING0        0x44700 /* TF IF DF NT AC */
#define APIC_SVR           0xf0
#define APIC_LVT_TIMER     0x320
#define XCR0_OFFERED       0xe7ull /* x87 SSE AVX AVX-512; no AMX, PKRU or CET state */
#define SEGMENT_CODE       11      /* readable, accessed */
#define SEGMENT_DATA       3       /* writable, accessed */
#define DOORBELLS_BY_EXIT  512

static const char *panic_words(uint32_t code)
{
    switch (code) {
#define X(name, nr, words)                                                                         \
    case nr: return words;
        PANIC_CODES(X)
#undef X
    default: return "an unknown panic code";
    }
}

int vcpu_init(struct vcpu *v, struct vm *vm, unsigned id, struct err *e)
{
    v->vm = vm;
    v->id = id;
    v->fd = KVM_CALL(vm->fd, KVM_CREATE_VCPU, (void *)(uintptr_t)id, e);
    if (v->fd < 0) { return err_wrap(e, "vCPU %u", id); }
    int size = KVM_CALL(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, e);
    if (size < 0) { return size; }
    v->run_size = (size_t)size;
    v->run = mmap(NULL, v->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
    if (v->run == MAP_FAILED) {
        v->run = NULL;
        return err_set(e, errno, "vCPU %u: map kvm_run: %s", id, strerror(errno));
    }
    for (uint32_t i = 0; i < vm->cpuid.head.nent; i++) { /* the initial APIC id */
        struct kvm_cpuid_entry2 *c = &vm->cpuid.entry[i];
        if (c->function == 1) { c->ebx = (c->ebx & 0xffffff) | id << 24; }
        if (c->function == 0xb || c->function == 0x1f) { c->edx = id; }
    }
    return KVM_CALL(v->fd, KVM_SET_CPUID2, &vm->cpuid.head, e) < 0 ? err_wrap(e, "vCPU %u", id) : 0;
}

void vcpu_fini(struct vcpu *v)
{
    if (v->run) { (void)munmap(v->run, v->run_size); }
    if (v->fd >= 0) { (void)close(v->fd); }
    v->run = NULL;
    v->fd = -1;
}

/* Flat and of 32 bits; l makes code one of 64. */
static struct kvm_segment flat(uint16_t selector, uint8_t dpl, uint8_t type, bool l)
{
    return (struct kvm_segment){.selector = selector,
                                .limit = 0xffffffff,
                                .type = type,
                                .present = 1,
                                .dpl = dpl,
                                .s = 1,
                                .l = l,
                                .db = !l,
                                .g = 1};
}

static int set_msrs(struct vcpu *v, const struct core_header *h, struct err *e)
{
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entry[4];
    } m = {.head.nmsrs = 4,
           .entry = {
               {.index = MSR_STAR, .data = (uint64_t)SEL_UCS32 << 48 | (uint64_t)SEL_KCS << 32},
               {.index = MSR_LSTAR, .data = h->ward_syscall},
               {.index = MSR_FMASK, .data = FMASK_RING0},
               {.index = MSR_KERNEL_GS_BASE, .data = WARD_CPU + v->id * CPU_STRIDE + CPU_PRIVATE},
           }};
    int n = KVM_CALL(v->fd, KVM_SET_MSRS, &m.head, e);
    if (n < 0) { return n; }
    if (n != 4) { return err_set(e, EIO, "KVM_SET_MSRS: register 0x%x refused", m.entry[n].index); }
    return 0;
}

static int set_apic(struct vcpu *v, struct err *e)
{
    struct kvm_lapic_state s;
    const uint32_t svr = 0x100 | VEC_SPURIOUS, lvt = 2u << 17 | VEC_TIMER;

    if (KVM_CALL(v->fd, KVM_GET_LAPIC, &s, e) < 0) { return -e->code; }
    memcpy(s.regs + APIC_SVR, &svr, sizeof svr);
    memcpy(s.regs + APIC_LVT_TIMER, &lvt, sizeof lvt);
    return KVM_CALL(v->fd, KVM_SET_LAPIC, &s, e);
}

/*
 * XCR0, where the guest's CPUID offers XSAVE; elsewhere ring 3 sees the host's state. *out_xsave: is it so? Also for a
 * vCPU that starts at the stub, where the ward sets the same by xsetbv: QEMU's emulated SVM does not intercept that
 * instruction, so KVM would never learn of it and put its own idea of XCR0, x87 alone, back at the next entry.
 */
static int set_xcr0(struct vcpu *v, bool *out_xsave, struct err *e)
{
    const struct kvm_cpuid_list *c = &v->vm->cpuid;
    bool xsave = false;
    uint64_t mask = 0;

    for (uint32_t i = 0; i < c->head.nent; i++) {
        const struct kvm_cpuid_entry2 *x = &c->entry[i];
        if (x->function == 1) { xsave = (x->ecx & 1u << 26) != 0; }
        if (x->function == 0xd && x->index == 0) { mask = x->eax | (uint64_t)x->edx << 32; }
    }
    mask &= XCR0_OFFERED;
    *out_xsave = xsave && (mask & 3) == 3;
    if (!*out_xsave) { return 0; }
    struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs = {{.xcr = 0, .value = mask}}};
    return KVM_CALL(v->fd, KVM_SET_XCRS, &xcrs, e);
}

/* Long mode on the build-time tables, descriptor tables as mkimage made them. */
static int enter(struct vcpu *v, const struct core_header *h, uint8_t dpl, uint64_t rip,
                 uint64_t rsp, struct err *e)
{
    struct kvm_sregs s;
    struct kvm_regs r = {.rip = rip, .rsp = rsp, .rflags = dpl ? 0x202 : 0x002, .rdi = LOS_HANDOFF};

    if (KVM_CALL(v->fd, KVM_GET_SREGS, &s, e) < 0) { return -e->code; }
    s.cs = flat(dpl ? SEL_UCS : SEL_KCS, dpl, SEGMENT_CODE, true);
    s.ss = s.ds = s.es = s.fs = s.gs = flat(dpl ? SEL_UDS : SEL_KDS, dpl, SEGMENT_DATA, false);
    s.gs.base = LOS_CPU + v->id * CPU_STRIDE;
    s.tr = (struct kvm_segment){.base = h->tss + v->id * 128,
                                .limit = h->tss_limit,
                                .present = 1,
                                .type = 11,
                                .selector = (uint16_t)(SEL_TSS + 16 * v->id)};
    s.gdt = (struct kvm_dtable){.base = h->gdt, .limit = (uint16_t)h->gdt_limit};
    s.idt = (struct kvm_dtable){.base = h->idt, .limit = (uint16_t)h->idt_limit};
    s.cr0 = CR0_RUN;
    s.cr3 = TABLES_GPA + T_ROOT * PAGE_SIZE;
    s.cr4 = CR4_RUN;
    s.efer = EFER_RUN;
    bool xsave;
    if (set_xcr0(v, &xsave, e) < 0) { return err_wrap(e, "vCPU %u", v->id); }
    if (xsave) { s.cr4 |= CR4_OSXSAVE; }
    if (KVM_CALL(v->fd, KVM_SET_SREGS, &s, e) < 0 || KVM_CALL(v->fd, KVM_SET_REGS, &r, e) < 0 ||
        set_msrs(v, h, e) < 0 || set_apic(v, e) < 0) {
        return err_wrap(e, "vCPU %u", v->id);
    }
    return 0;
}

int vcpu_ring3(struct vcpu *v, const struct core_header *h, struct err *e)
{
    return enter(v, h, 3, LOS_START, LOS_CPU + v->id * CPU_STRIDE + CPU_UPSTACK_TOP - 16, e);
}

int vcpu_parked(struct vcpu *v, const struct core_header *h, struct err *e)
{
    struct kvm_mp_state runnable = {.mp_state = KVM_MP_STATE_RUNNABLE};

    if (enter(v, h, 0, h->ward_park, WARD_CPU + v->id * CPU_STRIDE + CPU_PRIVATE_TOP, e) < 0) {
        return -e->code;
    }
    return KVM_CALL(v->fd, KVM_SET_MP_STATE, &runnable, e);
}

int vcpu_reset32(struct vcpu *v, struct err *e)
{
    struct kvm_sregs s;
    struct kvm_regs r = {.rip = HOLE_HI - 16, .rflags = 2};
    bool xsave;

    if (KVM_CALL(v->fd, KVM_GET_SREGS, &s, e) < 0) { return -e->code; }
    s.cs = flat(SEL_KCS, 0, SEGMENT_CODE, false);
    s.ss = s.ds = s.es = s.fs = s.gs = flat(SEL_KDS, 0, SEGMENT_DATA, false);
    s.cr0 = 0x11; /* ET PE */
    s.cr4 = 0;
    s.efer = 0;
    if (KVM_CALL(v->fd, KVM_SET_SREGS, &s, e) < 0 || KVM_CALL(v->fd, KVM_SET_REGS, &r, e) < 0 ||
        set_xcr0(v, &xsave, e) < 0) {
        return err_wrap(e, "vCPU %u: reset state", v->id);
    }
    return 0;
}

/* "rip 0x…, cr2 0x…": registers say where, never what the guest held. */
static void where(struct vcpu *v, char *out, size_t size)
{
    struct kvm_regs r;
    struct kvm_sregs s;

    if (ioctl(v->fd, KVM_GET_REGS, &r) < 0 || ioctl(v->fd, KVM_GET_SREGS, &s) < 0) {
        snprintf(out, size, "registers unreadable");
        return;
    }
    snprintf(out, size, "rip 0x%llx, rsp 0x%llx, ring %u, cr2 0x%llx, cr3 0x%llx", r.rip, r.rsp,
             s.cs.selector & 3u, s.cr2, s.cr3);
}

/*
 * Where a guest that stopped itself was last interrupted: its vframe page says so, where the monitor can read guest
 * memory (none, sim). Empty text otherwise.
 */
static void last_exception(struct vcpu *v, char *out, size_t size)
{
    struct kvm_translation t = {.linear_address = LOS_CPU + v->id * CPU_STRIDE + CPU_VFRAME};

    out[0] = '\0';
    const uint8_t *f = ioctl(v->fd, KVM_TRANSLATE, &t) == 0 && t.valid
                           ? mem_ram(&v->vm->mem, t.physical_address, PAGE_SIZE)
                           : NULL;
    if (f == NULL) { return; }
    uint64_t vector, error, rip, rsp, cr2;
    memcpy(&vector, f + VFRAME_VECTOR, 8);
    memcpy(&error, f + VFRAME_ERROR, 8);
    memcpy(&rip, f + VFRAME_RIP, 8);
    memcpy(&rsp, f + VFRAME_RSP, 8);
    memcpy(&cr2, f + VFRAME_CR2, 8);
    snprintf(out, size,
             "last exception %" PRIu64 " (error 0x%" PRIx64 ") at rip 0x%" PRIx64 ", rsp 0x%" PRIx64
             ", cr2 0x%" PRIx64,
             vector, error, rip, rsp, cr2);
}

/*
 * A doorbell that reached us as an exit: 25 us, served right here. An ioeventfd makes it 3 us, but one that was ever
 * registered makes closing the VM 15 ms slower, more than a short-lived container takes. So only a guest that rings
 * often gets one.
 */
static void doorbell(struct vm *vm)
{
    streams_service(vm->streams);
    if (atomic_fetch_add(&vm->doorbells, 1) + 1 == DOORBELLS_BY_EXIT) {
        struct kvm_ioeventfd bell = {
            .addr = DOORBELL_GPA, .len = 4, .fd = streams_doorbell_fd(vm->streams)};
        (void)ioctl(vm->fd, KVM_IOEVENTFD, &bell); /* without it the exits go on working */
    }
}

/* Returns false when this vCPU is to stop. */
static bool port_out(struct vcpu *v, struct err *e)
{
    const struct kvm_run *run = v->run;
    uint32_t value;

    if (run->io.direction != KVM_EXIT_IO_OUT || run->io.size != 4 || run->io.count != 1) {
        err_note(e, EPROTO, "guest used port 0x%x (%s, %u bytes)", run->io.port,
                 run->io.direction == KVM_EXIT_IO_OUT ? "out" : "in", run->io.size);
        return false;
    }
    memcpy(&value, (const uint8_t *)run + run->io.data_offset, sizeof value);
    switch (run->io.port) {
    case PORT_POWER: vm_end(v->vm, value & 0xff); return false;
    case PORT_PANIC: {
        char at[160] = "";
        if (value >= PANIC_WARD_EXCEPTION) { last_exception(v, at, sizeof at); }
        err_note(e, EBADE, "guest stopped itself: %s (panic %u)%s%s", panic_words(value), value,
                 at[0] ? "; " : "", at);
        return false;
    }
    default:
        if (v->vm->tee->port == NULL ||
            v->vm->tee->port(v->vm, run->io.port, value, e) == -ENOTTY) {
            err_note(e, EPROTO, "guest wrote 0x%x to unknown port 0x%x", value, run->io.port);
        }
        return e->code == 0;
    }
}

static bool handle_exit(struct vcpu *v, struct err *e)
{
    const struct kvm_run *run = v->run;
    char at[160];

    switch (run->exit_reason) {
    case KVM_EXIT_IO: return port_out(v, e);
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN: return true;
    case KVM_EXIT_MMIO:
        if (run->mmio.phys_addr == DOORBELL_GPA && run->mmio.is_write) {
            doorbell(v->vm);
            return true;
        }
        err_note(e, EPROTO, "guest touched 0x%llx, where nothing is", run->mmio.phys_addr);
        break;
    case KVM_EXIT_SHUTDOWN: err_note(e, EBADE, "triple fault"); break;
    case KVM_EXIT_INTERNAL_ERROR:
        err_note(e, EIO, "KVM could not go on (internal error, suberror %u)",
                 run->internal.suberror);
        break;
    case KVM_EXIT_FAIL_ENTRY:
        err_note(e, EIO, "KVM could not enter the guest (hardware reason 0x%llx)",
                 run->fail_entry.hardware_entry_failure_reason);
        break;
    default: err_note(e, EIO, "unexpected exit %u", run->exit_reason); break;
    }
    where(v, at, sizeof at);
    err_prefix(e, "vCPU %u at %s", v->id, at);
    return false;
}

void vcpu_run(struct vcpu *v)
{
    struct vm *vm = v->vm;
    struct err e = {0};

    while (!atomic_load(&vm->stop)) {
        if (ioctl(v->fd, KVM_RUN, 0) < 0) {
            if (errno == EINTR || errno == EAGAIN) { continue; }
            err_note(&e, errno, "vCPU %u: KVM_RUN: %s", v->id, strerror(errno));
            break;
        }
        if (!handle_exit(v, &e)) { break; }
    }
    if (e.code != 0) { vm_fail(vm, &e); }
}
