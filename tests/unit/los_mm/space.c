/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces over the stand-in: regions, faults, copy-on-write, fork, and the memory system
 * calls.
 */
#include <criterion/criterion.h>

#include "guest/fs/fs.h"
#include "guest/mm/frames.h"
#include "guest/mm/space.h"
#include "guest/standin/standin.h"
#include "guest/sys/sys.h"
#include "guest/task/task.h"

#define RW   (LPROT_READ | LPROT_WRITE)
#define ANON (LMAP_PRIVATE | LMAP_ANONYMOUS)
#define P    PAGE_SIZE

static int64_t call(sys_fn fn, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f)
{
    const uint64_t args[6] = {a, b, c, d, e, f};
    return fn(args);
}
static int64_t map(uint64_t va, uint64_t len, int prot, int flags)
{
    return call(sys_mmap, va, len, (uint64_t)prot, (uint64_t)flags, (uint64_t)-1, 0);
}
static int64_t unmap(uint64_t va, uint64_t len) { return call(sys_munmap, va, len, 0, 0, 0, 0); }
static int64_t protect(uint64_t va, uint64_t len, int prot)
{
    return call(sys_mprotect, va, len, (uint64_t)prot, 0, 0, 0);
}
static struct space *own(void) { return current_proc()->space; }
static void put8(uint64_t va, uint8_t v)
{
    cr_assert_eq(copy_to_user(va, &v, 1), 0, "store to 0x%lx", va);
}
static uint8_t get8(struct space *s, uint64_t va)
{
    uint8_t v = 0;
    cr_assert_eq(space_read(s, va, &v, 1), 1, "load from 0x%lx", va);
    return v;
}
static bool put8_in(struct space *s, uint64_t va, uint8_t v)
{
    return space_write(s, va, &v, 1) == 1;
}

/*
 * The tree agrees with the regions, and frames and tables are accounted for: the invariants of
 * space.h.
 */
static void check(struct space *s)
{
    uint64_t pages = 0, last = 0;
    LIST_EACH (it, &s->regions) {
        struct region *r = LIST_ENTRY(it, struct region, link);
        cr_assert_lt(r->lo, r->hi);
        cr_assert_leq(last, r->lo);
        cr_assert_eq(region_find(s, r->lo), r);
        cr_assert_eq(region_find(s, r->hi - 1), r);
        pages += (r->hi - r->lo) / P;
        last = r->hi;
        for (uint64_t va = r->lo; va < r->hi && va < r->lo + 4096 * P; va += P) {
            struct leaf l = tree_find(s, va);
            if (l.entry == 0) { continue; }
            cr_assert_neq(r->prot, 0);
            if (l.writable) {
                cr_assert(r->prot & LPROT_WRITE);
                if (!(r->flags & REGION_SHARED)) {
                    cr_assert_eq(frame_refs(leaf_frame(&l, va)), 1);
                }
            }
            cr_assert_eq((l.entry & PTE_NX) == 0, (r->prot & LPROT_EXEC) != 0);
        }
    }
    cr_assert_eq(pages, s->pages);
    cr_assert_eq(tree_count(s, 0, LOS_LO), tree_count(s, 0, last));
}

/* Everything here is run in both regimes: space_guarded.c includes this file. */
#ifdef GUARDED
static void boot(void) { standin_boot_with(256ull << 20, true); }
#else
static void boot(void) { standin_boot(); }
#endif
TestSuite(space, .init = boot);

/* Pages in 20 tables: more than a small process has. */
static void be_large(void)
{
    for (uint64_t i = 0; i < 20; i++) {
        cr_assert_gt(map(0x200000000 + i * CHUNK_SIZE, P, RW, ANON | LMAP_FIXED), 0);
        put8(0x200000000 + i * CHUNK_SIZE, (uint8_t)i);
    }
}

/* ---- mmap ------------------------------------------------------------------------------------ */

Test(space, anonymous_memory_is_zero_and_keeps_what_is_written)
{
    int64_t va = map(0, 100 * P, RW, ANON);
    cr_assert_gt(va, 0);
    cr_assert_eq(get8(own(), va + 50 * P), 0);
    put8(va + 50 * P, 7);
    cr_assert_eq(get8(own(), va + 50 * P), 7);
    check(own());
}

Test(space, neighbours_merge_and_are_found_as_one)
{
    cr_assert_eq(map(0x100000, P, RW, ANON | LMAP_FIXED), 0x100000);
    cr_assert_eq(map(0x102000, P, RW, ANON | LMAP_FIXED), 0x102000);
    cr_assert_eq(map(0x101000, P, RW, ANON | LMAP_FIXED), 0x101000);
    cr_assert_eq(own()->region_count, 1);
    cr_assert_eq(map(0x103000, P, LPROT_READ, ANON | LMAP_FIXED), 0x103000);
    cr_assert_eq(own()->region_count, 2);
    check(own());
}

