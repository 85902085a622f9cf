/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of start. vCPU 0 arrives here on its boot stack, with `deferred` set, from the ward (or, under `none`, from
 * the monitor), and ends as the idle thread.
 */
#include "guest/first.h"
#include "guest/fs/fs.h"
#include "guest/machine.h"
#include "guest/mm/frames.h"
#include "guest/mm/tables.h"
#include "guest/streams.h"
#include "guest/sys/private.h"
#include "guest/task/sched.h"
#include "guest/ward.h"
#include "guest/x86/cpu.h"
#include "guest/x86/patch.h"

const struct handoff *handoff;

/* The numbers began life at the host. The writer has checked them; so do we, before the first is used. */
static void handoff_check(const struct handoff *h)
{
    bool ok = h->magic == HANDOFF_MAGIC && h->version == HANDOFF_VERSION && h->tee <= TEE_TDX &&
              h->ram[0].gpa == 0 && h->ram[0].size >= RAM_MIN && h->ram[0].size <= HOLE_LO &&
              h->ram[0].size % CHUNK_SIZE == 0 && h->ram[1].size % CHUNK_SIZE == 0 &&
              (h->ram[1].size == 0 || h->ram[1].gpa == HOLE_HI) &&
              range_fits(TABLES_GPA, h->heap_gpa, h->heap_size) && h->heap_gpa % PAGE_SIZE == 0 &&
              h->heap_size % PAGE_SIZE == 0 && h->tables_gpa == TABLES_GPA &&
              range_fits(h->ram[0].size, h->tables_gpa, h->tables_size) &&
              h->tables_size >= CORE_TABLES * PAGE_SIZE && h->tables_size <= TABLES_MAX &&
              h->window_gpa % CHUNK_SIZE == 0 && h->window_gpa >= h->ram[1].gpa + h->ram[1].size &&
              h->window_gpa >= HOLE_HI && range_fits(h->window_size, h->fdt_off, h->fdt_size);
    if (!ok) { panic_code(PANIC_LOS_HANDOFF); }
}

void los_main(const void *handoff_page)
{
    handoff = handoff_page;
    ward_probe();
    handoff_check(handoff);
    frames_init();
    tables_init();
    window_map();
    machine_setup();
    xstate_setup();
    patch_setup(!machine.keep_syscalls);
    sched_cpu_init(0);
    big_lock();
    if (streams_init((void *)LOS_WINDOW, handoff->window_size) != 0) { panic("streams device"); }
    streams_events.signal = host_signal;
    device_poll = streams_poll;
    device_spin = streams_spin;
    if (fs_init() != 0) { panic("file systems"); }
    vdso_setup();
    first_process();
    arch_start_secondaries(machine.cpus);
    sched_idle(NULL);
    panic("idle ended");
}
