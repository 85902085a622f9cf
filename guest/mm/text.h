/* SPDX-License-Identifier: Apache-2.0 */
/* Changing instructions of an application, for x86/patch.c. */
#ifndef CASEMATE_GUEST_MM_TEXT_H
#define CASEMATE_GUEST_MM_TEXT_H

#include "guest/mm/mm.h"

struct text_edit {
    uint64_t va;
    uint8_t bytes[16];
    uint8_t len; /* does not cross a page */
};

/* Is va in a private mapping of a file that can be executed and not written? */
bool space_is_file_text(const struct space *s, uint64_t va);
/*
 * All edits become visible, or as many as memory allows in their order: edits of one page stand together, what an edit
 * depends on stands before it. 0, -EFAULT (not text that only we change), -ENOMEM.
 */
MUST_CHECK int space_edit_text(struct space *s, const struct text_edit *edits, size_t count);
/* A new page of executable zeros below va and at most `distance` away; 0: there is no room. */
uint64_t space_page_below(struct space *s, uint64_t va, uint64_t distance);

#endif