Test(space, refuses_what_linux_refuses)
{
    cr_assert_eq(map(0, 0, RW, ANON), -EINVAL);
    cr_assert_eq(map(0, P, RW, LMAP_ANONYMOUS), -EINVAL);
    cr_assert_eq(map(0x100001, P, RW, ANON | LMAP_FIXED), -EINVAL);
    cr_assert_eq(map(0x1000, P, RW, ANON | LMAP_FIXED), -EPERM);
    cr_assert_eq(map(LOS_DIRECT, P, RW, ANON | LMAP_FIXED), -ENOMEM);
    cr_assert_eq(map(0, UINT64_MAX - 10, RW, ANON), -ENOMEM);
    cr_assert_eq(map(0, 1ull << 47, RW, ANON), -ENOMEM);
    cr_assert_eq(map(0, P, RW, ANON | LMAP_HUGETLB), -ENOMEM);
    cr_assert_eq(call(sys_mmap, 0, P, RW, LMAP_PRIVATE, 99, 0), -EBADF);
    cr_assert_eq(call(sys_mmap, 0, P, RW, ANON, (uint64_t)-1, 5), -EINVAL);
    cr_assert_eq(unmap(0x100001, P), -EINVAL);
    cr_assert_eq(unmap(0x100000, 0), -EINVAL);
    cr_assert_eq(unmap(LOS_DIRECT, P), -EINVAL);
}

Test(space, fixed_replaces_and_noreplace_does_not)
{
    cr_assert_eq(map(0x200000, 4 * P, RW, ANON | LMAP_FIXED), 0x200000);
    put8(0x201000, 1);
    put8(0x203000, 3);
    cr_assert_eq(map(0x201000, P, RW, ANON | LMAP_FIXED_NOREPLACE), -EEXIST);
    cr_assert_eq(map(0x201000, P, RW, ANON | LMAP_FIXED), 0x201000);
    cr_assert_eq(get8(own(), 0x201000), 0);
    cr_assert_eq(get8(own(), 0x203000), 3);
    check(own());
}

Test(space, hint_is_taken_when_free)
{
    cr_assert_eq(map(0xc000000123, P, RW, ANON), 0xc000000000);
    cr_assert_neq(map(0xc000000000, P, RW, ANON), 0xc000000000);
}

Test(space, low_2g_flag_is_obeyed)
{
    int64_t va = map(0, 16 * P, RW, ANON | LMAP_32BIT);
    cr_assert_gt(va, 0);
    cr_assert_leq(va + 16 * P, 1ull << 31);
}

Test(space, search_goes_downwards_and_reuses_holes)
{
    int64_t a = map(0, 3 * P, RW, ANON), b = map(0, P, LPROT_READ, ANON);
    cr_assert_eq(b, a - (int64_t)P);
    cr_assert_eq(unmap(a + P, P), 0);
    cr_assert_eq(map(0, P, LPROT_READ, ANON), a + (int64_t)P);
    check(own());
}

Test(space, reservation_of_8_tib_costs_no_table)
{
    uint64_t before = mem_free_pages();
    uint32_t tables = tables_left();
    int64_t va = map(0, 8ull << 40, 0, ANON);
    cr_assert_gt(va, 0);
    cr_assert_geq(mem_free_pages() + 1, before);
    cr_assert_eq(tables_left(), tables);
    cr_assert_eq(unmap(va, 8ull << 40), 0);
}

Test(space, unmapping_gives_everything_back)
{
    (void)map(0x10000, P, RW, ANON | LMAP_FIXED);
    put8(0x10000, 1);
    uint64_t before = mem_free_pages();
    uint32_t tables = tables_left();
    for (int round = 0; round < 3; round++) {
        int64_t va = map(0, 3000 * P, RW, ANON);
        for (uint64_t i = 0; i < 3000; i++) { put8(va + i * P, (uint8_t)i); }
        cr_assert_eq(unmap(va + 1000 * P, 1000 * P), 0);
        cr_assert_eq(get8(own(), va + 999 * P), (uint8_t)999);
        cr_assert_eq(get8(own(), va + 2000 * P), (uint8_t)2000);
        check(own());
        cr_assert_eq(unmap(va, 3000 * P), 0);
    }
    cr_assert_geq(mem_free_pages() + 3, before);
    cr_assert_eq(tables_left(), tables, "empty tables stay: %u, %u", tables_left(), tables);
}

