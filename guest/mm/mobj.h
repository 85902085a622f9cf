/* SPDX-License-Identifier: Apache-2.0 */
/* Inside mm/: what mappings know of a memory object. */
#ifndef CASEMATE_GUEST_MM_MOBJ_H
#define CASEMATE_GUEST_MM_MOBJ_H

#include "guest/mm/mm.h"

struct mobj {
    uint32_t refs;
    unsigned height;  /* levels of nodes */
    uint64_t root;    /* frame or node   */
    uint64_t size;    /* bytes           */
    uint64_t pages;   /* frames held     */
    struct list maps; /* regions that map it, by region.of_mobj */
};

/*
 * Removes pages with index in [lo, hi) from every mapping (space.c). `copies`: private copies too
 * (truncation), else only the object's own frames (punched holes).
 */
void mobj_zap(struct mobj *o, uint64_t lo, uint64_t hi, bool copies);

/*
 * An object as a plain array of frames (space.stash). Taking a frame hands its reference to the
 * caller.
 */
/* -ENOMEM: the frame stays the caller's */
MUST_CHECK int mobj_insert(struct mobj *o, uint64_t idx, gpa_t take_frame);
/* GPA_NONE: nothing there */
gpa_t mobj_take(struct mobj *o, uint64_t idx);
/* frames with index in [lo, hi) */
void mobj_remove(struct mobj *o, uint64_t lo, uint64_t hi);
/* the same frames; NULL: no memory */
struct mobj *mobj_clone(const struct mobj *o);

#endif
