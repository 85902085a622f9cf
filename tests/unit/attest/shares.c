/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shares of a secret. The golden shares were computed on 2026-11-25 by a program of its own
 * (Python, multiplication by tables of logarithms) over the byte stream 3, 10, 17, ... as
 * randomness.
 */
#include "attest/shares.h"

#include "attest/crypto.h"
#include "attest/hex.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define GOLDEN_SIZE 100
#define GOLDEN_TAIL                                                                                \
    "000004000000e3eaf1f8ff060d141b222930373e454cc9ec016c2b425c8e71260dc731023ea352d99ad7e7d4f4"   \
    "e6c583590871a0135e"

static const char *const golden[5] = {
    "43415348415245310301" GOLDEN_TAIL
    "0a0308e1061f243d324b7049ae476c657a7398b1966f94ada2bbc0d9fed7dcd5626c6058",
    "43415348415245310302" GOLDEN_TAIL
    "d6730cc46cb9f683a3b6596cb20c3396fdc35cb98a5286d3681de93ccfeaf5e62587ff50",
    "43415348415245310303" GOLDEN_TAIL
    "df7a153d7580ff8aaabf60754b153a9ff4ca458093ab8fda61149025f6f3fcef2c8ee629",
    "43415348415245310304" GOLDEN_TAIL
    "834f976fe69a89e30e04fa10b661c20e3289b1fd59b18fc55f35a73624de5d089c5788f9",
    "43415348415245310305" GOLDEN_TAIL
    "8a468e96ffa380ea070dc3094f78cb073b80a8c4404886cc563cde2f1dc75401955e9180",
};

static unsigned stream_at;
static int stream(void *out, size_t len)
{
    uint8_t *p = out;
    for (size_t i = 0; i < len; i++) { p[i] = (uint8_t)(7 * stream_at++ + 3); }
    return 0;
}

static int no_random(void *out, size_t len)
{
    (void)out, (void)len;
    return -EIO;
}

static uint8_t shares[5][GOLDEN_SIZE];
static struct view views[5];
static void golden_load(void)
{
    for (size_t i = 0; i < 5; i++) {
        cr_assert(hex_decode(golden[i], strlen(golden[i]), shares[i], GOLDEN_SIZE));
        views[i] = (struct view){.p = shares[i], .len = GOLDEN_SIZE};
    }
}

/* What joining the views with these numbers (from 1) answers; text: a part of the reason. */
static void expect_join(const char *which, int want, const char *text)
{
    struct view v[8];
    uint8_t out[4] = "????";
    struct err e = {0};
    size_t n = strlen(which);
    for (size_t i = 0; i < n; i++) { v[i] = views[which[i] - '1']; }
    cr_expect_eq(shares_join(v, n, out, sizeof out, &e), want, "%s: %s", which, e.text);
    if (want == 0) {
        cr_expect_arr_eq(out, "key!", 4, "%s", which);
    } else {
        cr_expect(strstr(e.text, text), "%s: %s", which, e.text);
        cr_expect_arr_neq(out, "key!", 4, "%s", which);
    }
}

Test(shares, split_gives_the_golden_shares)
{
    uint8_t out[5 * GOLDEN_SIZE];
    char hex[HEX_LEN(GOLDEN_SIZE)];
    struct err e = {0};
    stream_at = 0;
    cr_assert_eq(shares_split("key!", 4, 3, 5, stream, out, &e), 0, "%s", e.text);
    for (size_t i = 0; i < 5; i++) {
        hex_encode(out + i * GOLDEN_SIZE, GOLDEN_SIZE, hex);
        cr_expect_str_eq(hex, golden[i], "share %zu", i + 1);
    }
}

Test(shares, any_three_of_five_join_in_any_order)
{
    golden_load();
    static const char *const threes[] = {"123", "124", "125", "134", "135", "145",  "234",  "235",
                                         "245", "345", "321", "513", "542", "4321", "54321"};
    for (size_t i = 0; i < ARRAY_COUNT(threes); i++) { expect_join(threes[i], 0, ""); }
}

Test(shares, refuses_too_few_and_twice_the_same)
{
    golden_load();
    expect_join("12", -EINVAL, "found 2 shares, wanted 3");
    expect_join("1", -EINVAL, "found 1 shares, wanted 3");
    expect_join("", -EINVAL, "found 0 shares");
    expect_join("121", -EINVAL, "share 3 of 3: a second share with x 1");
}

