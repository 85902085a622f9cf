/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing instructions of an application. A page that is mapped is never written: each change makes a new private copy
 * of the page, changed while nobody can execute it, and exchanges the entry; so every processor runs either the old
 * bytes or the new ones, whole. The file keeps its own bytes, and read() shows them.
 */
#include "guest/mm/text.h"

#include "guest/mm/frames.h"
#include "guest/mm/space.h"

/* Private, readable, executable, not writable: nobody but us changes it. */
static struct region *text_region(const struct space *s, uint64_t va)
{
    struct region *r = region_find(s, va);
    return r != NULL && r->prot == (LPROT_READ | LPROT_EXEC) && (r->flags & REGION_SHARED) == 0
               ? r
               : NULL;
}

bool space_is_file_text(const struct space *s, uint64_t va)
{
    const struct region *r = text_region(s, va);
    return r != NULL && r->file != NULL;
}

/* The page as it is, present and in a table of this space's own. */
static uint64_t *text_entry(struct gather *g, uint64_t va, uint32_t *out_t)
{
    if (space_page(g->s, va, false) == NULL) { return NULL; }
    *out_t = tree_own(g, va, 1, false);
    return *out_t != TABLE_NONE ? (uint64_t *)table_at(*out_t) + tree_index(va, 1) : NULL;
}

int space_edit_text(struct space *s, const struct text_edit *edits, size_t count)
{
    struct gather g;
    uint32_t t;
    int err = 0;

    for (size_t i = 0; i < count; i++) {
        if (text_region(s, edits[i].va) == NULL ||
            edits[i].va % PAGE_SIZE + edits[i].len > PAGE_SIZE) {
            return -EFAULT;
        }
    }
    gather_start(&g, s);
    for (size_t i = 0; i < count && err == 0;) {
        uint64_t page = align_down(edits[i].va, PAGE_SIZE);
        const uint64_t *e = text_entry(&g, page, &t);
        gpa_t copy = e != NULL ? frame_alloc(false) : GPA_NONE;
        if (!gpa_ok(copy)) {
            err = -ENOMEM;
            break;
        }
        uint64_t old = *e;
        memcpy(frame_va(copy), frame_va(entry_frame(old)), PAGE_SIZE);
        for (; i < count && align_down(edits[i].va, PAGE_SIZE) == page; i++) {
            memcpy((char *)frame_va(copy) + edits[i].va % PAGE_SIZE, edits[i].bytes, edits[i].len);
        }
        table_set(t, 1, tree_index(page, 1), 1, copy.v | (old & ~PTE_FRAME));
        gather_page(&g, page);
        gather_frame(&g, entry_frame(old));
    }
    gather_finish(&g);
    return err;
}

uint64_t space_page_below(struct space *s, uint64_t va, uint64_t distance)
{
    struct region *r = region_find(s, va);
    while (r != NULL && va - r->lo < distance) {
        const struct region *below = region_prev(r);
        uint64_t gap_lo = below != NULL ? below->hi : USER_LOWEST;
        if (r->lo >= gap_lo + 4 * PAGE_SIZE && region_range_free(s, r->lo - PAGE_SIZE, r->lo)) {
            int64_t at = space_map(s, r->lo - PAGE_SIZE, PAGE_SIZE, LPROT_READ | LPROT_EXEC,
                                   LMAP_PRIVATE | LMAP_ANONYMOUS | LMAP_FIXED_NOREPLACE, NULL, 0);
            return at > 0 ? (uint64_t)at : 0;
        }
        r = region_prev(r);
    }
    return 0;
}
