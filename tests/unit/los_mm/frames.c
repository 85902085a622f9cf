/* SPDX-License-Identifier: Apache-2.0 */
/* Frames, pools, memory objects and transfers over the stand-in. */
#include <criterion/criterion.h>

#include "guest/mm/frames.h"
#include "guest/standin/standin.h"
#include "guest/ward.h"

Test(frames, frame_is_free_again_after_last_put)
{
    standin_boot();
    uint64_t before = mem_free_pages();
    gpa_t g = frame_alloc(true);
    cr_assert(gpa_ok(g));
    cr_assert_eq(mem_free_pages(), before - 1);
    frame_get(g);
    frame_put(g);
    cr_assert_eq(frame_refs(g), 1);
    frame_put(g);
    cr_assert_eq(mem_free_pages(), before);
}

Test(frames, zeroed_frame_is_zero_after_use)
{
    standin_boot();
    gpa_t g = frame_alloc(false);
    memset(frame_va(g), 0xa5, PAGE_SIZE);
    frame_put(g);
    gpa_t h = frame_alloc(true);
    cr_assert_eq(h.v, g.v, "the lowest free frame is used again");
    cr_assert_eq(*(uint64_t *)frame_va(h), 0);
}

Test(frames, chunk_is_zero_after_use)
{
    standin_boot();
    gpa_t c = chunk_alloc();
    memset(frame_va(c), 0xa5, CHUNK_SIZE);
    for (uint64_t i = 0; i < 512; i++) { frame_put((gpa_t){c.v + i * PAGE_SIZE}); }
    gpa_t f = frame_alloc(false);
    while (f.v < c.v) { f = frame_alloc(false); }
    cr_assert_eq(f.v, c.v, "the chunk is broken");
    frame_put(f);
    c = chunk_alloc();
    cr_assert_eq(c.v, f.v);
    const uint8_t *p = frame_va(c);
    for (size_t i = 0; i < CHUNK_SIZE; i++) { cr_assert_eq(p[i], 0); }
}

Test(frames, what_the_host_left_in_memory_is_cleared_in_a_tee)
{
    standin_boot();
    ((struct handoff *)(uintptr_t)handoff)->tee = TEE_SNP;
    gpa_t top = {(256ull << 20) - CHUNK_SIZE};
    memset(frame_va(top), 0xa5, CHUNK_SIZE);
    gpa_t c = chunk_alloc();
    while (c.v < top.v) { c = chunk_alloc(); }
    cr_assert_eq(c.v, top.v);
    const uint8_t *p = frame_va(c);
    for (size_t i = 0; i < CHUNK_SIZE; i++) { cr_assert_eq(p[i], 0); }
}

Test(frames, every_frame_is_given_once_and_then_none)
{
    standin_boot_with(RAM_MIN, false);
    uint64_t want = mem_free_pages(), got = 0;
    for (gpa_t g = frame_alloc(false); gpa_ok(g); g = frame_alloc(false)) {
        cr_assert_eq(frame_refs(g), 1);
        *(uint64_t *)frame_va(g) = g.v;
        got++;
    }
    cr_assert_eq(got, want);
    cr_assert_eq(mem_free_pages(), 0);
    cr_assert_not(gpa_ok(chunk_alloc()));
    cr_assert_not(gpa_ok(run_alloc(0)));
}

/* With this much RAM the allocator's arrays leave the boot region free. */
Test(frames, frame_0_is_never_given)
{
    standin_boot_with(HOLE_LO, false);
    cr_assert_eq(frame_refs((gpa_t){0}), 1);
}

Test(frames, chunk_is_aligned_and_comes_back_whole)
{
    standin_boot();
    gpa_t c = chunk_alloc();
    cr_assert_eq(c.v % CHUNK_SIZE, 0);
    for (uint64_t i = 0; i < 512; i++) { frame_put((gpa_t){c.v + i * PAGE_SIZE}); }
    gpa_t d = chunk_alloc();
    cr_assert_eq(d.v, c.v);
}

Test(frames, broken_chunks_are_used_before_whole_ones)
{
    standin_boot();
    gpa_t g[512];
    gpa_t c = chunk_alloc();
    for (uint64_t i = 0; i < 512; i++) { g[i] = (gpa_t){c.v + i * PAGE_SIZE}; }
    frame_put(g[77]);
    for (gpa_t f = frame_alloc(false); f.v < BOOT_SIZE; f = frame_alloc(false)) {}
    cr_assert(gpa_ok(chunk_alloc()));
}