Test(space, access_without_region_or_right_is_refused)
{
    uint8_t b = 0;
    cr_assert_eq(copy_to_user(0x700000, &b, 1), -EFAULT);
    cr_assert_eq(map(0x700000, P, LPROT_READ, ANON | LMAP_FIXED), 0x700000);
    cr_assert_eq(copy_to_user(0x700000, &b, 1), -EFAULT);
    cr_assert_eq(copy_from_user(&b, 0x700000, 1), 0);
    cr_assert_eq(space_fault(own(), 0x700000, PF_WRITE), -EACCES);
    cr_assert_eq(space_fault(own(), 0x700000, PF_FETCH), -EACCES);
    cr_assert_eq(space_fault(own(), 0x701000, 0), -EFAULT);
    cr_assert_eq(space_fault(own(), LOS_DIRECT, 0), -EFAULT);
}

Test(space, copy_stops_at_the_first_unreachable_page)
{
    int64_t va = map(0, 2 * P, RW, ANON);
    cr_assert_eq(unmap(va + P, P), 0);
    char buf[100] = {0};
    cr_assert_eq(copy_to_user_part(va + P - 40, buf, 100), 40);
    cr_assert_eq(copy_to_user(va + P - 40, buf, 100), -EFAULT);
}

/* ---- faults ---------------------------------------------------------------------------------- */

Test(space, sequential_faults_double_their_window_up_to_2_mib_pages)
{
    int64_t va = map(0, 16 << 20, RW, ANON);
    cr_assert_eq(va % CHUNK_SIZE, 0);
    uint64_t faults = own()->minor_faults;
    for (uint64_t i = 0; i < 4096; i++) { put8(va + i * P, 1); }
    cr_assert_eq(own()->minor_faults - faults, 6 + 7, "16 32 64 128 256 16..., then 2 MiB each");
    cr_assert_eq(tree_find(own(), va + (8 << 20)).level, 2);
    check(own());
    cr_assert_eq(unmap(va + (4 << 20) + 5 * P, P), 0);
    cr_assert_eq(get8(own(), va + (4 << 20) + 4 * P), 1);
    cr_assert_eq(get8(own(), va + (4 << 20) + 6 * P), 1);
    check(own());
}

Test(space, huge_advice_brings_2_mib_at_the_first_touch)
{
    int64_t va = map(0, 4 << 20, RW, ANON);
    cr_assert_eq(call(sys_madvise, va, 4 << 20, 14, 0, 0, 0), 0);
    put8(va + 5, 9);
    cr_assert_eq(tree_count(own(), va, va + (4 << 20)), 512);
    cr_assert_eq(call(sys_madvise, va, P, 4, 0, 0, 0), 0);
    cr_assert_eq(get8(own(), va + 5), 0);
    check(own());
}

Test(space, stack_grows_down_to_its_limit_and_keeps_a_gap)
{
    current_proc()->rlim[3].cur = 8 << 20;
    uint64_t top = 0x500000000000;
    cr_assert_eq(map(top - 4 * P, 4 * P, RW, ANON | LMAP_FIXED | LMAP_GROWSDOWN),
                 (int64_t)(top - 4 * P));
    put8(top - 1000 * P, 1);
    cr_assert_eq(region_find(own(), top - 1)->lo, top - 1000 * P);
    check(own());
    cr_assert_eq(space_fault(own(), top - (8 << 20) - 1, PF_WRITE), -EFAULT);
    cr_assert_eq(map(top - 1400 * P, P, RW, ANON | LMAP_FIXED), (int64_t)(top - 1400 * P));
    cr_assert_eq(space_fault(own(), top - 1300 * P, PF_WRITE), -EFAULT);
    put8(top - 1100 * P, 1);
    check(own());
}

Test(space, fault_on_a_present_page_is_a_retry)
{
    int64_t va = map(0, P, RW, ANON);
    put8(va, 3);
    cr_assert_eq(space_fault(own(), va, PF_WRITE | PF_PRESENT), 0);
    cr_assert_eq(get8(own(), va), 3);
}

/* ---- protection ------------------------------------------------------------------------------ */

Test(space, protection_changes_split_and_merge_regions)
{
    int64_t va = map(0, 5 * P, RW, ANON);
    put8(va + 2 * P, 5);
    cr_assert_eq(protect(va + 2 * P, P, LPROT_READ), 0);
    cr_assert_eq(own()->region_count, 3);
    cr_assert_not(put8_in(own(), va + 2 * P, 6));
    check(own());
    cr_assert_eq(protect(va + 2 * P, P, RW), 0);
    cr_assert_eq(own()->region_count, 1);
    put8(va + 2 * P, 6);
    check(own());
}

static void survive_none(void)
{
    int64_t va = map(0, 600 * P, RW, ANON);
    for (uint64_t i = 0; i < 600; i++) { put8(va + i * P, (uint8_t)(i + 1)); }
    cr_assert_eq(protect(va + 100 * P, 300 * P, 0), 0);
    check(own());
    uint8_t b;
    cr_assert_eq(copy_from_user(&b, va + 100 * P, 1), -EFAULT);
    struct space *child = space_fork(own());
    cr_assert_eq(protect(va, 600 * P, RW), 0);
    for (uint64_t i = 0; i < 600; i++) { cr_assert_eq(get8(own(), va + i * P), (uint8_t)(i + 1)); }
    put8(va + 200 * P, 99);
    check(own());
    cr_assert_eq(space_protect(child, va, va + 600 * P, LPROT_READ), 0);
    cr_assert_eq(get8(child, va + 200 * P), 201);
    space_put(child);
}
Test(space, bytes_survive_prot_none) { survive_none(); }
Test(space, bytes_survive_prot_none_large)
{
    be_large();
    survive_none();
}

