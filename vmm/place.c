/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places a core image directly, for `--tee none`, where the host is trusted by definition: what stub and processor do in
 * a TEE is a copy and a few stores here. The contract is in firmware/abi/image.h.
 */
#include "guest/base/ovf.h"
#include "vmm/vm.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

int core_check(struct vm *vm, struct err *e)
{
    const struct vmm_bytes *core = &vm->l->core;
    struct core_header *out = &vm->core;

    if (core->len < sizeof *out) {
        return err_set(e, EBADMSG, "guest image: %zu bytes are too few", core->len);
    }
    memcpy(out, core->p, sizeof *out);
    if (out->magic != CORE_MAGIC || out->version != CORE_VERSION) {
        return err_set(e, EBADMSG, "guest image: not a core image of version %d", CORE_VERSION);
    }
    if (out->size != core->len || out->size % PAGE_SIZE != 0 || out->size > CORE_END) {
        return err_set(e, EBADMSG, "guest image: header says %" PRIu64 " bytes, file has %zu",
                       out->size, core->len);
    }
    uint64_t load = CORE_END - out->size;
    if (!range_fits(load, out->zero_gpa, out->zero_size) ||
        out->zero_gpa + out->zero_size != load ||
        !range_fits(out->zero_gpa + out->zero_size, out->handoff_gpa, PAGE_SIZE) ||
        !range_fits(out->zero_gpa + out->zero_size, out->cpu_gpa,
                    CPU_MAX * CORE_CPU_PAGES * PAGE_SIZE) ||
        !range_fits(CORE_END, out->ward_state_gpa, sizeof(struct ward_state))) {
        return err_set(e, EBADMSG, "guest image: addresses in the header do not fit");
    }
    return 0;
}

static struct handoff make_handoff(const struct vm *vm)
{
    const struct mem *m = &vm->mem;
    struct handoff h = {.magic = HANDOFF_MAGIC,
                        .version = HANDOFF_VERSION,
                        .flags = vm->l->guarded ? HANDOFF_GUARDED : 0,
                        .heap_size = vm->core.zero_gpa,
                        .tables_gpa = TABLES_GPA,
                        .tables_size = m->tables_size,
                        .window_gpa = m->window.gpa,
                        .window_size = m->window.size,
                        .init_gpa = vm->core.init_gpa,
                        .init_size = vm->core.init_size,
                        .fdt_off = vm->fdt_off,
                        .fdt_size = vm->fdt_size,
                        .agent_size = vm->l->agent.len};

    for (size_t i = 0; i < MEM_RAM_MAX; i++) {
        h.ram[i].gpa = m->ram[i].size ? m->ram[i].gpa : 0;
        h.ram[i].size = m->ram[i].size;
    }
    if (vm->l->launch_page.len == sizeof(struct launch_page)) {
        const struct launch_page *page = vm->l->launch_page.p;
        memcpy(h.agent_sha256, page->agent.sha256, sizeof h.agent_sha256);
    }
    return h;
}

int place_core(struct vm *vm, struct err *e)
{
    const struct mem *m = &vm->mem;

    if (core_check(vm, e) < 0) { return -e->code; }
    const struct core_header h = vm->core;
    uint8_t *ram = m->ram[0].host;
    memcpy(ram + (CORE_END - h.size), vm->l->core.p, h.size);

    struct handoff handoff = make_handoff(vm);
    memcpy(ram + h.handoff_gpa, &handoff, sizeof handoff);

    struct ward_state state = {
        .ram_end = {m->ram[0].size, m->ram[1].size ? HOLE_HI + m->ram[1].size : 0},
        .window_lo = m->window.gpa,
        .window_hi = m->window.gpa + m->window.size,
        .tables_size = m->tables_size,
        .ward_gpa = h.ward_gpa,
        .guarded = vm->l->guarded,
        .tee = TEE_NONE,
        .cpus = vm->cpus};
    memcpy(ram + h.ward_state_gpa, &state, sizeof state);

    for (unsigned cpu = 0; cpu < vm->cpus; cpu++) {
        uint8_t *pages = ram + h.cpu_gpa + cpu * CORE_CPU_PAGES * PAGE_SIZE;
        uint64_t vpage = LOS_CPU + cpu * CPU_STRIDE;
        memcpy(pages, &vpage, sizeof vpage);
        memcpy(pages + CORE_CPU_PAGES * PAGE_SIZE - 16, &vpage, sizeof vpage);
    }
    if (!vm->l->guarded) {
        uint64_t *link = (uint64_t *)(ram + TABLES_GPA + T_TABLES_L3 * PAGE_SIZE);
        *link |= 2; /* PTE_W: ring 3 writes tables itself */
    }
    return 0;
}