Test(frames, run_is_aligned_to_its_size)
{
    standin_boot();
    for (unsigned order = 0; order <= RUN_ORDER_MAX; order++) {
        gpa_t a = run_alloc(order);
        cr_assert_eq(a.v % (PAGE_SIZE << order), 0);
        cr_assert_eq(run_size(a), PAGE_SIZE << order);
        run_free(a);
    }
}

Test(pool, objects_are_zeroed_and_disjoint)
{
    standin_boot();
    char *p[300];
    for (size_t i = 0; i < 300; i++) {
        p[i] = mem_alloc(i + 1);
        for (size_t k = 0; k <= i; k++) { cr_assert_eq(p[i][k], 0); }
        memset(p[i], (int)i, i + 1);
    }
    for (size_t i = 0; i < 300; i++) {
        for (size_t k = 0; k <= i; k++) { cr_assert_eq(p[i][k], (char)i); }
        mem_free(p[i]);
    }
}

Test(pool, everything_given_back_leaves_at_most_one_slab_per_class)
{
    standin_boot();
    uint64_t before = mem_free_pages();
    void *p[1000];
    for (size_t i = 0; i < 1000; i++) { p[i] = mem_alloc(i * 60 + 1); }
    for (size_t i = 0; i < 1000; i++) { mem_free(p[i]); }
    cr_assert_geq(mem_free_pages() + 12, before);
}

Test(pool, refuses_more_than_64_kib)
{
    standin_boot();
    cr_assert_null(mem_alloc(65537));
    void *p = mem_alloc(65536);
    cr_assert_not_null(p);
    mem_free(p);
    mem_free(NULL);
}

Test(mobj, frames_appear_where_created_only)
{
    standin_boot();
    struct mobj *o = mobj_new();
    uint64_t before = mem_free_pages();
    static const uint64_t at[] = {0, 1, 63, 64, 4095, 4096, 1ull << 30, (1ull << 51) - 1};
    gpa_t g[ARRAY_COUNT(at)];
    for (size_t i = 0; i < ARRAY_COUNT(at); i++) {
        cr_assert_not(gpa_ok(mobj_frame(o, at[i], false)));
        g[i] = mobj_frame(o, at[i], true);
        cr_assert(gpa_ok(g[i]));
    }
    for (size_t i = 0; i < ARRAY_COUNT(at); i++) {
        cr_assert_eq(mobj_frame(o, at[i], false).v, g[i].v);
    }
    cr_assert_not(gpa_ok(mobj_frame(o, 2, false)));
    cr_assert_eq(mobj_pages(o), 8);
    mobj_put(o);
    cr_assert_geq(mem_free_pages() + 1, before);
}

Test(mobj, shrinking_frees_frames_and_growing_shows_zeros)
{
    standin_boot();
    struct mobj *o = mobj_new();
    cr_assert_eq(mobj_truncate(o, 200 * PAGE_SIZE), 0);
    for (uint64_t i = 0; i < 200; i++) {
        memset(frame_va(mobj_frame(o, i, true)), 0x11, PAGE_SIZE);
    }
    cr_assert_eq(mobj_truncate(o, 70 * PAGE_SIZE + 5), 0);
    cr_assert_eq(mobj_pages(o), 71);
    cr_assert_eq(mobj_truncate(o, 200 * PAGE_SIZE), 0);
    const char *p = frame_va(mobj_frame(o, 70, false));
    cr_assert_eq(p[4], 0x11);
    cr_assert_eq(p[5], 0);
    cr_assert_eq(p[4095], 0);
    cr_assert_not(gpa_ok(mobj_frame(o, 71, false)));
    cr_assert_eq(mobj_truncate(o, 1ull << 63), -EFBIG);
}

