/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ward's gates on a processor model, guarded, after an honest start: ring 3 that may do all that ring 3 can.
 */
#include "firmware/abi/sim.h"
#include "firmware/abi/ward.h"
#include "guest/abi/linux_errno.h"
#include "tests/model/model.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define FLAG_DF 0x400u

static struct model m;

static void setup(void)
{
    model_init(&m);
    model_launch(&m)->flags = LAUNCH_GUARDED;
    model_run(&m);
    cr_assert_eq(m.end, MODEL_LIBRARY_OS, "end %d code %u at 0x%lx", m.end, m.code, m.last_pc);
}
static void teardown(void) { model_fini(&m); }

static const struct core_header *header(void)
{
    return (const struct core_header *)(m.ram + CORE_END - model_launch(&m)->core.size);
}

static bool in_ward(const void *bytes, size_t len)
{
    uint64_t gpa = header()->ward_gpa;
    return memmem(m.ram + gpa, TABLES_GPA - gpa, bytes, len) != NULL;
}

TestSuite(ward, .init = setup, .fini = teardown, .timeout = 120);

Test(ward, copies_upwards_whatever_the_direction_flag)
{
    uint8_t value[48];
    for (size_t i = 0; i < sizeof value; i++) { value[i] = (uint8_t)(0xa0 + i); }
    memcpy(model_vpage(&m)->io, value, sizeof value);
    cr_assert_eq(model_call(&m, FLAG_DF, WARD_REGISTER_SET, 1, 0, 0, 0), 0);
    cr_expect(in_ward(value, sizeof value), "register 1 is not what ring 3 gave");
}

Test(ward, zeroes_a_reused_table_whatever_the_direction_flag)
{
    int64_t t = 0, n;
    uint64_t *e;

    for (n = 0; (n = model_call(&m, 0, WARD_TABLE_NEW, 1, 0, 0, 0)) >= 0;) { t = n; }
    cr_assert_eq(n, -ENOMEM);
    cr_assert_eq(
        model_call(&m, 0, WARD_TABLE_SET, (uint64_t)t, 500 | 1ull << 32, MODEL_WINDOW_GPA, 0), 0);
    cr_assert_eq(model_call(&m, 0, WARD_TABLE_FREE, (uint64_t)t, 0, 0, 0), 0);
    cr_assert_eq(model_call(&m, 0, WARD_FLUSH, 0, 0, 0, 0), 0);
    cr_assert_eq(model_call(&m, FLAG_DF, WARD_TABLE_NEW, 2, 0, 0, 0), t);
    e = (uint64_t *)(m.ram + TABLES_GPA + (uint64_t)t * PAGE_SIZE);
    cr_expect_eq(e[500], 0, "what was a leaf would now be a link: 0x%lx", e[500]);
}

/* Nothing that ring 3 links or copies shows it a page table that it may write. */
Test(ward, no_table_made_at_build_time_gives_ring_3_its_page_tables)
{
    int64_t mine = model_call(&m, 0, WARD_TABLE_NEW, 2, 0, 0, 0);
    cr_assert_geq(mine, (int64_t)CORE_TABLES);
    for (uint64_t t = 0; t < CORE_TABLES; t++) {
        (void)model_call(&m, 0, WARD_TABLE_LINK, T_TABLES_L3, 1 + t, t, PTE_W);
        (void)model_call(&m, 0, WARD_TABLE_COPY, (uint64_t)mine, t, 0 | 1ull << 32, 0);
    }
    (void)model_call(&m, 0, WARD_TABLE_LINK, T_TABLES_L3, 0, (uint64_t)mine, PTE_W);
    for (uint64_t i = 0; i <= CORE_TABLES; i++) {
        uint8_t *page = model_ring3_page(&m, LOS_TABLES + (i << 30), true);
        cr_expect(page == NULL || page < m.ram + header()->ward_gpa ||
                      page >= m.ram + TABLES_GPA + CHUNK_SIZE,
                  "entry %lu: ring 3 writes guest address 0x%lx", i, (uint64_t)(page - m.ram));
    }
}

