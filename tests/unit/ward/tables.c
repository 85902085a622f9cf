/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guarded regime against hostile ring 3: firmware/ward/tables.c as a host program, with the table region and one
 * vCPU area mapped at their fixed addresses. What is claimed are the invariants T1 to T4 at the top of that file.
 */
#include "firmware/ward/ward.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define RAM_SIZE    (64ull << 20)
#define TABLES_SIZE CHUNK_SIZE
#define WARD_GPA    (TABLES_GPA - 0x40000)
#define WINDOW      (5ull << 30)
#define FREE_CHUNK                                                                                 \
    ((TABLES_GPA + TABLES_SIZE) / CHUNK_SIZE) /* first chunk that ring 3 may accept */

extern uint8_t ward_core_levels[CORE_TABLES];

/* What the real ward has elsewhere. */
struct ward_state ward_state;
uint64_t ward_flush_seq;
static bool panicked;
void ward_panic(enum panic_code code)
{
    (void)code;
    panicked = true;
    _exit(42);
}

static void *map_at(uint64_t va, size_t len)
{
    void *p = mmap((void *)va, len, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    cr_assert_eq(p, (void *)va);
    return p;
}

/* Runs fn on the stack that the ward would use: its own area is found by masking rsp. */
static ucontext_t test_context;
static void on_ward_stack(void (*fn)(void))
{
    static ucontext_t ward;
    getcontext(&ward);
    ward.uc_stack.ss_sp = (void *)(WARD_CPU + CPU_PRIVATE);
    ward.uc_stack.ss_size = CPU_STRIDE - CPU_PRIVATE;
    ward.uc_link = &test_context;
    makecontext(&ward, fn, 0);
    swapcontext(&test_context, &ward);
}

static void setup(void)
{
    map_at(WARD_TABLES, TABLES_SIZE);
    map_at(WARD_CPU, 3 * CPU_STRIDE);
    ward_state = (struct ward_state){.ram_end = {RAM_SIZE, 0},
                                     .window_lo = WINDOW,
                                     .window_hi = WINDOW + (16ull << 20),
                                     .tables_size = TABLES_SIZE,
                                     .ward_gpa = WARD_GPA,
                                     .guarded = 1,
                                     .cpus = 1};
    ward_core_levels[T_ROOT] = 4;
    ward_core_levels[T_DIRECT_L2] = 2;
    ward_core_levels[20] = 1 | 0x80; /* a table of the ward's own */
}

static int64_t new_table(uint64_t level) { return tables_call(WARD_TABLE_NEW, level, 0, 0, 0); }
static int64_t set(uint64_t t, uint64_t i, uint64_t n, uint64_t pte)
{
    return tables_call(WARD_TABLE_SET, t, i | n << 32, pte, 0);
}
static int64_t link_to(uint64_t t, uint64_t i, uint64_t child, uint64_t flags)
{
    return tables_call(WARD_TABLE_LINK, t, i, child, flags);
}
/* As the ward does when a vCPU drops all its translations. */
static void flushed(unsigned cpu) { *vcpu_epoch(cpu) = ++ward_flush_seq; }
static uint64_t entry(int64_t t, unsigned i)
{
    return ((uint64_t *)(WARD_TABLES + (uint64_t)t * PAGE_SIZE))[i];
}

TestSuite(ward_tables, .init = setup);

Test(ward_tables, maps_only_accepted_ram_outside_the_ward)
{
    uint64_t free_gpa = FREE_CHUNK * CHUNK_SIZE;
    int64_t t = new_table(1);
    cr_assert_geq(t, (int64_t)CORE_TABLES);
    cr_expect_eq(set(t, 0, 1, free_gpa | PTE_W), -EPERM, "not accepted yet");
    cr_assert_eq(chunk_accept(FREE_CHUNK, 1), 0);
    cr_expect_eq(set(t, 0, 1, free_gpa | PTE_W), 0);
    cr_expect_eq(set(t, 1, 2, free_gpa + CHUNK_SIZE - PAGE_SIZE), -EPERM,
                 "second page lies in a chunk not accepted");
    cr_expect_eq(set(t, 1, 1, WARD_GPA), -EPERM);
    cr_expect_eq(set(t, 1, 1, WARD_GPA - PAGE_SIZE), 0, "boot region below the ward");
    cr_expect_eq(set(t, 2, 2, WARD_GPA - PAGE_SIZE), -EPERM, "runs into the ward");
    cr_expect_eq(set(t, 1, 1, TABLES_GPA + 5 * PAGE_SIZE), -EPERM, "a table page");
    cr_expect_eq(set(t, 1, 1, RAM_SIZE), -EPERM);
    cr_expect_eq(set(t, 1, 1, APIC_GPA), -EPERM);
    cr_expect_eq(set(t, 1, 1, FW_GPA), -EPERM);
    cr_expect_eq(set(t, 1, 1, WINDOW), 0);
    cr_expect_eq(set(t, 1, 1, WINDOW - PAGE_SIZE), -EPERM);
    cr_expect_eq(set(t, 1, 2, WINDOW + (16ull << 20) - PAGE_SIZE), -EPERM);
}

Test(ward_tables, forces_user_and_present_and_refuses_other_bits)
{
    int64_t t = new_table(1);
    cr_assert_eq(set(t, 0, 1, WINDOW | PTE_NX), 0);
    cr_expect_eq(entry(t, 0), WINDOW | PTE_NX | PTE_P | PTE_U);
    cr_expect_eq(set(t, 0, 1, WINDOW | 0x100), -EINVAL, "global");
    cr_expect_eq(set(t, 0, 1, WINDOW | PTE_PS), -EINVAL, "PAT bit at level 1");
    cr_expect_eq(set(t, 0, 1, WINDOW | 1ull << 52), -EINVAL);
    int64_t big = new_table(2);
    cr_expect_eq(set(big, 0, 1, WINDOW), -EINVAL, "a leaf at level 2 has PS");
    cr_expect_eq(set(big, 0, 1, WINDOW | PTE_PS | PAGE_SIZE), -EPERM, "unaligned");
    cr_expect_eq(set(big, 0, 8, WINDOW | PTE_PS), 0);
    cr_expect_eq(set(big, 8, 9, WINDOW | PTE_PS), -EPERM, "past the window");
    cr_expect_eq(set(new_table(3), 0, 1, WINDOW | PTE_PS), -EINVAL, "no leaves at level 3");
}

Test(ward_tables, refuses_ranges_that_leave_the_table)
{
    int64_t t = new_table(1);
    cr_expect_eq(set(t, 511, 2, WINDOW), -EINVAL);
    cr_expect_eq(set(t, 512, 1, WINDOW), -EINVAL);
    cr_expect_eq(set(t, 0, 0, WINDOW), -EINVAL);
    cr_expect_eq(set(t, 0xffffffff, 1, WINDOW), -EINVAL);
    cr_expect_eq(set(t, 1, 0xffffffff, WINDOW), -EINVAL);
    cr_expect_eq(set(1u << 20, 0, 1, WINDOW), -EINVAL, "no such table");
    cr_expect_eq(set((uint64_t)t | 1ull << 32, 0, 1, WINDOW), -EINVAL, "index is 64 bits");
    cr_expect_eq(set(20, 0, 1, WINDOW), -EINVAL, "the ward's own table");
    cr_expect_eq(set(30, 0, 1, WINDOW), -EINVAL, "a build-time place that is empty");
}

Test(ward_tables, links_go_down_one_level_and_count)
{
    int64_t root = new_table(4), l3 = new_table(3), l2 = new_table(2), l1 = new_table(1);
    cr_expect_eq(link_to(root, 0, l3, PTE_W), 0);
    cr_expect_eq(link_to(l3, 0, l2, PTE_W), 0);
    cr_expect_eq(link_to(l2, 0, l1, PTE_W), 0);
    cr_expect_eq(link_to(l3, 1, l1, PTE_W), -EINVAL, "skips a level");
    cr_expect_eq(link_to(l2, 1, l3, PTE_W), -EINVAL, "goes up");
    cr_expect_eq(link_to(l1, 0, l1, PTE_W), -EINVAL);
    cr_expect_eq(link_to(l2, 1, 20, PTE_W), -EINVAL, "the ward's own table as a child");
    cr_expect_eq(link_to(l2, 1, l1, PTE_PS), -EINVAL);
    cr_expect_eq(tables_call(WARD_TABLE_FREE, l1, 0, 0, 0), -EBUSY);
    cr_expect_eq(link_to(l2, 5, l1, PTE_W), 0, "shared");
    cr_expect_eq(link_to(l2, 0, WARD_NONE, 0), 0);
    cr_expect_eq(tables_call(WARD_TABLE_FREE, l1, 0, 0, 0), -EBUSY, "one link is left");
    cr_expect_eq(link_to(l2, 5, WARD_NONE, 0), 0);
    cr_expect_eq(tables_call(WARD_TABLE_FREE, l1, 0, 0, 0), 0);
}

Test(ward_tables, a_link_is_no_leaf_and_a_leaf_no_link)
{
    int64_t l2 = new_table(2), l1 = new_table(1);
    cr_assert_eq(link_to(l2, 0, l1, PTE_W), 0);
    cr_expect_eq(set(l2, 0, 1, WINDOW | PTE_PS), -EBUSY);
    cr_assert_eq(set(l2, 1, 1, WINDOW | PTE_PS), 0);
    cr_expect_eq(link_to(l2, 1, l1, PTE_W), -EBUSY);
}

Test(ward_tables, upper_slots_of_a_root_stay_those_of_the_first)
{
    ((uint64_t *)WARD_TABLES)[PML4_LOS_LO] = 0x1234067;
    int64_t root = new_table(4), l3 = new_table(3);
    cr_expect_eq(entry(root, PML4_LOS_LO), 0x1234067);
    cr_expect_eq(link_to(root, PML4_LOS_LO, l3, PTE_W), -EINVAL);
    cr_expect_eq(link_to(root, PML4_LOS_LO - 1, l3, PTE_W), 0);
    cr_expect_eq(link_to(root, PML4_LOS_HI - 1, l3, PTE_W), -EINVAL);
    cr_expect_eq(link_to(root, PML4_LOS_HI, l3, PTE_W), 0,
                 "stacks and mappings of the application");
    cr_expect_eq(link_to(root, 256, l3, PTE_W), -EINVAL);
    cr_expect_eq(tables_call(WARD_TABLE_MASK, root, (PML4_LOS_LO - 1) | 40ull << 32, PTE_W, 0),
                 -EINVAL, "spans them");
    cr_expect_eq(tables_call(WARD_TABLE_MASK, root, PML4_LOS_LO | 1ull << 32, PTE_W, 0), -EINVAL);
    cr_expect_eq(entry(root, PML4_LOS_LO), 0x1234067);
}

Test(ward_tables, copies_take_references)
{
    int64_t a = new_table(2), b = new_table(2), l1 = new_table(1);
    cr_assert_eq(link_to(a, 3, l1, PTE_W), 0);
    cr_expect_eq(tables_call(WARD_TABLE_COPY, b, a, 0 | 512ull << 32, PTE_W), 0);
    cr_expect_eq(entry(b, 3), entry(a, 3) & ~PTE_W);
    cr_expect_eq(tables_call(WARD_TABLE_COPY, b, a, 0 | 512ull << 32, 0), -EBUSY, "not empty");
    cr_expect_eq(tables_call(WARD_TABLE_COPY, l1, a, 0 | 1ull << 32, 0), -EINVAL, "levels differ");
    cr_expect_eq(tables_call(WARD_TABLE_FREE, b, 0, 0, 0), -EBUSY, "it links to l1");
    cr_expect_eq(link_to(b, 3, WARD_NONE, 0), 0);
    cr_expect_eq(tables_call(WARD_TABLE_FREE, b, 0, 0, 0), 0);
    cr_expect_eq(tables_call(WARD_TABLE_FREE, l1, 0, 0, 0), -EBUSY, "a still links it");
    cr_expect_eq(link_to(a, 3, WARD_NONE, 0), 0);
    cr_expect_eq(tables_call(WARD_TABLE_FREE, l1, 0, 0, 0), 0);
}

Test(ward_tables, mask_reports_what_was_set_and_clears_only_rights)
{
    int64_t t = new_table(1);
    cr_assert_eq(set(t, 4, 1, WINDOW | PTE_W | PTE_A | PTE_D), 0);
    cr_expect_eq(tables_call(WARD_TABLE_MASK, t, 4 | 2ull << 32, PTE_W, 0),
                 (int64_t)(PTE_W | PTE_A | PTE_D));
    cr_expect_eq(entry(t, 4) & PTE_W, 0);
    cr_expect_eq(tables_call(WARD_TABLE_MASK, t, 4 | 1ull << 32, PTE_U, 0), -EINVAL);
    cr_expect_eq(tables_call(WARD_TABLE_MASK, t, 4 | 1ull << 32, PTE_P, 0), -EINVAL);
}

static int64_t loaded_root;
static void load_root(void)
{
    uint64_t cr3 = 0;
    cr_assert_eq(tables_root((uint64_t)loaded_root, &cr3), 0);
    cr_assert_eq(cr3, TABLES_GPA + (uint64_t)loaded_root * PAGE_SIZE);
}

Test(ward_tables, a_loaded_root_is_not_freed_and_a_leaf_table_is_no_root)
{
    uint64_t cr3 = 0;
    loaded_root = new_table(4);
    on_ward_stack(load_root);
    cr_expect_eq(tables_call(WARD_TABLE_FREE, (uint64_t)loaded_root, 0, 0, 0), -EBUSY);
    cr_expect_eq(tables_root((uint64_t)new_table(3), &cr3), -EINVAL);
    cr_expect_eq(tables_root(20, &cr3), -EINVAL);
}

Test(ward_tables, a_freed_table_waits_for_a_flush_and_comes_back_zero)
{
    int64_t t = new_table(1);
    ward_state.cpus = 3;
    *vcpu_ticket(1) = 1; /* runs; vCPU 2 was never started and has translated nothing */
    cr_assert_eq(set(t, 7, 1, WINDOW | PTE_W), 0);
    flushed(0);
    flushed(1);
    cr_assert_eq(tables_call(WARD_TABLE_FREE, t, 0, 0, 0), 0);
    for (int64_t fresh = 0; (fresh = new_table(1)) != -EAGAIN;) {
        cr_assert_geq(fresh, 0);
        cr_assert_neq(fresh, t, "some vCPU may still translate through it");
    }
    flushed(0);
    cr_expect_eq(new_table(1), -EAGAIN, "vCPU 1 has not flushed");
    flushed(1);
    cr_expect_eq(new_table(1), t);
    cr_expect_eq(entry(t, 7), 0);
    cr_expect_eq(new_table(1), -ENOMEM);
}

Test(ward_tables, a_number_taken_before_the_free_does_not_cover_it)
{
    int64_t t = new_table(1);
    while (new_table(1) >= 0) {}
    uint64_t seq = ++ward_flush_seq; /* a flush begins */
    cr_assert_eq(tables_call(WARD_TABLE_FREE, t, 0, 0, 0), 0);
    *vcpu_epoch(0) = seq; /* and ends */
    cr_expect_eq(new_table(1), -EAGAIN);
}

Test(ward_tables, patience_does_not_make_an_old_flush_a_new_one)
{
    int64_t t = new_table(1);
    while (new_table(1) >= 0) {}
    ward_state.cpus = 2;
    *vcpu_ticket(1) = 1;
    flushed(1);
    ward_flush_seq += 0x80000001u; /* the other vCPU's, for minutes */
    cr_assert_eq(tables_call(WARD_TABLE_FREE, t, 0, 0, 0), 0);
    flushed(0);
    cr_expect_eq(new_table(1), -EAGAIN, "vCPU 1 has not flushed");
}

Test(ward_tables, accepting_twice_is_a_panic, .exit_code = 42)
{
    cr_assert_eq(chunk_accept(FREE_CHUNK, 1), 0);
    (void)chunk_accept(FREE_CHUNK, 1);
}

Test(ward_tables, accept_refuses_what_is_not_free_ram)
{
    cr_expect_eq(chunk_accept(0, 1), -EINVAL, "boot region");
    cr_expect_eq(chunk_accept(TABLES_GPA / CHUNK_SIZE, 1), -EINVAL, "table region");
    cr_expect_eq(chunk_accept(RAM_SIZE / CHUNK_SIZE, 1), -EINVAL);
    cr_expect_eq(chunk_accept(FREE_CHUNK, UINT64_MAX), -EINVAL);
}

Test(ward_tables, region_runs_out_with_an_error)
{
    int64_t t = 0, last = 0;
    for (unsigned i = 0; i < 1000 && (t = new_table(1)) >= 0; i++) { last = t; }
    cr_expect_eq(t, -ENOMEM);
    cr_expect_lt(last, (int64_t)(TABLES_SIZE / PAGE_SIZE - 2),
                 "the bookkeeping at the end of the region is no table");
}

static int64_t batch_done;
static void run_batch(void) { batch_done = tables_batch(4); }

Test(ward_tables, a_batch_stops_at_the_first_error)
{
    int64_t t = new_table(1);
    struct vpage *v = (struct vpage *)WARD_CPU;
    for (unsigned i = 0; i < 4; i++) {
        v->ops[i] = (struct ward_op){
            WARD_TABLE_SET, (uint32_t)t, {i | 1ull << 32, i == 2 ? APIC_GPA : WINDOW, 0}};
    }
    on_ward_stack(run_batch);
    cr_expect_eq(batch_done, 2);
    cr_expect_neq(entry(t, 1), 0);
    cr_expect_eq(entry(t, 2), 0);
    cr_expect_eq(entry(t, 3), 0);
    cr_expect_eq(tables_batch(WARD_OPS_MAX + 1), -EINVAL);
}

/* T1 under random calls: whatever ring 3 asks for, no entry of a table that it can name ever maps what it must not. */
Test(ward_tables, no_sequence_of_calls_maps_forbidden_memory)
{
    unsigned seed = 1;
    cr_assert_eq(chunk_accept(FREE_CHUNK, 3), 0);
    for (unsigned n = 0; n < 200000; n++) {
        uint64_t nr = WARD_TABLE_NEW + (uint64_t)rand_r(&seed) % 6;
        uint64_t a0 =
            nr == WARD_TABLE_NEW ? (uint64_t)rand_r(&seed) % 6 : (uint64_t)rand_r(&seed) % 64;
        uint64_t a1 = (uint64_t)rand_r(&seed) % 600 | (uint64_t)(rand_r(&seed) % 4) << 32;
        uint64_t a2 = (uint64_t)(rand_r(&seed) % 0x9000) << 12 | (uint64_t)(rand_r(&seed) % 0x100);
        uint64_t a3 = (uint64_t)(rand_r(&seed) % 3) * PTE_W;
        if (nr == WARD_TABLE_LINK || nr == WARD_TABLE_COPY) {
            a1 = (uint64_t)rand_r(&seed) % 64;
            a2 = (uint64_t)rand_r(&seed) % 64;
        }
        (void)tables_call(nr, a0, a1, a2, a3);
        if (n % 64 == 0) { flushed(0); }
    }
    for (unsigned t = CORE_TABLES; t < 64; t++) {
        for (unsigned i = 0; i < 512; i++) {
            uint64_t e = entry(t, i), gpa = e & PTE_FRAME;
            if ((e & PTE_P) == 0 || (gpa >= TABLES_GPA && gpa < TABLES_GPA + TABLES_SIZE)) {
                continue;
            } /* links */
            bool ok = gpa < WARD_GPA ||
                      (gpa >= FREE_CHUNK * CHUNK_SIZE && gpa < (FREE_CHUNK + 3) * CHUNK_SIZE) ||
                      (gpa >= WINDOW && gpa < WINDOW + (16ull << 20));
            cr_assert(ok, "table %u entry %u maps 0x%lx", t, i, gpa);
            cr_assert(e & PTE_U);
        }
    }
    cr_assert_not(panicked);
}
