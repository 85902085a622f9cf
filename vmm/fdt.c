/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine description: a flattened device tree in the window, read by the library OS in ring 3. A closed list of
 * numbers; nothing in it can change a security property, and there is no command line.
 *
 *   /cpus { keep-syscalls }        1: call sites of the application are left as they are, for debugging
 *   /cpus/cpu@N                    one node per vCPU
 *   /clock { tsc-khz; wall-ns }    rate of the TSC (0: measure it), time of day at start
 */
#include "vmm/vm.h"

#include <errno.h>
#include <libfdt.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define FDT_MAX 16384

static int clock_node(struct vm *vm, void *fdt)
{
    struct timespec t;
    int khz = ioctl(vm->vcpu[0].fd, KVM_GET_TSC_KHZ, 0);

    clock_gettime(CLOCK_REALTIME, &t);

    return fdt_begin_node(fdt, "clock") ||
           fdt_property_u64(fdt, "tsc-khz", khz > 0 ? (uint64_t)khz : 0) ||
           fdt_property_u64(fdt, "wall-ns",
                            (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec) ||
           fdt_end_node(fdt);
}

static int cpu_nodes(struct vm *vm, void *fdt)
{
    if (fdt_begin_node(fdt, "cpus") ||
        fdt_property_u64(fdt, "keep-syscalls", vm->l->keep_syscalls)) {
        return -1;
    }
    for (unsigned i = 0; i < vm->cpus; i++) {
        char name[16];
        snprintf(name, sizeof name, "cpu@%u", i);
        if (fdt_begin_node(fdt, name) || fdt_property_u32(fdt, "reg", i) || fdt_end_node(fdt)) {
            return -1;
        }
    }
    return fdt_end_node(fdt);
}

int fdt_write(struct vm *vm, struct err *e)
{
    uint8_t *at = vm->mem.window.host + STREAMS_DATA;

    if (fdt_create(at, FDT_MAX) || fdt_finish_reservemap(at) || fdt_begin_node(at, "") ||
        cpu_nodes(vm, at) || clock_node(vm, at) || fdt_end_node(at) || fdt_finish(at)) {
        return err_set(e, ENOSPC, "device tree does not fit into %d bytes", FDT_MAX);
    }
    vm->fdt_off = STREAMS_DATA;
    vm->fdt_size = fdt_totalsize(at);
    return 0;
}