Test(mobj, punched_hole_is_zero_and_its_neighbours_stay)
{
    standin_boot();
    struct mobj *o = mobj_new();
    cr_assert_eq(mobj_truncate(o, 8 * PAGE_SIZE), 0);
    for (uint64_t i = 0; i < 8; i++) { memset(frame_va(mobj_frame(o, i, true)), 0x22, PAGE_SIZE); }
    cr_assert_eq(mobj_punch(o, PAGE_SIZE + 100, 4 * PAGE_SIZE), 0);
    cr_assert_eq(mobj_pages(o), 5);
    const char *p = frame_va(mobj_frame(o, 1, false)), *q = frame_va(mobj_frame(o, 5, false));
    cr_assert_eq(p[99], 0x22);
    cr_assert_eq(p[100], 0);
    cr_assert_eq(q[99], 0);
    cr_assert_eq(q[100], 0x22);
    cr_assert_eq(mobj_punch(o, 10, 5), 0);
    cr_assert_eq(((const char *)frame_va(mobj_frame(o, 0, false)))[14], 0);
    cr_assert_eq(((const char *)frame_va(mobj_frame(o, 0, false)))[15], 0x22);
}

Test(uio, pieces_are_filled_in_order_and_left_counts_down)
{
    standin_boot();
    char a[3], b[5];
    struct uvec v[] = {{(uint64_t)(uintptr_t)a, 3}, {0, 0}, {(uint64_t)(uintptr_t)b, 5}};
    struct uio u = {.vec = v, .count = 3, .left = 8, .kernel = true};
    cr_assert_eq(uio_put(&u, "0123", 4), 4);
    cr_assert_eq(u.left, 4);
    cr_assert_eq(uio_put(&u, "456789", 6), 4);
    cr_assert_eq(memcmp(a, "012", 3), 0);
    cr_assert_eq(memcmp(b, "34567", 5), 0);
}

Test(uio, vector_with_too_many_or_too_long_pieces_is_refused)
{
    standin_boot();
    struct uio u;
    struct uvec *take;
    struct uvec bad = {standin_user_alloc(16), 1ull << 63};
    uint64_t va = standin_user_alloc(sizeof bad);
    cr_assert_eq(copy_to_user(va, &bad, sizeof bad), 0);
    cr_assert_eq(uio_vec(&u, va, 1, &take), -EINVAL);
    cr_assert_eq(uio_vec(&u, va, 1025, &take), -EINVAL);
    bad = (struct uvec){LOS_DIRECT, 8};
    cr_assert_eq(copy_to_user(va, &bad, sizeof bad), 0);
    cr_assert_eq(uio_vec(&u, va, 1, &take), -EFAULT);
}

Test(uaccess, library_os_addresses_are_not_application_memory)
{
    cr_assert_not(user_range_ok(LOS_DIRECT, 1));
    cr_assert_not(user_range_ok(LOS_LO - 1, 2));
    cr_assert(user_range_ok(LOS_LO - 1, 1));
    cr_assert_not(user_range_ok(1, UINT64_MAX));
    cr_assert_not(user_range_ok(0xffff800000000000, 1));
}

Test(uaccess, string_without_end_is_too_long)
{
    standin_boot();
    char buf[8];
    uint64_t va = standin_user_string("hello");
    cr_assert_eq(user_string(buf, va, sizeof buf), 5);
    cr_assert_str_eq(buf, "hello");
    cr_assert_eq(user_string(buf, va, 5), -ENAMETOOLONG);
    cr_assert_eq(user_string(buf, 8, sizeof buf), -EFAULT);
}

Test(fmt, numbers_strings_and_padding)
{
    char b[64];
    fmt(b, sizeof b, "%d %u %x %lu %zx", -5, 7u, 0xbeefu, 1ul << 63, (size_t)16);
    cr_assert_str_eq(b, "-5 7 beef 9223372036854775808 10");
    fmt(b, sizeof b, "[%5d|%-5d|%05d|%3s|%-4s|%.2s|%.*s|%c%%]", 42, 42, -42, "a", "b", "xyz", 1,
        "qr", 'k');
    cr_assert_str_eq(b, "[   42|42   |-0042|  a|b   |xy|q|k%]");
}

Test(fmt, cuts_at_the_end_of_the_buffer)
{
    char b[8];
    memset(b, '#', sizeof b);
    cr_assert_eq(fmt(b, 5, "%s", "abcdefgh"), 4);
    cr_assert_str_eq(b, "abcd");
    cr_assert_eq(b[5], '#');
}
