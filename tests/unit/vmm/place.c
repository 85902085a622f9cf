/* SPDX-License-Identifier: Apache-2.0 */
/* A guest image whose header does not fit is refused before a byte of it is placed; memory is split as documented. */
#include "vmm/vm.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static uint8_t image[64 * 4096];
static struct core_header *h = (struct core_header *)image;
static struct vmm_launch launch;
static struct vm vm;

static void setup(void)
{
    uint64_t load = 0x420000 - sizeof image;
    memset(image, 0, sizeof image);
    *h = (struct core_header){.magic = CORE_MAGIC,
                              .version = CORE_VERSION,
                              .size = sizeof image,
                              .zero_gpa = load - 0x80000,
                              .zero_size = 0x80000,
                              .handoff_gpa = load - 0x1000,
                              .cpu_gpa = load - 0x40000,
                              .ward_gpa = load + 0x8000,
                              .ward_state_gpa = load + 0x8000};
    launch = (struct vmm_launch){.core = {image, sizeof image}};
    vm = (struct vm){.l = &launch};
}

static int check(void)
{
    struct err e = {0};
    int r = core_check(&vm, &e);
    cr_assert_eq(r == 0, e.text[0] == '\0', "an error has a text");
    return r;
}

TestSuite(place, .init = setup);

Test(place, takes_a_header_that_fits) { cr_assert_eq(check(), 0); }

Test(place, refuses_another_magic_version_or_size)
{
    h->magic++;
    cr_expect_eq(check(), -EBADMSG);
    setup();
    h->version++;
    cr_expect_eq(check(), -EBADMSG);
    setup();
    h->size += 4096;
    cr_expect_eq(check(), -EBADMSG);
    setup();
    launch.core.len = 8;
    cr_expect_eq(check(), -EBADMSG);
}

Test(place, refuses_addresses_that_do_not_fit)
{
    uint64_t *fields[] = {&h->zero_gpa, &h->zero_size, &h->handoff_gpa, &h->cpu_gpa,
                          &h->ward_state_gpa};
    static const uint64_t values[] = {UINT64_MAX, 1ull << 63, 0x420000, UINT64_MAX - 4095};

    for (size_t f = 0; f < ARRAY_COUNT(fields); f++) {
        for (size_t v = 0; v < ARRAY_COUNT(values); v++) {
            setup();
            *fields[f] = values[v];
            cr_expect_eq(check(), -EBADMSG, "field %zu value 0x%lx", f, values[v]);
        }
    }
}

Test(place, ram_is_reached_only_inside_one_range)
{
    static uint8_t low[8192], high[8192];
    struct mem m = {.ram = {{0, sizeof low, low}, {0x100000000, sizeof high, high}}};
    cr_expect_eq(mem_ram(&m, 0, 8192), low);
    cr_expect_eq(mem_ram(&m, 4096, 4097), NULL);
    cr_expect_eq(mem_ram(&m, 8192, 1), NULL);
    cr_expect_eq(mem_ram(&m, 0x100000000, 1), high);
    cr_expect_eq(mem_ram(&m, 0xffffffff, 2), NULL);
    cr_expect_eq(mem_ram(&m, UINT64_MAX, 2), NULL);
    cr_expect_eq(mem_ram(&m, 1, UINT64_MAX), NULL);
}
