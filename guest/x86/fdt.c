/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine description at start: one copy out of the window, then parsed. libfdt comes as a package built with stack
 * protectors, which read a canary at fs:0x28; no application runs yet, so FS base points to one for that long.
 */
#include "guest/machine.h"

#include "guest/task/arch.h"
#include "guest/ward.h"
#include "guest/x86/cpu.h"

void __stack_chk_fail(void);
void __stack_chk_fail(void) { panic("device tree: stack overwritten"); }

struct machine machine;

void machine_setup(void)
{
    static uint64_t canary_block[6];
    size_t size = handoff->fdt_size;

    if (size > MACHINE_FDT_MAX) { panic("device tree: too large"); }
    void *copy = mem_alloc(size);
    if (copy == NULL) { panic("device tree: no memory"); }
    memcpy(copy, (const void *)(LOS_WINDOW + handoff->fdt_off),
           size); /* private copy: the host can no longer change it */
    arch_fs_set((uint64_t)canary_block);
    int r = machine_parse(copy, size, &machine);
    arch_fs_set(0);
    mem_free(copy);
    if (r != 0) { panic("device tree: not understood"); }
    clock_setup(machine.tsc_hz != 0 ? machine.tsc_hz : 2000000000, machine.wall_ns);
}