Test(space, unmapped_prot_none_pages_do_not_come_back)
{
    int64_t va = map(0, 4 * P, RW, ANON);
    put8(va, 5);
    cr_assert_eq(protect(va, 4 * P, 0), 0);
    cr_assert_eq(map(va, 4 * P, RW, ANON | LMAP_FIXED), va);
    cr_assert_eq(get8(own(), va), 0);
}

Test(space, executable_bit_follows_the_region)
{
    int64_t va = map(0, 3 * P, RW, ANON);
    put8(va + P, 0xc3);
    cr_assert_eq(space_fault(own(), va + P, PF_FETCH), -EACCES);
    cr_assert_eq(protect(va + P, P, LPROT_READ | LPROT_EXEC), 0);
    cr_assert_eq(space_fault(own(), va + P, PF_FETCH), 0);
    check(own());
    cr_assert_eq(protect(va + P, P, RW), 0);
    check(own());
    put8(va + P, 1);
}

Test(space, hole_makes_protection_fail_after_what_came_before)
{
    int64_t va = map(0, 3 * P, RW, ANON);
    cr_assert_eq(unmap(va + P, P), 0);
    cr_assert_eq(protect(va, 3 * P, LPROT_READ), -ENOMEM);
    cr_assert_not(put8_in(own(), va, 1));
    cr_assert(put8_in(own(), va + 2 * P, 1));
    cr_assert_eq(protect(va, P, 0x100), -EINVAL);
}

/* ---- fork ------------------------------------------------------------------------------------ */

static void own_writes_only(void)
{
    int64_t va = map(0, 1000 * P, RW, ANON);
    for (uint64_t i = 0; i < 1000; i++) { put8(va + i * P, 1); }
    struct space *child = space_fork(own());
    cr_assert_not_null(child);
    put8(va + 10 * P, 2);
    cr_assert(put8_in(child, va + 20 * P, 3));
    cr_assert_eq(get8(child, va + 10 * P), 1);
    cr_assert_eq(get8(own(), va + 20 * P), 1);
    cr_assert_eq(get8(own(), va + 10 * P), 2);
    cr_assert_eq(get8(child, va + 20 * P), 3);
    check(own());
    check(child);
    struct space *grandchild = space_fork(child);
    cr_assert(put8_in(child, va + 20 * P, 4));
    cr_assert_eq(get8(grandchild, va + 20 * P), 3);
    cr_assert(put8_in(grandchild, va + 999 * P, 5));
    cr_assert_eq(get8(own(), va + 999 * P), 1);
    check(grandchild);
    space_put(child);
    cr_assert_eq(get8(grandchild, va + 20 * P), 3);
    check(grandchild);
    space_put(grandchild);
    for (uint64_t i = 0; i < 1000; i++) { put8(va + i * P, 6); }
    check(own());
}
Test(space, child_and_parent_see_their_own_writes_only) { own_writes_only(); }
Test(space, child_and_parent_see_their_own_writes_only_large)
{
    be_large();
    own_writes_only();
}

static void give_back(void)
{
    int64_t va = map(0, 700 * P, RW, ANON);
    for (uint64_t i = 0; i < 700; i++) { put8(va + i * P, 1); }
    space_put(space_fork(own())); /* its tables may stay for the next one */
    uint64_t before = mem_free_pages();
    uint32_t tables = tables_left();
    for (int round = 0; round < 10; round++) {
        struct space *child = space_fork(own());
        for (uint64_t i = 0; i < 700; i += 3) { cr_assert(put8_in(child, va + i * P, 2)); }
        for (uint64_t i = 0; i < 700; i += 5) { put8(va + i * P, 3); }
        space_put(child);
    }
    cr_assert_geq(mem_free_pages() + 1, before);
    cr_assert_eq(tables_left(), tables);
}
Test(space, fork_and_death_give_everything_back) { give_back(); }
Test(space, fork_and_death_give_everything_back_large)
{
    be_large();
    give_back();
}

Test(space, fork_of_a_large_process_makes_one_table)
{
    be_large();
    uint32_t tables = tables_left();
    struct space *child = space_fork(own());
    cr_assert_eq(tables_left(), tables - 1);
    cr_assert(put8_in(child, 0x200000000 + 3 * CHUNK_SIZE, 99));
    cr_assert_eq(tables_left(), tables - 4, "the path to the page, no other");
    cr_assert_eq(get8(own(), 0x200000000 + 3 * CHUNK_SIZE), 3);
    space_put(child);
    cr_assert_eq(tables_left(), tables);
}

