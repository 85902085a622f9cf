/* SPDX-License-Identifier: Apache-2.0 */
/* `--tee none`: no TEE. The host is trusted, so the monitor places the image and starts vCPU 0 in ring 3. */
#include "vmm/vm.h"

static int none_launch(struct vm *vm, struct err *e)
{
    if (place_core(vm, e) < 0 || vcpu_ring3(&vm->vcpu[0], &vm->core, e) < 0) { return -e->code; }
    for (unsigned i = 1; i < vm->cpus; i++) {
        if (vcpu_parked(&vm->vcpu[i], &vm->core, e) < 0) { return -e->code; }
    }
    vm_cpus_ready(vm);
    return 0;
}

const struct tee_ops tee_none = {.name = "none", .launch = none_launch};
