/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside mm/: an address space is a root table, regions, and a stash.
 *
 *   regions  what the application asked for: [lo, hi), protection, what is behind it. Sorted,
 *            disjoint, merged.
 *   tables   what is there now. A cache of the regions, except for private pages, which live only
 *            here...
 *   stash    ...or here, while their region is PROT_NONE: no table entry can hold a page nobody
 *            may touch.
 *
 * Invariants
 *   1  A present entry lies in a region and permits at most what the region permits; PROT_NONE
 *      regions have none.
 *   2  A path is writable only if every entry on it has W. A table with more than one reference is
 *      linked only without W, so it is never written through; a frame with more than one reference
 *      is mapped with W only where its region is shared.
 *   3  Nothing that was reachable is freed before the flush that follows its removal (struct
 *      gather).
 */
#ifndef CASEMATE_GUEST_MM_SPACE_H
#define CASEMATE_GUEST_MM_SPACE_H

#include "guest/mm/mobj.h"
#include "guest/mm/tables.h"

/* Linux's numbers */
#define LPROT_READ           1
#define LPROT_WRITE          2
#define LPROT_EXEC           4
#define LPROT_ALL            7
#define LMAP_SHARED          0x01
#define LMAP_PRIVATE         0x02
#define LMAP_SHARED_VALIDATE 0x03
#define LMAP_TYPE            0x0f
#define LMAP_FIXED           0x10
#define LMAP_ANONYMOUS       0x20
#define LMAP_32BIT           0x40
#define LMAP_GROWSDOWN       0x100
#define LMAP_LOCKED          0x2000
#define LMAP_POPULATE        0x8000
#define LMAP_NONBLOCK        0x10000
#define LMAP_STACK           0x20000
#define LMAP_HUGETLB         0x40000
#define LMAP_SYNC            0x80000
#define LMAP_FIXED_NOREPLACE 0x100000

#define PF_PRESENT 1u /* #PF error code */
#define PF_WRITE   2u
#define PF_FETCH   16u

#define USER_LOWEST  0x10000ull /* vm.mmap_min_addr */
#define REGIONS_MAX  65530u     /* vm.max_map_count */
#define STACK_GAP    (256 * PAGE_SIZE)
#define FAULT_WINDOW 16u            /* pages mapped at a first fault */
#define EAGER_MAP    (2ull << 20)   /* of a file segment is mapped before it is touched         */
#define EAGER_FIRST  (256ull << 10) /* of a file mapping anywhere: the first segment of a library */
#define EAGER_COPY   (64ull << 10)  /* writable segments and bss up to this are made at once    */

#define REGION_SHARED     0x01u
#define REGION_STACK      0x02u /* grows down      */
#define REGION_HEAP       0x04u /* brk             */
#define REGION_DONTFORK   0x08u
#define REGION_WIPEONFORK 0x10u
#define REGION_HUGE       0x20u /* MADV_HUGEPAGE   */
#define REGION_NOHUGE     0x40u
#define REGION_MAYWRITE   0x80u /* of shared files: opened for writing */

struct region {
    struct region *left, *right; /* tree by lo */
    uint32_t priority;
    uint32_t flags; /* REGION_* */
    uint64_t lo, hi;
    uint64_t off; /* byte of the object at lo; 0 for anonymous memory */
    int prot;
    uint32_t window;   /* pages of the last fault window              */
    uint64_t next_va;  /* its end: a fault here is a sequential one   */
    struct mobj *mobj; /* NULL: private anonymous */
    struct file *file; /* NULL: anonymous         */
    struct space *space;
    struct list link; /* space.regions, by address */
    struct list of_mobj;
};

struct space {
    /* processes, and whoever looks at it meanwhile: at 0 its memory goes            */
    uint32_t users;
    /* 1 while there are users, 1 per vCPU that has the root loaded: at 0 the root goes */
    uint32_t refs;
    uint32_t root;
    uint32_t cpus; /* vCPUs that have the root loaded */
    struct region *tree;
    struct list regions;
    uint32_t region_count;
    uint64_t pages;     /* sum of the regions */
    struct mobj *stash; /* by page number; NULL: empty */
    uint64_t id;        /* never used twice */
    uint64_t parent_id; /* of the space whose tables this one's are a copy of; 0: none */
    uint64_t mmap_top;  /* searched downwards from here */
    uint64_t start_brk, brk, start_stack, arg_lo, arg_hi, env_lo, env_hi;
    uint64_t minor_faults;
};

/* ---- region.c -------------------------------------------------------------------------------- */

/* lowest with hi > va, or NULL */
struct region *region_at_or_above(const struct space *s, uint64_t va);
struct region *region_find(const struct space *s, uint64_t va);
struct region *region_next(const struct region *r);
struct region *region_prev(const struct region *r);
/*
 * Insert a region made of *want (lo, hi, off, prot, flags, mobj, file): takes references, merges
 * with neighbours.
 */