Test(ward, ring_3_has_no_code_segment_but_the_64_bit_one)
{
    uc_x86_mmr gdtr;
    cr_assert_eq(uc_reg_read(m.uc, UC_X86_REG_GDTR, &gdtr), UC_ERR_OK);
    for (unsigned off = 0; off < SEL_TSS; off += 8) {
        uint64_t d = 0;
        cr_assert_eq(uc_mem_read(m.uc, gdtr.base + off, &d, sizeof d), UC_ERR_OK);
        bool present = (d >> 47 & 1) != 0, code = (d >> 43 & 3) == 3, ring3 = (d >> 45 & 3) == 3;
        cr_expect(!(present && code && ring3) || (d >> 53 & 1) != 0,
                  "selector 0x%x is 32-bit code: 0x%lx", off, d);
    }
}

/* LSTAR on a page of ring 3, where the instruction changes to ring 0, is ring 3 in ring 0. */
Test(ward, syscall_stays_the_wards_where_it_enters_ring_0)
{
    cr_assert_eq(model_call(&m, 0, WARD_SYSCALL_ENTERS, 0, 0, 0, 0), 0);
    cr_expect_eq(model_call(&m, 0, WARD_SYSCALL_TARGET, 0, 0, 0, 0), -EPERM);
}

Test(ward, an_nmi_leaves_ring_3_as_it_was)
{
    const struct model_ring3 before = {.rax = 1,
                                       .rbx = 2,
                                       .rcx = 3,
                                       .rdx = 4,
                                       .rsi = 5,
                                       .rdi = 6,
                                       .r8 = 7,
                                       .r10 = 8,
                                       .rip = LOS_TEXT + 0x100,
                                       .rsp = 0x7fff00000000,
                                       .rflags = 0x202};
    struct model_ring3 after = before;
    model_vpage(&m)->deferred = 0;
    model_vector(&m, 2, &after);
    cr_expect_eq(m.end, MODEL_RUNNING, "end %d code %u", m.end, m.code);
    cr_expect_eq(memcmp(&before, &after, sizeof before), 0, "rip 0x%lx rax %lu", after.rip,
                 after.rax);
    cr_expect_eq(model_vpage(&m)->deferred, 0);
}

Test(ward, a_machine_check_or_double_fault_is_the_end)
{
    static const uint32_t vectors[] = {8, 18};
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        struct model_ring3 r = {.rip = LOS_TEXT + 0x100, .rsp = 0x7fff00000000, .rflags = 0x202};
        model_vector(&m, vectors[i], &r);
        cr_expect_eq(m.end, MODEL_PANIC, "vector %u: end %d", vectors[i], m.end);
        cr_expect_eq(m.code, PANIC_WARD_EXCEPTION);
    }
}

static uint8_t *sim_page;
static void sign(struct model *model, uint8_t *request)
{
    struct sim_request *q = (struct sim_request *)request;
    (void)model;
    sim_page = request;
    q->result = 0;
}

/* On another vCPU a report may be in the making there at that moment. */
Test(ward, a_refused_request_never_lies_where_reports_are_signed)
{
    uint8_t data[64];
    m.on_sim = sign;
    memset(data, 0x5a, sizeof data);
    memcpy(model_vpage(&m)->io, data, sizeof data);
    cr_assert_eq(model_call(&m, 0, WARD_EVIDENCE, WARD_FORM_RAW, 0, 0, 0), SIM_REPORT_SIZE);
    memset(data, 0xc3, 48);
    memcpy(data + 48, "casemate-report1", 16);
    memcpy(model_vpage(&m)->io, data, sizeof data);
    cr_assert_eq(model_call(&m, 0, WARD_EVIDENCE, WARD_FORM_RAW, 0, 0, 0), -EPERM);
    cr_expect_neq(memcmp(((struct sim_request *)sim_page)->report_data, data, sizeof data), 0);
}