Test(space, fork_copies_what_is_written_next)
{
    int64_t stack = map(0x300000000, 16 * P, RW, ANON | LMAP_FIXED | LMAP_GROWSDOWN);
    for (uint64_t i = 0; i < 16; i++) { put8(stack + i * P, (uint8_t)i); }
    current()->regs->rsp = stack + 10 * P + 100;
    uint64_t faults = own()->minor_faults;
    struct space *child = space_fork(own());
    cr_assert(tree_find(child, stack + 10 * P).writable);
    cr_assert(tree_find(own(), stack + 10 * P).writable);
    cr_assert_not(tree_find(child, stack + 3 * P).writable);
    put8(stack + 10 * P, 77);
    cr_assert_eq(get8(child, stack + 10 * P), 10);
    cr_assert_eq(own()->minor_faults, faults);
    check(own());
    check(child);
    space_put(child);
}

static void shared_stays_shared(void)
{
    int64_t va = map(0, 40 * P, RW, LMAP_SHARED | LMAP_ANONYMOUS);
    put8(va, 1);
    struct space *child = space_fork(own());
    put8(va, 2);
    cr_assert(put8_in(child, va + 30 * P, 3));
    cr_assert_eq(get8(child, va), 2);
    cr_assert_eq(get8(own(), va + 30 * P), 3);
    check(child);
    space_put(child);
    cr_assert_eq(get8(own(), va + 30 * P), 3);
}
Test(space, shared_memory_stays_shared_after_fork) { shared_stays_shared(); }
Test(space, shared_memory_stays_shared_after_fork_large)
{
    be_large();
    shared_stays_shared();
}

static void advice_obeyed(void)
{
    int64_t keep = map(0x300000, P, RW, ANON | LMAP_FIXED),
            drop = map(0x301000, P, RW, ANON | LMAP_FIXED);
    int64_t wipe = map(0x302000, P, RW, ANON | LMAP_FIXED);
    put8(keep, 1), put8(drop, 2), put8(wipe, 3);
    cr_assert_eq(call(sys_madvise, drop, P, 10, 0, 0, 0), 0);
    cr_assert_eq(call(sys_madvise, wipe, P, 18, 0, 0, 0), 0);
    struct space *child = space_fork(own());
    uint8_t b;
    cr_assert_eq(get8(child, keep), 1);
    cr_assert_eq(space_read(child, drop, &b, 1), 0);
    cr_assert_eq(get8(child, wipe), 0);
    cr_assert_eq(get8(own(), wipe), 3);
    check(child);
    space_put(child);
}
Test(space, fork_advice_is_obeyed) { advice_obeyed(); }
Test(space, fork_advice_is_obeyed_large)
{
    be_large();
    advice_obeyed();
}

static void splits_where_written(void)
{
    int64_t va = map(0, 4 << 20, RW, ANON);
    cr_assert_eq(call(sys_madvise, va, 4 << 20, 14, 0, 0, 0), 0);
    put8(va, 1);
    put8(va + CHUNK_SIZE, 1);
    struct space *child = space_fork(own());
    cr_assert(put8_in(child, va + 3 * P, 2));
    cr_assert_eq(get8(own(), va + 3 * P), 0);
    cr_assert_eq(tree_find(child, va).level, 1);
    cr_assert_eq(tree_find(child, va + CHUNK_SIZE).level, 2);
    check(child);
    check(own());
    space_put(child);
    put8(va + CHUNK_SIZE, 4);
    cr_assert_eq(tree_find(own(), va + CHUNK_SIZE).level, 2, "the last owner keeps its 2 MiB page");
    check(own());
}
Test(space, fork_splits_2_mib_pages_only_where_written) { splits_where_written(); }
Test(space, fork_splits_2_mib_pages_only_where_written_large)
{
    be_large();
    splits_where_written();
}

/* ---- objects --------------------------------------------------------------------------------- */

static struct mobj *object;
static struct mobj *file_object(struct file *f)
{
    (void)f;
    return object;
}
static const struct file_ops object_ops = {.mobj = file_object};

static struct file *file_with(uint64_t pages)
{
    object = mobj_new();
    cr_assert_eq(mobj_truncate(object, pages * P), 0);
    for (uint64_t i = 0; i < pages; i++) {
        memset(frame_va(mobj_frame(object, i, true)), (int)(0x40 + i), P);
    }
    return file_anon(&object_ops, NULL, LO_RDWR, 0100600, "object");
}

