/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `--tee sim`: a software TEE. It follows SNP's launch order over the same plan: pages are put in place and measured, the
 * vCPU starts at the reset vector, the stub does the rest. Reports are signed by a key of this machine; nothing about it
 * protects from the host, and everything about it can be tested without a TEE.
 */
#include "firmware/abi/sim.h"
#include "vmm/vm.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define CORE_OFF (STREAMS_DATA + 0x10000) /* behind the device tree */

static int firmware_make(struct vm *vm, struct err *e)
{
    void *p = mmap(NULL, FW_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) { return err_set(e, errno, "firmware memory: %s", strerror(errno)); }
    vm->firmware = p;
    return mem_slot(&vm->mem, vm->fd, FW_GPA, p, FW_SIZE, false, e);
}

static void params_write(struct vm *vm)
{
    struct stub_params p = place_params(vm);
    p.core_off = CORE_OFF;
    p.tee = TEE_SIM;
    memcpy((uint8_t *)vm->firmware + (STUB_PARAMS_GPA - FW_GPA), &p, sizeof p);
}

static int sim_launch(struct vm *vm, struct err *e)
{
    const struct vmm_launch *l = vm->l;
    struct plan plan;

    if (l->sim.measure == NULL || l->sim.report == NULL) {
        return err_set(e, EINVAL, "sim: no signer");
    }
    if (core_check(vm, e) < 0 || firmware_make(vm, e) < 0 ||
        plan_make(&plan, l->stub.p, l->stub.len, l->launch_page.p, l->launch_page.len,
                  l->guarded ? LAUNCH_GUARDED : 0, e) < 0) {
        return -e->code;
    }
    for (size_t i = 0; i < plan.count; i++) {
        const struct plan_page *pg = &plan.page[i];
        if (pg->kind == PLAN_NORMAL) {
            memcpy((uint8_t *)vm->firmware + (pg->gpa - FW_GPA), pg->bytes, PAGE_SIZE);
        }
    }
    int r = l->sim.measure(l->sim.arg, &plan, vm->result->measurement);
    if (r < 0) { return err_set(e, -r, "sim: launch digest: %s", strerror(-r)); }

    if (l->core.len > STUB_WINDOW_MAX - CORE_OFF) {
        return err_set(e, EFBIG, "guest image: %zu bytes, at most %u", l->core.len,
                       (unsigned)(STUB_WINDOW_MAX - CORE_OFF));
    }
    memcpy(vm->mem.window.host + CORE_OFF, l->core.p, l->core.len);
    params_write(vm);
    return vcpu_reset32(&vm->vcpu[0], e);
}

/* The request lies in the ward's memory; the address came from ring 0 of the guest and is checked like everything else. */
static int sim_report(struct vm *vm, uint32_t gpa, struct err *e)
{
    struct sim_request *q = gpa % PAGE_SIZE == 0 ? mem_ram(&vm->mem, gpa, sizeof *q) : NULL;
    struct sim_request copy;

    if (q == NULL) { return err_set(e, EPROTO, "sim: request at 0x%x is not in RAM", gpa); }
    memcpy(&copy, q, sizeof copy);
    if (copy.magic != SIM_REQUEST_MAGIC) {
        return err_set(e, EPROTO, "sim: request at 0x%x has no magic", gpa);
    }
    copy.result = vm->l->sim.report(vm->l->sim.arg, copy.report_data, vm->result->measurement,
                                    vm->l->host_data, copy.report);
    memcpy(q->report, copy.report, sizeof copy.report);
    q->result = copy.result;
    return 0;
}

static int sim_port(struct vm *vm, uint16_t port, uint32_t value, struct err *e)
{
    switch (port) {
    case PORT_SIM: return sim_report(vm, value, e);
    case PORT_CPUS:
        for (unsigned i = 1; i < vm->cpus; i++) {
            if (vcpu_parked(&vm->vcpu[i], &vm->core, e) < 0) { return -e->code; }
        }
        vm_cpus_ready(vm);
        return 0;
    default: return -ENOTTY;
    }
}

const struct tee_ops tee_sim = {.name = "sim", .launch = sim_launch, .port = sim_port};
