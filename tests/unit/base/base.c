/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about the primitives that every folder stands on. */
#include "guest/base/ct.h"
#include "guest/base/cur.h"
#include "guest/base/err.h"
#include "guest/base/ovf.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(ovf, range_refuses_wrap_around)
{
    cr_assert(range_fits(10, 0, 10));
    cr_assert(range_fits(10, 10, 0));
    cr_assert_not(range_fits(10, 11, 0));
    cr_assert_not(range_fits(10, 1, 10));
    cr_assert_not(range_fits(10, UINT64_MAX, 2));
    cr_assert_not(range_fits(10, 2, UINT64_MAX));
}

Test(ovf, helpers_leave_out_alone_on_failure)
{
    uint64_t v = 7;
    uint32_t n = 7;
    cr_assert_not(add_ok(UINT64_MAX, 1, &v));
    cr_assert_not(mul_ok(UINT64_MAX, 2, &v));
    cr_assert_not(align_up_ok(UINT64_MAX - 5, 4096, &v));
    cr_assert_not(narrow_u32_ok(1ull << 32, &n));
    cr_assert_eq(v, 7);
    cr_assert_eq(n, 7);
}

Test(cur, failure_sticks_and_yields_zero)
{
    const uint8_t b[] = {1, 2, 3};
    struct cur c = cur_of(b, sizeof b);
    cr_assert_eq(cur_u16le(&c), 0x0201);
    cr_assert_eq(cur_u32le(&c), 0);
    cr_assert(c.bad);
    cr_assert_eq(cur_u8(&c), 0, "the byte that is left must not be readable after a failure");
    cr_assert_not(cur_end(&c));
}

Test(cur, trailing_bytes_are_not_an_end)
{
    struct cur c = cur_of("ab", 2);
    (void)cur_u8(&c);
    cr_assert_not(cur_end(&c));
    (void)cur_u8(&c);
    cr_assert(cur_end(&c));
}

Test(ct, compares_every_byte)
{
    uint8_t a[16] = {0}, b[16] = {0};
    cr_assert(ct_eq(a, b, sizeof a));
    for (size_t i = 0; i < sizeof a; i++) {
        b[i] ^= 0x80;
        cr_assert_not(ct_eq(a, b, sizeof a));
        b[i] ^= 0x80;
    }
    memset(a, 0xaa, sizeof a);
    wipe(a, sizeof a);
    cr_assert(ct_eq(a, b, sizeof a));
}

Test(err, keeps_the_cause_and_cuts_the_context)
{
    struct err e = {0};
    char longest[400];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';

    cr_assert_eq(err_set(&e, ENOENT, "cause"), -ENOENT);
    cr_assert_eq(err_set(&e, EIO, "later"), -ENOENT);
    cr_assert_eq(err_wrap(&e, "open"), -ENOENT);
    cr_assert_str_eq(e.text, "open: cause");
    cr_assert_eq(err_wrap(&e, "%s", longest), -ENOENT);
    cr_assert_eq(strlen(e.text), sizeof e.text - 1);
    cr_assert_str_eq(e.text + strlen(e.text) - 11, "open: cause");
}