Test(space, private_file_pages_are_shared_until_written)
{
    struct file *f = file_with(4);
    int64_t va = space_map(own(), 0, 4 * P, RW, LMAP_PRIVATE, f, 0);
    cr_assert_eq(get8(own(), va + P), 0x41);
    cr_assert_eq(frame_refs(mobj_frame(object, 1, false)), 2);
    put8(va + P, 9);
    cr_assert_eq(*(uint8_t *)frame_va(mobj_frame(object, 1, false)), 0x41);
    cr_assert_eq(frame_refs(mobj_frame(object, 1, false)), 1);
    cr_assert_eq(f->refs, 2);
    check(own());
    cr_assert_eq(unmap(va, 4 * P), 0);
    cr_assert_eq(f->refs, 1);
    cr_assert_eq(frame_refs(mobj_frame(object, 2, false)), 1);
}

Test(space, shared_file_pages_are_the_file)
{
    struct file *f = file_with(3);
    int64_t va = space_map(own(), 0, 2 * P, RW, LMAP_SHARED, f, P);
    put8(va + P + 5, 0x99);
    cr_assert_eq(((uint8_t *)frame_va(mobj_frame(object, 2, false)))[5], 0x99);
    check(own());
}

Test(space, page_past_the_end_of_file_is_a_bus_error)
{
    struct file *f = file_with(1);
    int64_t va = space_map(own(), 0, 4 * P, RW, LMAP_SHARED, f, 0);
    cr_assert_eq(space_fault(own(), va + P, 0), -ENXIO);
    cr_assert_eq(mobj_truncate(object, 2 * P), 0);
    cr_assert_eq(space_fault(own(), va + P, 0), 0);
}

static void truncation_everywhere(void)
{
    struct file *f = file_with(4);
    int64_t shared = space_map(own(), 0, 4 * P, RW, LMAP_SHARED, f, 0);
    int64_t private = space_map(own(), 0, 4 * P, RW, LMAP_PRIVATE, f, 0);
    put8(shared + 3 * P, 1);
    put8(private + 3 * P, 2);
    put8(private, 3);
    struct space *child = space_fork(own());
    cr_assert_eq(mobj_truncate(object, P), 0);
    uint8_t b;
    cr_assert_eq(space_read(own(), shared + 3 * P, &b, 1), 0);
    cr_assert_eq(space_read(own(), private + 3 * P, &b, 1), 0);
    cr_assert_eq(space_read(child, private + 3 * P, &b, 1), 0);
    cr_assert_eq(get8(child, private), 3);
    check(child);
    space_put(child);
}
Test(space, truncation_takes_pages_out_of_every_mapping) { truncation_everywhere(); }
Test(space, truncation_takes_pages_out_of_every_mapping_large)
{
    be_large();
    truncation_everywhere();
}

Test(space, punching_keeps_private_copies)
{
    struct file *f = file_with(3);
    int64_t private = space_map(own(), 0, 3 * P, RW, LMAP_PRIVATE, f, 0);
    put8(private + P, 7);
    cr_assert_eq(get8(own(), private + 2 * P), 0x42);
    cr_assert_eq(mobj_punch(object, P, 2 * P), 0);
    cr_assert_eq(get8(own(), private + P), 7);
    cr_assert_eq(get8(own(), private + 2 * P), 0);
}

Test(space, shared_read_only_file_cannot_become_writable)
{
    struct file *f = file_with(1);
    f->flags = LO_RDONLY;
    int64_t va = space_map(own(), 0, P, LPROT_READ, LMAP_SHARED, f, 0);
    cr_assert_eq(protect(va, P, RW), -EACCES);
    int64_t priv = space_map(own(), 0, P, LPROT_READ, LMAP_PRIVATE, f, 0);
    cr_assert_eq(protect(priv, P, RW), 0);
}

/* ---- brk, mremap, madvise -------------------------------------------------------------------- */

static int64_t set_brk(uint64_t to) { return call(sys_brk, to, 0, 0, 0, 0, 0); }

Test(space, brk_grows_shrinks_and_answers_failure_with_the_old_end)
{
    own()->start_brk = own()->brk = 0x600010;
    cr_assert_eq(set_brk(0), 0x600010);
    cr_assert_eq(set_brk(0x605000), 0x605000);
    put8(0x604fff, 1);
    cr_assert_eq(set_brk(0x601000), 0x601000);
    cr_assert_eq(set_brk(0x605000), 0x605000);
    cr_assert_eq(get8(own(), 0x604fff), 0);
    (void)map(0x700000, P, RW, ANON | LMAP_FIXED);
    cr_assert_eq(set_brk(0x800000), 0x605000);
    cr_assert_eq(set_brk(0x600000), 0x605000);
    cr_assert_eq(set_brk(UINT64_MAX), 0x605000);
    check(own());
}

static int64_t remap(uint64_t old, uint64_t old_len, uint64_t new_len, uint64_t flags, uint64_t to)
{
    return call(sys_mremap, old, old_len, new_len, flags, to, 0);
}