MUST_CHECK int region_add(struct space *s, const struct region *want);
/* Splits so that lo and hi are borders. -ENOMEM: no memory or too many regions. */
MUST_CHECK int regions_cut(struct space *s, uint64_t lo, uint64_t hi);
void region_remove(struct space *s, struct region *r); /* unlinks; region_free() after the flush */
void region_free(struct region *r);
/* Joins equal neighbours that touch inside or at the borders of [lo, hi). */
void regions_merge(struct space *s, uint64_t lo, uint64_t hi);
/* A free range, searched from the top down; 0: none. */
uint64_t region_gap(const struct space *s, uint64_t len, uint64_t align, bool below_2g);
bool region_range_free(const struct space *s, uint64_t lo, uint64_t hi);

/* ---- tree.c ---------------------------------------------------------------------------------- */

#define GATHER_FRAMES 64
#define GATHER_TABLES 16

/*
 * What a change has to flush, and what may be freed only after that. gather_finish() also sends
 * queued table changes.
 */
struct gather {
    struct space *s;
    uint64_t lo, hi; /* to flush; empty when lo >= hi */
    bool all;
    unsigned frames, tables;
    uint64_t frame[GATHER_FRAMES]; /* gpa, | 1 for a whole chunk */
    struct {
        uint32_t t;
        unsigned level;
    } table[GATHER_TABLES];
};
void gather_start(struct gather *g, struct space *s);
void gather_page(struct gather *g, uint64_t va); /* its translation changed */
void gather_frame(struct gather *g, gpa_t f);    /* drop a reference afterwards */
void gather_finish(struct gather *g);

/* The leaf entry for va; entry 0: none. */
struct leaf {
    uint64_t entry;
    uint32_t t;
    unsigned level, i;
    bool path;     /* W on every link above it */
    bool writable; /* and on the entry         */
};
struct leaf tree_find(const struct space *s, uint64_t va);
gpa_t leaf_frame(const struct leaf *l, uint64_t va); /* the 4 KiB frame */
static inline unsigned tree_index(uint64_t va, unsigned level)
{
    return (unsigned)(va >> (12 + 9 * (level - 1))) & (TABLE_ENTRIES - 1);
}
/*
 * The table of that level (1 or 2) for va, this space's alone, with a writable path; missing
 * tables are made, shared ones copied, 2 MiB pages above level 1 split. TABLE_NONE: no table left.
 */
uint32_t tree_own(struct gather *g, uint64_t va, unsigned level, bool reserve);
/* Removes every entry in [lo, hi), and whole tables inside it. */
void tree_clear(struct gather *g, uint64_t lo, uint64_t hi);
/* Narrows or changes present entries to w and nx (0 or PTE_NX); W is only ever taken away. */
MUST_CHECK int tree_protect(struct gather *g, uint64_t lo, uint64_t hi, bool w, uint64_t nx);
uint64_t tree_count(const struct space *s, uint64_t lo, uint64_t hi); /* pages present */
void tree_drop(uint32_t t, unsigned level); /* one reference; releases what it held */
/*
 * Both ways to make the empty space `to` a copy-on-write copy; `from` loses W and needs a flush.
 */
void tree_share(struct space *from, struct space *to); /* links to the same tables */
/* tables of its own; false: no table left */
MUST_CHECK bool tree_copy(struct space *from, struct space *to);
/* every page goes, the tables that are its own stay for tree_copy() */
void tree_empty(struct gather *g);
unsigned tree_leaf_tables(const struct space *s, unsigned most); /* counted up to `most` */

/* ---- fault.c --------------------------------------------------------------------------------- */

/*
 * Maps the pages of [lo, hi), inside one region, that the region allows; write: private copies
 * too. 0 or as space_fault.
 */
int space_populate(struct space *s, uint64_t lo, uint64_t hi, bool write);

/* ---- fork.c ---------------------------------------------------------------------------------- */

#define SPARE_TABLES 24u /* leaf tables of a dead child that is kept, at most */
/* A dead child's root and its empty tables, kept for its parent's next child. */
void spare_keep(uint64_t parent_id, uint32_t take_root);
void spare_drop(uint64_t parent_id); /* the parent is gone */

/* ---- space.c --------------------------------------------------------------------------------- */

/* space_new() with this root; TABLE_NONE or no memory: NULL */
struct space *space_on(uint32_t take_root);
void space_flush(struct space *s, uint64_t lo, uint64_t hi, bool all);
void flush_everywhere(void); /* everything, on all vCPUs */
void space_barrier(struct space *s); /* every vCPU that runs s passes a full barrier */
int space_protect(struct space *s, uint64_t lo, uint64_t hi, int prot);
void space_discard(struct space *s, uint64_t lo, uint64_t hi); /* pages go, regions stay */

#endif
