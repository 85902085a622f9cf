/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the library OS: frames, memory objects, address spaces, and the only way to
 * application memory.
 *
 * Frames are 4 KiB, named by guest-physical address, counted by references (mappings, memory
 * objects, holders). A memory object (mobj) is a sparse array of frames: tmpfs file contents,
 * shared anonymous memory, memfd. One per inode, mapped directly, so read, write and every mapping
 * see the same bytes. An address space is a page-table root plus its regions. Page tables go
 * through tables.h, which hides the two regimes.
 */
#ifndef CASEMATE_GUEST_MM_MM_H
#define CASEMATE_GUEST_MM_MM_H

#include "firmware/abi/layout.h"
#include "guest/los.h"

/* ---- frames (frames.c) ----------------------------------------------------------------------- */

#define GPA_NONE ((gpa_t){UINT64_MAX})
static inline bool gpa_ok(gpa_t g) { return g.v != UINT64_MAX; }

gpa_t frame_alloc(bool zeroed); /* one reference; GPA_NONE when memory is out */
/* 2 MiB aligned, 512 frames with one reference each, zeroed */
gpa_t chunk_alloc(void);
void frame_get(gpa_t g);
void frame_put(gpa_t g); /* last reference frees */
uint32_t frame_refs(gpa_t g);
void *frame_va(gpa_t g); /* library-OS address of a frame; stays valid while referenced */
uint64_t mem_total_pages(void);
uint64_t mem_free_pages(void);

/* ---- memory objects (mobj.c) ----------------------------------------------------------------- */

struct mobj;
struct mobj *mobj_new(void); /* empty, size 0, one reference */
void mobj_get(struct mobj *o);
void mobj_put(struct mobj *o);
uint64_t mobj_size(const struct mobj *o);  /* bytes */
uint64_t mobj_pages(const struct mobj *o); /* frames held, for st_blocks and limits */
/*
 * Sets the size; shrinking frees frames, zeroes the tail of the last and zaps every mapping of
 * what went.
 */
int mobj_truncate(struct mobj *o, uint64_t size);
int mobj_punch(struct mobj *o, uint64_t off, uint64_t len); /* zeroes; whole frames are freed */
uint64_t mobj_maps(const struct mobj *o); /* mappings of it, a child's too */
/* Does a shared mapping exist that may be written, or made so? */
bool mobj_writable_maps(const struct mobj *o);
/*
 * The frame at page index idx; `create` allocates a zero one. Not referenced for the caller.
 * GPA_NONE: hole or no memory.
 */
gpa_t mobj_frame(struct mobj *o, uint64_t idx, bool create);
/*
 * The same with create for a writer that is about to fill the whole page: a new frame (*out_new) is
 * not zeroed, and what the writer leaves out is for it to clear.
 */
gpa_t mobj_frame_to_fill(struct mobj *o, uint64_t idx, bool *out_new);

/* ---- moving bytes (uio.c, uaccess.c) --------------------------------------------------------- */

/*
 * Applications have [0, LOS_LO) and [USER_HIGH_LO, USER_TOP). As a host process the upper part
 * belongs to the host's libraries, so there it is empty.
 */
#define TASK_SIZE 0x7ffffffff000ull /* as Linux: one page below the end of the lower half */
#ifdef CASEMATE_STANDIN
#define USER_HIGH_LO LOS_LO
#define USER_TOP     LOS_LO
#else
#define USER_HIGH_LO LOS_HI
#define USER_TOP     TASK_SIZE
#endif
/* Is [va, va + len) application memory? */
MUST_CHECK bool user_range_ok(uint64_t va, uint64_t len);
/* 0 or -EFAULT. Never sleep. Faults on the way are resolved (copy-on-write, first touch). */
MUST_CHECK int copy_from_user(void *dst, uint64_t va, size_t len);
MUST_CHECK int copy_to_user(uint64_t va, const void *src, size_t len);
MUST_CHECK int clear_user(uint64_t va, size_t len);
/* Bytes moved before the first fault. */
size_t copy_from_user_part(void *dst, uint64_t va, size_t len);
size_t copy_to_user_part(uint64_t va, const void *src, size_t len);
size_t clear_user_part(uint64_t va, size_t len);
/* Length without NUL, -EFAULT, or -ENAMETOOLONG when no NUL lies within size bytes. */
MUST_CHECK int64_t user_string(char *dst, uint64_t va, size_t size);
MUST_CHECK int get_user_u32(uint64_t va, uint32_t *out);
MUST_CHECK int get_user_u64(uint64_t va, uint64_t *out);
MUST_CHECK int put_user_u32(uint64_t va, uint32_t v);
MUST_CHECK int put_user_u64(uint64_t va, uint64_t v);
/* Atomic on application memory: *old = *va, then if equal to expect store v. 0 or -EFAULT. */
MUST_CHECK int cmpxchg_user_u32(uint64_t va, uint32_t expect, uint32_t v, uint32_t *old);