Test(space, mremap_grows_in_place_moves_and_shrinks)
{
    int64_t va = map(0x40000000, 4 * P, RW, ANON | LMAP_FIXED);
    put8(va + 3 * P, 3);
    cr_assert_eq(remap(va, 4 * P, 8 * P, 0, 0), va);
    put8(va + 7 * P, 7);
    (void)map(0x40008000, P, LPROT_READ, ANON | LMAP_FIXED);
    cr_assert_eq(remap(va, 8 * P, 16 * P, 0, 0), -ENOMEM);
    int64_t moved = remap(va, 8 * P, 16 * P, 1, 0);
    cr_assert_gt(moved, 0);
    cr_assert_neq(moved, va);
    cr_assert_eq(get8(own(), moved + 3 * P), 3);
    cr_assert_eq(get8(own(), moved + 7 * P), 7);
    uint8_t b;
    cr_assert_eq(copy_from_user(&b, va + 3 * P, 1), -EFAULT);
    cr_assert_eq(remap(moved, 16 * P, 4 * P, 0, 0), moved);
    cr_assert_eq(copy_from_user(&b, moved + 7 * P, 1), -EFAULT);
    check(own());
}

Test(space, mremap_fixed_replaces_the_target)
{
    int64_t va = map(0x40000000, 2 * P, RW, ANON | LMAP_FIXED),
            to = map(0x50000000, 4 * P, RW, ANON | LMAP_FIXED);
    put8(va, 1);
    put8(to, 2);
    cr_assert_eq(remap(va, 2 * P, 2 * P, 3, to), to);
    cr_assert_eq(get8(own(), to), 1);
    cr_assert_eq(remap(to, 2 * P, 2 * P, 3, to + P), -EINVAL);
    cr_assert_eq(remap(0x60000000, P, 2 * P, 1, 0), -EFAULT);
    cr_assert_eq(remap(to, 0, 0, 0, 0), -EINVAL);
    check(own());
}

static void moves_whole(void)
{
    int64_t va = map(0, 4 << 20, RW, ANON);
    cr_assert_eq(call(sys_madvise, va, 4 << 20, 14, 0, 0, 0), 0);
    put8(va + 5, 1);
    put8(va + CHUNK_SIZE + 5, 2);
    (void)map(va + (4 << 20), P, LPROT_READ, ANON | LMAP_FIXED);
    struct space *child = space_fork(own());
    int64_t to = remap(va, 4 << 20, 6 << 20, 1, 0);
    cr_assert_gt(to, 0);
    cr_assert_eq(get8(own(), to + CHUNK_SIZE + 5), 2);
    cr_assert_eq(get8(child, va + 5), 1);
    put8(to + 5, 9);
    cr_assert_eq(get8(child, va + 5), 1);
    check(own());
    check(child);
    space_put(child);
}
Test(space, mremap_moves_2_mib_pages_whole_and_shared_pages_after_fork) { moves_whole(); }
Test(space, mremap_moves_2_mib_pages_whole_and_shared_pages_after_fork_large)
{
    be_large();
    moves_whole();
}

Test(space, mremap_shows_nothing_that_it_unmaps_first)
{
    int64_t va = map(0, 2 * P, RW, LMAP_SHARED | LMAP_ANONYMOUS);
    put8(va, 1);
    uint64_t free_before = mem_free_pages();
    cr_assert_eq(call(sys_mremap, (uint64_t)va, 0, 2 * P, 3 /* MAYMOVE, FIXED */, (uint64_t)va, 0),
                 -EFAULT);
    cr_assert_geq(mem_free_pages(), free_before);
    check(own());
}

/* A page that waits for mprotect() to come back, which a child refers to as well. */
Test(space, write_without_memory_fails_and_loses_nothing)
{
    int64_t va = map(0, 32 * P, RW, ANON);
    put8(va, 7);
    struct space *child = space_fork(own());
    cr_assert_neq(child, NULL);
    cr_assert_eq(protect(va, 32 * P, 0), 0);
    cr_assert_eq(protect(va, 32 * P, RW), 0);
    gpa_t g, last = GPA_NONE;
    for (g = frame_alloc(false); gpa_ok(g); g = frame_alloc(false)) { last = g; }
    uint8_t nine = 9;
    cr_assert_neq(copy_to_user(va, &nine, 1), 0);
    cr_assert_eq(get8(own(), va), 7);
    frame_put(last);
    put8(va, 9);
    cr_assert_eq(get8(own(), va), 9);
    cr_assert_eq(get8(child, va), 7);
}

Test(space, move_without_memory_fails_and_loses_nothing)
{
    int64_t va = map(0, 4 * P, RW, ANON), to = 0x10000000000;
    put8(va, 7);
    cr_assert_eq(protect(va, 4 * P, 0), 0);
    while (gpa_ok(frame_alloc(false))) {}
    while (mem_alloc(512) != NULL) {} /* what the object's nodes are made of */
    cr_assert_eq(remap((uint64_t)va, 4 * P, 4 * P, 3, (uint64_t)to), -ENOMEM);
    cr_assert_eq(protect(va, 4 * P, RW), 0);
    cr_assert_eq(get8(own(), va), 7);
}

