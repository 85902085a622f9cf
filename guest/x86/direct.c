/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RAM and the shared window enter the library OS's own mappings. Chunks are accepted and mapped when the frame allocator
 * first wants them, by 2 MiB pages that are present before anybody touches them: no ring-0 code runs on first touch.
 */
#include "guest/mm/tables.h"
#include "guest/ward.h"

#define GIB_CHUNKS 512u
#define RAM_FLAGS  (PTE_P | PTE_U | PTE_W | PTE_A | PTE_D | PTE_PS | PTE_NX)

/* Level-2 table of each GiB of the direct map; made when first needed. */
static uint32_t direct_l2[512] = {T_DIRECT_L2};

static uint32_t direct_table(uint64_t gib)
{
    if (gib == 0 || direct_l2[gib] != 0) { return direct_l2[gib]; }
    uint32_t t = table_new(2, true);
    if (t == TABLE_NONE) { return TABLE_NONE; }
    direct_l2[gib] = t;
    table_link(T_DIRECT_L3, (unsigned)gib, t, PTE_LINK | PTE_W);
    return t;
}

int ram_chunks_map(uint64_t chunk, uint64_t count)
{
    while (count > 0) {
        uint64_t gib = chunk / GIB_CHUNKS;
        unsigned i = (unsigned)(chunk % GIB_CHUNKS);
        unsigned n = (unsigned)min_u64(count, GIB_CHUNKS - i);
        if (gib >= ARRAY_COUNT(direct_l2)) { return -ENOMEM; }
        uint32_t t = direct_table(gib); /* before accepting, which nobody survives twice */
        if (t == TABLE_NONE) { return -ENOMEM; }
        if (ward_guarded() && ward_call(WARD_RAM_ACCEPT, chunk, n, 0, 0, 0) < 0) { return -ENOMEM; }
        table_set(t, 2, i, n, chunk * CHUNK_SIZE | RAM_FLAGS);
        chunk += n;
        count -= n;
    }
    tables_sync();
    return 0;
}

void window_map(void)
{
    unsigned n = (unsigned)min_u64(handoff->window_size / CHUNK_SIZE, GIB_CHUNKS);
    table_set(T_WINDOW_L2, 2, 0, n, handoff->window_gpa | RAM_FLAGS);
    tables_sync();
}
