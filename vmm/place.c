/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places a core image directly, for `--tee none`, where the host is trusted by definition: what stub and processor do in
 * a TEE is a copy and a few stores here. The contract is in firmware/abi/image.h.
 */
#include "firmware/abi/place.h"
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

struct stub_params place_params(const struct vm *vm)
{
    const struct mem *m = &vm->mem;
    return (struct stub_params){.ram_size = {m->ram[0].size, m->ram[1].size},
                                .tables_size = m->tables_size,
                                .window_gpa = m->window.gpa,
                                .window_size = m->window.size,
                                .fdt_off = vm->fdt_off,
                                .fdt_size = vm->fdt_size,
                                .cpus = vm->cpus,
                                .tee = TEE_NONE};
}

int place_core(struct vm *vm, struct err *e)
{
    if (core_check(vm, e) < 0) { return -e->code; }
    const struct core_header h = vm->core;
    uint8_t *ram = vm->mem.ram[0].host;
    memcpy(ram + (CORE_END - h.size), vm->l->core.p, h.size);

    struct stub_params p = place_params(vm);
    struct launch_part agent = {.size = vm->l->agent.len};
    if (vm->l->launch_page.len == sizeof(struct launch_page)) {
        const struct launch_page *page = vm->l->launch_page.p;
        memcpy(agent.sha256, page->agent.sha256, sizeof agent.sha256);
    }
    place_words((uint64_t)(uintptr_t)ram, &p, vm->l->guarded ? LAUNCH_GUARDED : 0, &agent, &h);
    return 0;
}