/* The loop over what a mapping may hold follows its tables, not its size. */
Test(space, hole_of_8_tib_is_punched_at_once, .timeout = 20)
{
    int64_t va = map(0, 8ull << 40, RW, LMAP_SHARED | LMAP_ANONYMOUS | 0x4000 /* NORESERVE */);
    cr_assert_gt(va, 0);
    put8(va + 5 * P, 1);
    cr_assert_eq(call(sys_madvise, (uint64_t)va, 8ull << 40, 9 /* REMOVE */, 0, 0, 0), 0);
    cr_assert_eq(get8(own(), va + 5 * P), 0);
}

Test(space, tables_are_counted_without_waiting_for_memory)
{
    uint32_t t = 0;
    while (t < 600) { t = table_new(1, false); }
    while (gpa_ok(frame_alloc(false))) {}
    while (t != TABLE_NONE && t < 1100) { t = table_new(1, false); }
    cr_assert_eq(t, 1100);
}

Test(space, last_tables_are_kept_for_giving_memory_back)
{
    while (table_new(1, false) != TABLE_NONE) {}
    for (unsigned i = 0; i < 64; i++) { cr_assert_neq(table_new(1, true), TABLE_NONE, "%u", i); }
}

Test(space, dontneed_zeroes_private_memory_and_keeps_shared)
{
    int64_t va = map(0, 20 * P, RW, ANON), sh = map(0, 2 * P, RW, LMAP_SHARED | LMAP_ANONYMOUS);
    put8(va + 5 * P, 1);
    put8(va + 15 * P, 2);
    put8(sh, 3);
    cr_assert_eq(call(sys_madvise, va, 10 * P, 4, 0, 0, 0), 0);
    cr_assert_eq(call(sys_madvise, sh, 2 * P, 4, 0, 0, 0), 0);
    cr_assert_eq(get8(own(), va + 5 * P), 0);
    cr_assert_eq(get8(own(), va + 15 * P), 2);
    cr_assert_eq(get8(own(), sh), 3);
    cr_assert_eq(call(sys_madvise, va, P, 102, 0, 0, 0), -EINVAL);
    cr_assert_eq(call(sys_madvise, va + 1, P, 4, 0, 0, 0), -EINVAL);
    cr_assert_eq(call(sys_madvise, 0x10000000, P, 4, 0, 0, 0), -ENOMEM);
}

Test(space, mincore_msync_and_mlock_judge_the_range)
{
    int64_t va = map(0, 32 * P, RW, ANON);
    uint64_t vec = standin_user_alloc(64);
    put8(va + 16 * P, 1);
    cr_assert_eq(call(sys_mincore, va, 32 * P, vec, 0, 0, 0), 0);
    cr_assert_eq(get8(own(), vec + 0), 0);
    cr_assert_eq(get8(own(), vec + 16), 1);
    cr_assert_eq(call(sys_mlock, va, 32 * P, 0, 0, 0, 0), 0);
    cr_assert_eq(tree_count(own(), va, va + 32 * P), 32);
    cr_assert_eq(call(sys_msync, va, 32 * P, 4, 0, 0, 0), 0);
    cr_assert_eq(call(sys_msync, va, 32 * P, 5, 0, 0, 0), -EINVAL);
    cr_assert_eq(call(sys_msync, 0x10000000, P, 4, 0, 0, 0), -ENOMEM);
    cr_assert_eq(call(sys_mlock, 0x10000000, P, 0, 0, 0, 0), -ENOMEM);
}

/* ---- random ---------------------------------------------------------------------------------- */

#include "guest/random.h"

Test(space, chacha20_block_is_that_of_rfc_8439_with_counter_1_and_no_nonce)
{
    /*
     * openssl enc -chacha20 -K 00…00 -iv 01000000000000000000000000000000 over zeros, OpenSSL 3.0
     */
    static const uint32_t key[8];
    static const uint8_t want[16] = {0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a,
                                     0x98, 0xba, 0x97, 0x7c, 0x73, 0x2d, 0x08, 0x0d};
    uint32_t out[16];
    chacha20_block(key, 1, out);
    cr_assert_arr_eq((uint8_t *)out, want, sizeof want);
}

Test(space, random_bytes_differ_each_time)
{
    uint8_t a[100] = {0}, b[100] = {0};
    random_bytes(a, sizeof a);
    random_bytes(b, sizeof b);
    cr_assert_neq(memcmp(a, b, sizeof a), 0);
    cr_assert_neq(memcmp(a + 68, b + 68, 32), 0);
}
