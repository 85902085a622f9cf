/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks entering the direct map, over a ward and tables that are played here. */
#include <criterion/criterion.h>

#include "guest/mm/tables.h"
#include "guest/ward.h"

static struct handoff page = {.flags = HANDOFF_GUARDED};
const struct handoff *handoff = &page;

static unsigned accepted, set;
static uint32_t next_table = TABLE_NONE;

int64_t ward_call(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)
{
    (void)a0, (void)a2, (void)a3, (void)a4;
    cr_assert_eq(nr, WARD_RAM_ACCEPT);
    accepted += (unsigned)a1;
    return 0;
}
uint32_t table_new(unsigned level, bool reserve)
{
    (void)level, (void)reserve;
    return next_table;
}
void table_link(uint32_t t, unsigned i, uint32_t child, uint64_t flags)
{
    (void)t, (void)i, (void)child, (void)flags;
}
void table_set(uint32_t t, unsigned level, unsigned i, unsigned n, uint64_t pte)
{
    (void)t, (void)level, (void)i, (void)pte;
    set += n;
}
void tables_sync(void) {}

/* The ward takes a second acceptance for a host that replays pages, and stops the guest. */
Test(direct, chunk_without_a_table_is_not_accepted)
{
    cr_assert_eq(ram_chunks_map(512, 1), -ENOMEM);
    cr_assert_eq(accepted, 0);
    next_table = 77;
    cr_assert_eq(ram_chunks_map(511, 2), 0); /* the end of one GiB and the start of the next */
    cr_assert_eq(accepted, 2);
    cr_assert_eq(set, 2);
}
