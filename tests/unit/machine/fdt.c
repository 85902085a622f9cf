/* SPDX-License-Identifier: Apache-2.0 */
/* The machine description is host input: a wrong one is refused, whatever is wrong with it. */
#include "guest/machine.h"

#include <criterion/criterion.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

static uint8_t tree[4096];
static uint64_t keep;

static size_t make(unsigned cpus, uint64_t khz, bool clock)
{
    memset(tree, 0, sizeof tree);
    cr_assert_eq(fdt_create(tree, sizeof tree), 0);
    fdt_finish_reservemap(tree);
    fdt_begin_node(tree, "");
    fdt_begin_node(tree, "cpus");
    fdt_property_u64(tree, "keep-syscalls", keep);
    for (unsigned i = 0; i < cpus; i++) {
        char name[16];
        snprintf(name, sizeof name, "cpu@%u", i);
        fdt_begin_node(tree, name);
        fdt_end_node(tree);
    }
    fdt_end_node(tree);
    if (clock) {
        fdt_begin_node(tree, "clock");
        fdt_property_u64(tree, "tsc-khz", khz);
        fdt_property_u64(tree, "wall-ns", 1234567890123456789u);
        fdt_end_node(tree);
    }
    fdt_end_node(tree);
    cr_assert_eq(fdt_finish(tree), 0);
    return fdt_totalsize(tree);
}

Test(machine, reads_vcpus_and_clock)
{
    struct machine m = {0};
    size_t size = make(3, 2445406, true);
    cr_assert_eq(machine_parse(tree, size, &m), 0);
    cr_expect_eq(m.cpus, 3);
    cr_expect_eq(m.tsc_hz, 2445406000);
    cr_expect_not(m.keep_syscalls);
    cr_expect_eq(m.wall_ns, 1234567890123456789u);
    keep = 1;
    cr_assert_eq(machine_parse(tree, make(1, 0, true), &m), 0);
    cr_expect(m.keep_syscalls);
}

Test(machine, refuses_numbers_outside_their_range)
{
    struct machine m = {.cpus = 99};
    cr_expect_eq(machine_parse(tree, make(0, 2000000, true), &m), -EBADMSG);
    cr_expect_eq(machine_parse(tree, make(17, 2000000, true), &m), -EBADMSG);
    cr_expect_eq(machine_parse(tree, make(1, 1, true), &m), -EBADMSG);
    cr_expect_eq(machine_parse(tree, make(1, UINT64_MAX, true), &m), -EBADMSG);
    cr_expect_eq(machine_parse(tree, make(1, 2000000, false), &m), -EBADMSG);
    keep = 2;
    cr_expect_eq(machine_parse(tree, make(1, 2000000, true), &m), -EBADMSG);
    cr_expect_eq(m.cpus, 99, "untouched on failure");
}

Test(machine, refuses_every_truncation)
{
    struct machine m;
    size_t size = make(2, 2000000, true);
    for (size_t n = 0; n < size; n++) {
        cr_assert_eq(machine_parse(tree, n, &m), -EBADMSG, "%zu bytes", n);
    }
}

Test(machine, survives_every_flipped_bit, .timeout = 20)
{
    struct machine m;
    size_t size = make(2, 2000000, true), accepted = 0;
    for (size_t bit = 0; bit < size * 8; bit++) {
        tree[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (machine_parse(tree, size, &m) == 0) {
            accepted++;
            cr_assert(m.cpus >= 1 && m.cpus <= 16 && m.tsc_hz <= 20000000000);
        }
        tree[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    cr_assert_lt(accepted, size * 8, "some flips must be noticed");
}
