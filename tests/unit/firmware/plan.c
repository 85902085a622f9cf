/* SPDX-License-Identifier: Apache-2.0 */
/* The launch plan: order, addresses, and what may change a digest. */
#include "firmware/plan.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static uint8_t stub[STUB_SIZE];
static struct launch_page launch;
static struct plan plan;
static struct err e;

static void setup(void)
{
    for (size_t i = 0; i < sizeof stub; i++) { stub[i] = (uint8_t)(i * 7); }
    plan_launch_page(&launch, "abc", 3, "", 0);
    e = (struct err){0};
}

TestSuite(plan, .init = setup);

Test(plan, pages_come_in_address_order_and_the_vmsa_last)
{
    cr_assert_eq(plan_make(&plan, stub, sizeof stub, &launch, sizeof launch, 0, &e), 0);
    cr_assert_eq(plan.count, 7);
    cr_expect_eq(plan.page[0].gpa, 0xffffa000);
    for (size_t i = 1; i < 6; i++) {
        cr_expect_eq(plan.page[i].kind, PLAN_NORMAL);
        cr_expect_eq(plan.page[i].gpa, 0xffffa000 + i * 0x1000);
        cr_expect_eq(plan.page[i].bytes, stub + (i - 1) * 0x1000);
    }
    cr_expect_eq(plan.page[6].kind, PLAN_VMSA);
}

Test(plan, names_the_parts_by_sha256)
{
    static const uint8_t abc[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                    0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                    0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    cr_assert_eq(plan_make(&plan, stub, sizeof stub, &launch, sizeof launch, LAUNCH_GUARDED, &e),
                 0);
    const struct launch_page *l = (const struct launch_page *)plan.page[0].bytes;
    cr_expect_eq(l->core.size, 3);
    cr_expect_arr_eq(l->core.sha256, abc, 32);
    cr_expect_eq(l->flags, 1);
    cr_expect_eq(launch.flags, 0, "the caller's page is not touched");
}

Test(plan, boot_vcpu_starts_at_the_reset_vector_with_rdx_zero)
{
    static const uint8_t cs[16] = {0x10, 0, 0x9b, 0x0c, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t rip[8] = {0xf0, 0xff, 0xff, 0xff};
    static const uint8_t zero[8];
    cr_assert_eq(plan_make(&plan, stub, sizeof stub, &launch, sizeof launch, 0, &e), 0);
    const uint8_t *v = plan.page[6].bytes;
    cr_expect_arr_eq(v + 0x10, cs, sizeof cs);
    cr_expect_arr_eq(v + 0x178, rip, sizeof rip);
    cr_expect_arr_eq(v + 0x310, zero, sizeof zero, "RDX");
    cr_expect_eq(v[0x3b0], 1, "SEV_FEATURES: SNPActive alone");
}

Test(plan, refuses_a_stub_or_launch_page_of_another_shape)
{
    cr_expect_eq(plan_make(&plan, stub, sizeof stub - 1, &launch, sizeof launch, 0, &e), -EINVAL);
    e = (struct err){0};
    cr_expect_eq(plan_make(&plan, stub, sizeof stub, &launch, sizeof launch - 1, 0, &e), -EBADMSG);
    e = (struct err){0};
    launch.magic++;
    cr_expect_eq(plan_make(&plan, stub, sizeof stub, &launch, sizeof launch, 0, &e), -EBADMSG);
    cr_expect_neq(e.text[0], '\0');
}
