/* SPDX-License-Identifier: Apache-2.0 */
/* The machine description, read by libfdt from a private copy. */
#include "guest/machine.h"

#include "firmware/abi/layout.h"

#include <libfdt.h>

#define TSC_HZ_MIN 100000000ull
#define TSC_HZ_MAX 20000000000ull

static bool number(const void *fdt, int node, const char *name, uint64_t *out)
{
    int len = 0;
    const uint8_t *p = fdt_getprop(fdt, node, name, &len);

    if (p == NULL || len != 8) { return false; }
    *out = 0;
    for (int i = 0; i < 8; i++) { *out = *out << 8 | p[i]; }
    return true;
}

int machine_parse(const void *fdt, size_t size, struct machine *out)
{
    struct machine m = {0};
    uint64_t khz, keep;

    if (size > MACHINE_FDT_MAX || fdt_check_full(fdt, size) != 0) { return -EBADMSG; }
    int cpus = fdt_path_offset(fdt, "/cpus"), clock = fdt_path_offset(fdt, "/clock");
    if (cpus < 0 || clock < 0) { return -EBADMSG; }
    for (int n = fdt_first_subnode(fdt, cpus); n >= 0; n = fdt_next_subnode(fdt, n)) {
        if (++m.cpus > CPU_MAX) { return -EBADMSG; }
    }
    if (!number(fdt, cpus, "keep-syscalls", &keep) || keep > 1) { return -EBADMSG; }
    m.keep_syscalls = keep != 0;
    if (m.cpus == 0 || !number(fdt, clock, "tsc-khz", &khz) ||
        !number(fdt, clock, "wall-ns", &m.wall_ns)) {
        return -EBADMSG;
    }
    if (khz != 0 && (khz < TSC_HZ_MIN / 1000 || khz > TSC_HZ_MAX / 1000)) { return -EBADMSG; }
    m.tsc_hz = khz * 1000;
    *out = m;
    return 0;
}