/*
 * One transfer between the library OS and a buffer that is application memory or the library OS's
 * own, in pieces. File operations see only this.
 */
struct uvec {
    uint64_t base, len;
};
#define UIO_MAX 0x7ffff000ull /* bytes of one transfer, as Linux */
#define IOV_MAX 1024
struct uio {
    const struct uvec *vec; /* pieces; private copy */
    size_t count, at;       /* pieces; index of the current one */
    uint64_t off;           /* inside the current piece */
    uint64_t left;          /* bytes still to move, over all pieces */
    bool kernel;            /* addresses are library-OS pointers */
    struct uvec one;        /* storage for the single-buffer case */
};
void uio_user(struct uio *u, uint64_t va, uint64_t len);
void uio_kernel(struct uio *u, void *p, uint64_t len);
/*
 * readv and friends: copies and checks the vector (EINVAL, EFAULT); `vec` holds IOV_MAX entries or
 * is mem_alloc'd.
 */
MUST_CHECK int uio_vec(struct uio *u, uint64_t iov_va, uint64_t count, struct uvec **take_vec);
/*
 * Bytes moved; short only when application memory faults (then further calls move 0 and the caller
 * returns EFAULT or what it has).
 */
size_t uio_put(struct uio *u, const void *src, size_t len); /* library OS -> buffer  (read)  */
size_t uio_get(struct uio *u, void *dst, size_t len);       /* buffer -> library OS  (write) */
size_t uio_zero(struct uio *u, size_t len);

/* ---- address spaces (space.c, vma.c, fault.c) ------------------------------------------------ */

struct space;
struct file;
struct space *space_new(void);             /* NULL: no memory */
struct space *space_fork(struct space *s); /* copy-on-write copy; flushes the parent */
void space_get(struct space *s);
void space_put(struct space *s);
void space_load(struct space *s); /* this vCPU; no-op when loaded */
/*
 * A fault of the application (or of the library OS in uaccess). err = #PF error code. 0: retry;
 * -EFAULT (no region), -EACCES (protection), -ENXIO (past end of file: SIGBUS), -ENOMEM.
 */
int space_fault(struct space *s, uint64_t va, uint64_t err);
/*
 * Kernel-side mapping used by exec and start-up; prot/flags are Linux's. Returns address or
 * -errno.
 */
int64_t space_map(struct space *s, uint64_t va, uint64_t len, int prot, int flags, struct file *f,
                  uint64_t off);
int space_unmap(struct space *s, uint64_t va, uint64_t len);
/* Text of /proc/PID/maps into a growing buffer is made by fs/proc.c from this walk. */
struct region_info {
    uint64_t lo, hi, off;
    int prot;
    bool shared, stack, heap;
    struct file *file; /* borrowed */
};
/* The first region at or above va. False: none. */
bool space_region(const struct space *s, uint64_t va, struct region_info *out);
struct space_stat {
    uint64_t size_pages, rss_pages, shared_pages, stack_pages, data_pages, text_pages;
    uint64_t minor_faults;
    uint64_t start_brk, brk, start_stack, arg_lo, arg_hi, env_lo, env_hi;
};
void space_stat(const struct space *s, struct space_stat *out);
/* Maps the vDSO for exec, by whoever has one (x86/vdso.c); its ELF header's address, 0: none. */
uint64_t vdso_map(struct space *s);
/*
 * Another process's memory (proc files, exec); bytes moved before the first page that cannot be
 * reached.
 */
size_t space_read(struct space *s, uint64_t va, void *dst, size_t len);
size_t space_write(struct space *s, uint64_t va, const void *src, size_t len);
/*
 * The byte at va through the direct map, valid to the end of its page until the next call that may
 * unmap or sleep. Faults are resolved. NULL: not accessible that way.
 */
char *space_page(struct space *s, uint64_t va, bool write);

#endif
