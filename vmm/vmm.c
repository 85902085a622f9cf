/* SPDX-License-Identifier: Apache-2.0 */
/* One guest, from nothing to gone. vmm_run() is the order of start. */
#include "vmm/vmm.h"

#include "vmm/sandbox.h"
#include "vmm/vm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

_Static_assert(VMM_CPUS_MAX == CPU_MAX, "as many vCPUs as the guest has room for");

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- what the streams device asks of the machine ------------------------------------------------------------------------ */

static void inject(void *arg)
{
    struct vm *vm = arg;
    struct kvm_msi msi = {.address_lo = (uint32_t)APIC_GPA & 0xfff00000, .data = VEC_DEVICE};
    (void)ioctl(vm->fd, KVM_SIGNAL_MSI, &msi); /* nothing to do when a stopped guest refuses it */
}

static void guest_log(void *arg, const char *line)
{
    struct vm *vm = arg;
    if (vm->l->log) { vm->l->log(vm->l->log_arg, line); }
}

static void device_broken(void *arg, const char *why)
{
    struct err e = {0};
    err_note(&e, EPROTO, "guest broke the rules of the streams device: %s", why);
    vm_fail(arg, &e);
}

static void guest_phase(void *arg, unsigned phase)
{
    struct vm *vm = arg;
    if (phase < VMM_PHASE_EXIT - VMM_PHASE_GUEST) {
        vm->result->phase_ns[VMM_PHASE_GUEST + phase] = now_ns();
    }
}

static int streams_make(struct vm *vm, struct err *e)
{
    struct streams_config c = vm->l->streams;

    c.window = vm->mem.window.host;
    c.window_size = vm->mem.window.size;
    c.item[STREAM_ITEM_AGENT] =
        (struct streams_item){.bytes = vm->l->agent.p, .size = vm->l->agent.len};
    c.names = vm->l->names ? &vm->names : NULL;
    c.arg = vm;
    c.irq = inject;
    c.log = guest_log;
    c.broken = device_broken;
    c.phase = guest_phase;
    return streams_new(&vm->streams, &c, e);
}

/* ---- the order of start --------------------------------------------------------------------------------------------------- */

static int machine_make(struct vm *vm, struct err *e)
{
    struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {24}};

    if (kvm_open(&vm->kvm, e) < 0) { return -e->code; }
    vm->fd = KVM_CALL(vm->kvm, KVM_CREATE_VM, NULL, e);
    if (vm->fd < 0 || KVM_CALL(vm->fd, KVM_ENABLE_CAP, &split, e) < 0 ||
        mem_init(&vm->mem, vm->fd, vm->l->memory, e) < 0) {
        return -e->code;
    }
    /* Shadow paging keeps one shadow page per table page; the default of 2 % makes many processes slow. */
    uint64_t pages = (vm->mem.ram[0].size + vm->mem.ram[1].size) / PAGE_SIZE / 8;
    (void)ioctl(vm->fd, KVM_SET_NR_MMU_PAGES,
                pages > 8192 ? pages : 8192); /* a hint on other kinds */
    if (kvm_cpuid(vm->kvm, &vm->cpuid, e) < 0) { return -e->code; }
    for (unsigned i = 0; i < vm->cpus; i++) {
        if (vcpu_init(&vm->vcpu[i], vm, i, e) < 0) { return -e->code; }
    }
    return 0;
}

static void *vcpu_thread(void *arg)
{
    struct vcpu *v = arg;
    vm_wait_ready(v->vm);
    vcpu_run(v);
    return NULL;
}

/* Threads are made before the sandbox is closed, and run the guest after. */
static int threads_make(struct vm *vm, struct err *e)
{
    for (unsigned i = 1; i < vm->cpus; i++) {
        int r = pthread_create(&vm->vcpu[i].thread, NULL, vcpu_thread, &vm->vcpu[i]);
        if (r != 0) {
            vm->vcpu[i].thread = pthread_self();
            return err_set(e, r, "thread of vCPU %u: %s", i, strerror(r));
        }
        vm->vcpu[i].threaded = true;
    }
    return 0;
}