Test(shares, a_changed_byte_of_the_body_is_found)
{
    static const size_t at[] = {64, 95, 96, 99};
    for (size_t i = 0; i < ARRAY_COUNT(at); i++) {
        golden_load();
        shares[1][at[i]] ^= 0x40;
        expect_join("123", -EKEYREJECTED, "one of them was changed");
        expect_join("134", 0, "");
    }
}

Test(shares, an_x_that_was_changed_is_found)
{
    golden_load();
    shares[1][9] = 7;
    expect_join("123", -EKEYREJECTED, "one of them was changed");
}

Test(shares, shares_of_different_secrets_do_not_mix)
{
    static const size_t at[] = {16, 31, 32, 63}; /* set, digest */
    for (size_t i = 0; i < ARRAY_COUNT(at); i++) {
        golden_load();
        shares[2][at[i]] ^= 1;
        expect_join("123", -EINVAL, "share 3 of 3: it belongs to another secret");
    }
    golden_load();
    shares[0][8] = 2; /* a lower threshold in one share */
    expect_join("123", -EINVAL, "share 2 of 3: it belongs to another secret");
    golden_load();
    for (size_t i = 0; i < 3; i++) { shares[i][8] = 2; } /* in all of them: the digest covers it */
    expect_join("12", -EKEYREJECTED, "one of them was changed");
}

Test(shares, what_is_no_share_is_refused_by_name)
{
    static const struct {
        size_t at;
        uint8_t value;
        const char *text;
    } cases[] = {
        {0, 'X', "CASHARE1"},
        {7, '2', "CASHARE1"},
        {8, 0, "with k 0"},
        {8, 1, "with k 1"},
        {8, 17, "with k 17"},
        {9, 0, "x 0"},
        {9, 17, "x 17"},
        {10, 1, "reserved 1"},
        {11, 1, "reserved 256"},
        {12, 0, "for a secret of 0"},
        {12, 3, "of 100 bytes"},
        {12, 5, "of 100 bytes"},
        {15, 1, "secret of 16777220"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        golden_load();
        shares[0][cases[i].at] = cases[i].value;
        expect_join("123", -EBADMSG, cases[i].text);
    }
    for (size_t len = 0; len < GOLDEN_SIZE; len++) { /* cut anywhere */
        golden_load();
        views[1].len = len;
        expect_join("123", -EBADMSG, "share 2 of 3: ");
    }
}

Test(shares, refuses_to_split_what_cannot_be_joined)
{
    static const struct {
        size_t len;
        unsigned k, n;
    } cases[] = {{4, 0, 3},  {4, 1, 3}, {4, 4, 3},
                 {4, 2, 17}, {0, 2, 3}, {SHARE_SECRET_MAX + 1, 2, 3}};
    static uint8_t secret[SHARE_SECRET_MAX + 1], out[3 * SHARE_SIZE(sizeof secret)];
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct err e = {0};
        cr_expect_eq(shares_split(secret, cases[i].len, cases[i].k, cases[i].n, stream, out, &e),
                     -EINVAL);
    }
}

Test(shares, without_randomness_nothing_is_left_behind)
{
    uint8_t out[3 * SHARE_SIZE(4)], zero[sizeof out] = {0};
    struct err e = {0};
    memset(out, 0xff, sizeof out);
    cr_expect_eq(shares_split("key!", 4, 2, 3, no_random, out, &e), -EIO);
    cr_expect_arr_eq(out, zero, sizeof out);
}

Test(shares, the_largest_set_comes_back)
{
    static uint8_t secret[1024], out[SHARES_MAX * SHARE_SIZE(sizeof secret)], back[sizeof secret];
    struct view v[SHARES_MAX];
    struct err e = {0};
    for (size_t i = 0; i < sizeof secret; i++) { secret[i] = (uint8_t)(i * 31); }
    cr_assert_eq(shares_split(secret, sizeof secret, 16, 16, crypto_random, out, &e), 0);
    for (size_t i = 0; i < SHARES_MAX; i++) {
        v[i] = (struct view){.p = out + i * SHARE_SIZE(sizeof secret), .len = SHARE_SIZE(1024)};
    }
    cr_assert_eq(shares_join(v, SHARES_MAX, back, sizeof back, &e), 0, "%s", e.text);
    cr_expect_arr_eq(back, secret, sizeof secret);
    cr_expect_eq(shares_join(v, SHARES_MAX, back, sizeof back - 1, &e), -EINVAL);
}
