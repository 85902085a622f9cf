/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "guest/x86/hole.h"
#include "guest/x86/insn.h"

#define VA 0x401000ull

static uint8_t code[384];

/* Bytes written as hexadecimal text go to `at`; everything else is `push %rax`, a byte that is live code. */
static void place(size_t at, const char *hex)
{
    static bool fresh = true;
    if (fresh) { memset(code, 0x50, sizeof code); }
    fresh = false;
    for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2) { code[at++] = (uint8_t)byte; }
}
static size_t find(size_t s) { return patch_find_hole(code, sizeof code, s, VA); }

Test(hole, padding_behind_the_functions_ret_is_found)
{
    place(192, "b86e0000000f05c30f1f840000000000"); /* getppid: mov; syscall; ret; nopl */
    cr_assert_eq(find(197), 200);
}

Test(hole, int3_padding_counts_as_go_makes_it)
{
    place(192, "0f05c3cccccccccccccccccccccccccc");
    cr_assert_eq(find(192), 195);
}

Test(hole, padding_that_control_runs_through_is_left_alone)
{
    place(192, "b86e0000000f0589c00f1f8000000000"); /* loop alignment: no ret before it */
    cr_assert_eq(find(197), 0);
}

Test(hole, padding_behind_a_rewritten_call_is_where_that_call_returns)
{
    place(192,
          "0f05eb1b0f1f80000000000f1f440000"); /* the second call jumps to e9 at 192 + 4 + 0x1b */
    place(192 + 4 + 0x1b, "e900000000");
    cr_assert_eq(find(192), 0);
    place(192 + 4 + 0x1b, "50"); /* an ordinary jump over dead bytes */
    cr_assert_eq(find(192), 196);
}

Test(hole, gap_that_does_not_end_at_a_border_or_is_too_small_is_refused)
{
    place(192, "0f05c30f1f4000");
    place(199, "50");
    cr_assert_eq(find(192), 0);
    place(192, "9090909090909090900f05c30f1f4000"); /* four bytes only */
    cr_assert_eq(find(201), 0);
}

Test(hole, unknown_instruction_ends_the_search)
{
    place(192, "0f0506c3"); /* 06 does not exist in 64-bit mode */
    place(196, "0f1f840000000000660f1f44000090");
    cr_assert_eq(find(192), 0);
}

Test(hole, only_what_a_short_jump_reaches)
{
    place(192, "0f05");
    place(192 + 2 + 126,
          "c30f1f8400000000000f1f8000000000"); /* 15 bytes from 192 + 2 + 127 to the border */
    cr_assert_eq(find(192), 321);
    place(192 + 2 + 126, "50c366900f1f84000000000066660f1f"); /* one further */
    place(192 + 2 + 142, "4000");
    cr_assert_eq(find(192), 0);
}

Test(hole, gap_before_the_function_is_used_when_none_follows)
{
    place(150, "89c089c089c089c089c089c0c3"); /* ret at 162 */
    place(163, "0f1f8000000000660f1f440000"); /* 13 bytes to the border */
    place(176, "b86e0000000f05");
    cr_assert_eq(find(181), 163);
    place(162, "90"); /* no ret: live code runs into it */
    cr_assert_eq(find(181), 0);
}

Test(hole, nothing_is_read_beyond_the_bytes_given)
{
    place(192, "0f05c30f1f840000000000");
    cr_assert_eq(patch_find_hole(code, 194, 192, VA), 0);
    cr_assert_eq(patch_find_hole(code, 200, 192, VA), 0);
}

struct shape {
    const char *hex;
    size_t length;
};

Test(insn, lengths_are_what_the_processor_takes)
{
    static const struct shape shapes[] = {
        {"0f05", 2},
        {"c3", 1},
        {"f3c3", 2},
        {"e900000000", 5},
        {"eb10", 2},
        {"ffe0", 2},
        {"ff2425efbeadde", 7},
        {"4889e5", 3},
        {"488b05aabbccdd", 7},
        {"488b442408", 5},
        {"48b81122334455667788", 10},
        {"b811223344", 5},
        {"66b81122", 4},
        {"66c7001122", 5},
        {"c70011223344", 6},
        {"f6c101", 3},
        {"f6d1", 2},
        {"f7c111223344", 6},
        {"f7d9", 2},
        {"0f8411223344", 6},
        {"7510", 2},
        {"f30f1efa", 4},
        {"660f1f440000", 6},
        {"66662e0f1f840000000000", 11},
        {"64488b042528000000", 9},
        {"f0480fb10a", 5},
        {"0fb6c0", 3},
        {"0fa4c205", 4},
        {"660f6fc1", 4},
        {"660f70c11b", 5},
        {"660f3a0fc108", 6},
        {"660f3800c1", 5},
        {"c5f877", 3},
        {"c5f9efc0", 4},
        {"c4e37d39c101", 6},
        {"c4e27958c0", 5},
        {"62f17d48efc0", 6},
        {"62f37d4843c101", 7},
        {"62f17c48104001", 7},
        {"c8100000", 0},
        {"06", 0},
        {"9a", 0},
        {"0f0b", 2},
        {"0f01f9", 3},
        {"d9c0", 2},
        {"6810203040", 5},
        {"6a01", 2},
        {"69c010203040", 6},
        {"83c001", 3},
        {"81c010203040", 6},
        {"2d10203040", 5},
        {"3c01", 2},
        {"a811", 2},
    };
    for (size_t n = 0; n < sizeof shapes / sizeof shapes[0]; n++) {
        uint8_t bytes[32];
        size_t len = 0;
        memset(bytes, 0x90, sizeof bytes);
        for (const char *p = shapes[n].hex; *p != 0;) {
            unsigned byte;
            cr_assert_eq(sscanf(p, "%2x", &byte), 1);
            bytes[len++] = (uint8_t)byte;
            p += 2;
        }
        cr_assert_eq(insn_length(bytes, sizeof bytes), shapes[n].length, "%s: %zu", shapes[n].hex,
                     insn_length(bytes, sizeof bytes));
        if (shapes[n].length > 1) {
            cr_assert_eq(insn_length(bytes, shapes[n].length - 1), 0, "%s cut", shapes[n].hex);
        }
    }
}