/* vCPU 0 runs here, the others in threads of their own. */
static void run_all(struct vm *vm)
{
    const struct sandbox box = {.network = vm->l->streams.sockets_max > 0, .helper = vm->names.pid};
    struct err e = {0};

    if (threads_make(vm, &e) < 0 || sandbox_enter(&box, &e) < 0) {
        vm_fail(vm, &e);
    } else {
        vm->result->phase_ns[VMM_PHASE_RUN] = now_ns();
        vm_sandboxed(vm);
    }
    vcpu_run(&vm->vcpu[0]);
    for (unsigned i = 1; i < vm->cpus; i++) {
        if (vm->vcpu[i].threaded) { (void)pthread_join(vm->vcpu[i].thread, NULL); }
    }
}

static void machine_free(struct vm *vm)
{
    streams_free(vm->streams);
    names_stop(&vm->names);
    for (unsigned i = 0; i < vm->cpus; i++) { vcpu_fini(&vm->vcpu[i]); }
    if (vm->fd >= 0) { (void)close(vm->fd); }
    if (vm->kvm >= 0) { (void)close(vm->kvm); }
    mem_fini(&vm->mem);
    if (vm->firmware) { (void)munmap(vm->firmware, FW_SIZE); }
    pthread_cond_destroy(&vm->wake);
    pthread_mutex_destroy(&vm->lock);
}

static int tee_select(const struct vmm_launch *l, const struct tee_ops **out, struct err *e)
{
    switch (l->tee) {
    case VMM_TEE_NONE: *out = &tee_none; return 0;
    case VMM_TEE_SIM: *out = &tee_sim; return 0;
    case VMM_TEE_SNP: return err_set(e, EOPNOTSUPP, "--tee snp: not supported by this version");
    case VMM_TEE_TDX: return err_set(e, EOPNOTSUPP, "--tee tdx: not supported by this version");
    default: return err_set(e, EINVAL, "unknown TEE %d", (int)l->tee);
    }
}

int vmm_run(const struct vmm_launch *l, struct vmm_result *out, struct err *e)
{
    struct vm vm = {.l = l,
                    .result = out,
                    .kvm = -1,
                    .fd = -1,
                    .cpus = l->cpus,
                    .error = e,
                    .names = {.fd = -1}};

    *out = (struct vmm_result){.phase_ns[VMM_PHASE_START] = now_ns()};
    if (l->cpus < 1 || l->cpus > VMM_CPUS_MAX) {
        return err_set(e, EINVAL, "%u vCPUs: wanted 1 to %u", l->cpus, VMM_CPUS_MAX);
    }
    if (tee_select(l, &vm.tee, e) < 0) { return -e->code; }
    for (unsigned i = 0; i < CPU_MAX; i++) {
        vm.vcpu[i].fd = -1;
        vm.vcpu[i].thread =
            pthread_self(); /* until it has one: the streams' thread may fail first */
    }
    pthread_mutex_init(&vm.lock, NULL);
    pthread_cond_init(&vm.wake, NULL);
    vm_stop_init();

    int r = l->names ? names_start(&vm.names, e) : 0;
    if (r == 0) { r = machine_make(&vm, e); }
    if (r == 0) { out->phase_ns[VMM_PHASE_MACHINE] = now_ns(); }
    if (r < 0 || fdt_write(&vm, e) < 0 || streams_make(&vm, e) < 0 || vm.tee->launch(&vm, e) < 0 ||
        streams_start(vm.streams, e) < 0) {
        machine_free(&vm);
        return err_wrap(e, "start guest");
    }
    out->phase_ns[VMM_PHASE_PLACED] = now_ns();
    if (l->running) { l->running(l->running_arg, vm.streams); }

    run_all(&vm);

    out->phase_ns[VMM_PHASE_EXIT] = now_ns();
    /* From here on nobody takes signals: they end this process, however slow a reader it has. */
    if (l->running) { l->running(l->running_arg, NULL); }
    streams_finish(vm.streams, STREAMS_NO_TIMEOUT);
    out->exit = streams_exit(vm.streams);
    machine_free(&vm);
    out->phase_ns[VMM_PHASE_END] = now_ns();
    return out->exited ? 0 : -e->code;
}
