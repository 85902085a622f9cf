/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page tables in the guarded regime: they live in the table region, which ring 3 can read but never write, and change
 * only here. Ring 3 names tables by index and builds the tree; nothing here walks one.
 *
 *   T1  an entry maps only accepted RAM outside the ward, or the shared window; so no frame is both a table and data
 *   T2  a link goes from level n to level n - 1; refs(child) = number of links to it; a table with refs is never freed
 *   T3  a freed table is used again only after every started vCPU dropped all translations since, and is zeroed first
 *   T4  slots of the library OS and the ward in a root are those of T_ROOT; ring 3 sets application slots only
 *   T5  live(chunk) = number of leaf entries into it; a chunk is released only at 0
 *
 * Everything is under one spin lock: the library OS calls one at a time anyway, hostile ring 3 may not.
 */
#include "firmware/ward/ward.h"

#define LEVEL_LEAF 1
#define LEVEL_ROOT 4
#define ENTRIES    512
#define NIL        0xffffffffu
#define APP_SLOTS  256 /* roots: the lower half */

enum table_use { TABLE_FREE = 0, TABLE_USED, TABLE_WARD /* ring 3 may not name it */ };

struct table_meta {
    uint32_t refs;
    uint32_t next; /* free list */
    uint32_t freed_epoch;
    uint8_t level;
    uint8_t use; /* enum table_use */
    uint16_t reserved;
};
ABI_SIZE(struct table_meta, 16);

/* The region ends with one table_meta per page and one chunk word per 2 MiB of RAM. */
#define CHUNK_ACCEPTED 0x80000000u

/* Levels of the build-time tables, 0 = not there, | 0x80 = the ward's own. Written by mkimage.c. */
uint8_t ward_core_levels[CORE_TABLES];

static struct {
    bool ready;
    uint32_t lock;
    uint32_t count; /* tables that can be named */
    uint32_t fresh; /* first index never used; such pages are zero */
    uint32_t free_head, free_tail;
    struct table_meta *meta;
    uint32_t *chunk;
    uint64_t chunks;
    uint32_t epoch;
    uint32_t cpu_epoch[CPU_MAX];
    uint32_t cpu_root[CPU_MAX];
} g;

static uint64_t *entries(uint32_t t) { return (uint64_t *)(WARD_TABLES + (uint64_t)t * PAGE_SIZE); }

static void setup(void)
{
    uint64_t pages = ward_state.tables_size / PAGE_SIZE;
    uint64_t ram_end = ward_state.ram_end[1] != 0 ? ward_state.ram_end[1] : ward_state.ram_end[0];
    uint64_t end = WARD_TABLES + ward_state.tables_size;

    g.chunks = ram_end / CHUNK_SIZE;
    g.meta = (struct table_meta *)(end - pages * sizeof(struct table_meta));
    g.chunk = (uint32_t *)((uint64_t)g.meta - g.chunks * sizeof(uint32_t));
    g.count = (uint32_t)(((uint64_t)g.chunk - WARD_TABLES) / PAGE_SIZE);
    g.fresh = CORE_TABLES;
    g.free_head = g.free_tail = NIL;
    for (uint32_t t = 0; t < CORE_TABLES; t++) {
        uint8_t level = ward_core_levels[t];
        g.meta[t].level = level & 0x7f;
        g.meta[t].use = level == 0 ? TABLE_FREE : (level & 0x80) != 0 ? TABLE_WARD : TABLE_USED;
        g.meta[t].refs = 1; /* built in: never freed */
    }
    for (uint64_t c = 0; c < BOOT_SIZE / CHUNK_SIZE; c++) { g.chunk[c] = CHUNK_ACCEPTED; }
    for (unsigned cpu = 0; cpu < CPU_MAX; cpu++) { g.cpu_root[cpu] = T_ROOT; }
    g.ready = true;
}

static void lock(void)
{
    while (__atomic_exchange_n(&g.lock, 1, __ATOMIC_ACQUIRE) != 0) { cpu_relax(); }
    if (!g.ready) { setup(); }
}
static void unlock(void) { __atomic_store_n(&g.lock, 0, __ATOMIC_RELEASE); }

static struct table_meta *named(uint64_t t)
{
    if (t >= g.count || g.meta[t].use != TABLE_USED) { return NULL; }
    __asm__ volatile("lfence" ::: "memory");
    return &g.meta[t];
}

/* [lo, hi) is one piece of accepted RAM outside the ward, or of the window. */
static bool mappable(uint64_t lo, uint64_t hi)
{
    if (hi <= lo) { return false; }
    if (lo >= ward_state.window_lo && hi <= ward_state.window_hi) { return true; }
    bool low = hi <= ward_state.ram_end[0];
    bool high = lo >= HOLE_HI && hi <= ward_state.ram_end[1];
    if (!low && !high) { return false; }
    if (lo < TABLES_GPA + ward_state.tables_size && hi > ward_state.ward_gpa) { return false; }
    for (uint64_t c = lo / CHUNK_SIZE; c <= (hi - 1) / CHUNK_SIZE; c++) {
        if ((g.chunk[c] & CHUNK_ACCEPTED) == 0) { return false; }
    }
    return true;
}

static void live(uint64_t entry, int32_t delta)
{
    uint64_t c = (entry & PTE_FRAME) / CHUNK_SIZE;
    if (c < g.chunks) { g.chunk[c] = (uint32_t)((int32_t)g.chunk[c] + delta); }
}

static bool is_leaf(uint8_t level, uint64_t e)
{
    return (e & PTE_P) != 0 && (level == LEVEL_LEAF || (level == 2 && (e & PTE_PS) != 0));
}

static void unlink_child(uint64_t e)
{
    uint64_t t = ((e & PTE_FRAME) - TABLES_GPA) / PAGE_SIZE;
    g.meta[t].refs--;
}

/* May ring 3 change entries [i, i + n) of a table of this level? In a root only the application's slots. */
static bool slots_ok(uint8_t level, uint64_t i, uint64_t n)
{
    uint64_t end = level == LEVEL_ROOT ? APP_SLOTS : ENTRIES;

    if (n == 0 || i >= end || n > end - i) { return false; }
    return level != LEVEL_ROOT || i + n <= PML4_LOS_LO || i >= PML4_LOS_HI;
}

static int64_t table_new(uint64_t level)
{
    uint32_t t;

    if (level < LEVEL_LEAF || level > LEVEL_ROOT) { return -EINVAL; }
    t = g.free_head;
    bool usable = t != NIL;
    for (unsigned cpu = 0; usable && cpu < ward_state.cpus; cpu++) {
        usable = (int32_t)(g.cpu_epoch[cpu] - g.meta[t].freed_epoch) > 0;
    }
    if (usable) {
        uint64_t *e = entries(t);
        uint64_t n = ENTRIES;
        g.free_head = g.meta[t].next;
        if (g.free_head == NIL) { g.free_tail = NIL; }
        __asm__ volatile("rep stosq" : "+D"(e), "+c"(n) : "a"(0ull) : "memory");
    } else {
        if (g.fresh >= g.count) { return -ENOMEM; }
        t = g.fresh++;
    }
    g.meta[t] = (struct table_meta){.level = (uint8_t)level, .use = TABLE_USED};
    if (level == LEVEL_ROOT) {
        for (unsigned i = PML4_LOS_LO; i < PML4_LOS_HI; i++) { entries(t)[i] = entries(T_ROOT)[i]; }
    }
    return t;
}

static int64_t table_free(uint64_t t)
{
    struct table_meta *m = named(t);

    if (m == NULL) { return -EINVAL; }
    if (m->refs != 0) { return -EBUSY; }
    for (unsigned cpu = 0; cpu < ward_state.cpus; cpu++) {
        if (g.cpu_root[cpu] == t) { return -EBUSY; }
    }
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t e = entries((uint32_t)t)[i];
        if ((e & PTE_P) == 0 || !slots_ok(m->level, i, 1)) { continue; }
        if (is_leaf(m->level, e)) {
            live(e, -1);
        } else {
            unlink_child(e);
        }
    }
    m->use = TABLE_FREE;
    m->freed_epoch = g.epoch;
    m->next = NIL;
    if (g.free_tail == NIL) {
        g.free_head = (uint32_t)t;
    } else {
        g.meta[g.free_tail].next = (uint32_t)t;
    }
    g.free_tail = (uint32_t)t;
    return 0;
}

/* i | n << 32 inside a table of that level that ring 3 may change there. */
static bool range_ok(const struct table_meta *m, uint64_t in, uint32_t *out_i, uint32_t *out_n)
{
    *out_i = (uint32_t)in;
    *out_n = (uint32_t)(in >> 32);
    return slots_ok(m->level, *out_i, *out_n);
}

static int64_t table_set(uint64_t t, uint64_t in, uint64_t pte)
{
    struct table_meta *m = named(t);
    uint32_t i, n;

    if (m == NULL || m->level > 2 || !range_ok(m, in, &i, &n)) { return -EINVAL; }
    uint64_t step = m->level == 2 ? CHUNK_SIZE : PAGE_SIZE;
    uint64_t frame = pte & PTE_FRAME;
    if (pte != 0) {
        uint64_t flags = pte & ~PTE_FRAME;
        uint64_t allowed =
            PTE_P | PTE_U | PTE_W | PTE_NX | PTE_A | PTE_D | (m->level == 2 ? PTE_PS : 0);
        if ((flags & ~allowed) != 0 || (m->level == 2) != ((flags & PTE_PS) != 0)) {
            return -EINVAL;
        }
        if ((frame & (step - 1)) != 0 || !mappable(frame, frame + n * step)) { return -EPERM; }
        pte |= PTE_P | PTE_U;
    }
    uint64_t *e = entries((uint32_t)t) + i;
    for (uint32_t k = 0; k < n; k++) {
        if ((e[k] & PTE_P) != 0 && !is_leaf(m->level, e[k])) { return -EBUSY; }
    }
    for (uint32_t k = 0; k < n; k++) {
        if ((e[k] & PTE_P) != 0) { live(e[k], -1); }
        e[k] = pte;
        if (pte != 0) {
            live(pte, 1);
            pte += step;
        }
    }
    return 0;
}

static int64_t table_link(uint64_t t, uint64_t i, uint64_t child, uint64_t flags)
{
    struct table_meta *m = named(t), *c = NULL;

    if (m == NULL || m->level == LEVEL_LEAF || !slots_ok(m->level, i, 1)) { return -EINVAL; }
    if (child != WARD_NONE) {
        c = named(child);
        if (c == NULL || c->level != m->level - 1 ||
            (flags & ~(PTE_P | PTE_U | PTE_W | PTE_NX | PTE_A)) != 0) {
            return -EINVAL;
        }
        if (c->refs == UINT32_MAX) { return -EMLINK; }
    }
    uint64_t *e = entries((uint32_t)t) + i;
    if (is_leaf(m->level, *e)) { return -EBUSY; }
    if ((*e & PTE_P) != 0) { unlink_child(*e); }
    *e = 0;
    if (c != NULL) {
        c->refs++;
        *e = (TABLES_GPA + child * PAGE_SIZE) | flags | PTE_P | PTE_U;
    }
    return 0;
}

static int64_t table_mask(uint64_t t, uint64_t in, uint64_t clear)
{
    struct table_meta *m = named(t);
    uint32_t i, n;
    uint64_t old = 0;

    if (m == NULL || !range_ok(m, in, &i, &n) || (clear & ~(PTE_W | PTE_A | PTE_D)) != 0) {
        return -EINVAL;
    }
    for (uint64_t *e = entries((uint32_t)t) + i; n > 0; e++, n--) {
        if ((*e & PTE_P) != 0) { old |= __atomic_fetch_and(e, ~clear, __ATOMIC_SEQ_CST); }
    }
    return (int64_t)(old & (PTE_W | PTE_A | PTE_D));
}

static int64_t table_copy(uint64_t dst, uint64_t src, uint64_t in, uint64_t clear)
{
    struct table_meta *d = named(dst), *s = named(src);
    uint32_t i, n;

    if (d == NULL || s == NULL || d == s || d->level != s->level || !range_ok(d, in, &i, &n) ||
        (clear & ~(PTE_W | PTE_A | PTE_D)) != 0) {
        return -EINVAL;
    }
    uint64_t *to = entries((uint32_t)dst) + i, *from = entries((uint32_t)src) + i;
    for (uint32_t k = 0; k < n; k++) {
        if ((to[k] & PTE_P) != 0) { return -EBUSY; }
    }
    for (uint32_t k = 0; k < n; k++) {
        uint64_t e = from[k];
        if ((e & PTE_P) == 0) { continue; }
        if (is_leaf(s->level, e)) {
            live(e, 1);
        } else {
            g.meta[((e & PTE_FRAME) - TABLES_GPA) / PAGE_SIZE].refs++;
        }
        to[k] = e & ~clear;
    }
    return 0;
}

static int64_t call_locked(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
    switch (nr) {
    case WARD_TABLE_NEW: return table_new(a0);
    case WARD_TABLE_FREE: return table_free(a0);
    case WARD_TABLE_SET: return table_set(a0, a1, a2);
    case WARD_TABLE_LINK: return table_link(a0, a1, a2, a3);
    case WARD_TABLE_MASK: return table_mask(a0, a1, a2);
    case WARD_TABLE_COPY: return table_copy(a0, a1, a2, a3);
    default: return -ENOSYS;
    }
}

int64_t tables_call(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
    if (!ward_state.guarded) { return -ENOSYS; }
    lock();
    int64_t r = call_locked(nr, a0, a1, a2, a3);
    unlock();
    return r;
}

int64_t tables_batch(uint64_t n)
{
    const volatile struct ward_op *ops = my_vpage()->ops;
    uint64_t done = 0;

    if (!ward_state.guarded || n > WARD_OPS_MAX) { return -EINVAL; }
    lock();
    for (; done < n; done++) {
        uint32_t call = ops[done].call,
                 t = ops[done].table; /* private copies: ring 3 may be writing */
        uint64_t a1 = ops[done].arg[0], a2 = ops[done].arg[1], a3 = ops[done].arg[2];
        if (call_locked(call, t, a1, a2, a3) < 0) { break; }
    }
    unlock();
    return (int64_t)done;
}

int64_t tables_root(uint64_t t, uint64_t *out_cr3)
{
    int64_t r = -EINVAL;

    lock();
    struct table_meta *m = named(t);
    if (m != NULL && m->level == LEVEL_ROOT) {
        g.cpu_root[my_cpu()] = (uint32_t)t;
        *out_cr3 = TABLES_GPA + t * PAGE_SIZE;
        r = 0;
    }
    unlock();
    return r;
}

void tables_flushed(unsigned cpu)
{
    lock();
    g.cpu_epoch[cpu] = ++g.epoch;
    unlock();
}

int64_t chunk_accept(uint64_t chunk, uint64_t n)
{
    int64_t r = 0;

    if (!ward_state.guarded) { return 0; } /* RAM is plain memory and nobody counts */
    lock();
    if (chunk >= g.chunks || n > g.chunks - chunk) { r = -EINVAL; }
    for (uint64_t c = chunk; r == 0 && c < chunk + n; c++) {
        uint64_t gpa = c * CHUNK_SIZE;
        bool ram = gpa + CHUNK_SIZE <= ward_state.ram_end[0] ||
                   (gpa >= HOLE_HI && gpa < ward_state.ram_end[1]);
        if (!ram || gpa < TABLES_GPA + ward_state.tables_size) {
            r = -EINVAL;
            break;
        }
        if ((g.chunk[c] & CHUNK_ACCEPTED) != 0) { ward_panic(PANIC_WARD_ACCEPT_TWICE); }
        g.chunk[c] = CHUNK_ACCEPTED;
    }
    unlock();
    return r;
}

int64_t chunk_release(uint64_t chunk, uint64_t n)
{
    int64_t r = 0;

    if (!ward_state.guarded) { return 0; }
    lock();
    if (chunk < BOOT_SIZE / CHUNK_SIZE || chunk >= g.chunks || n > g.chunks - chunk) {
        r = -EINVAL;
    }
    for (uint64_t c = chunk; r == 0 && c < chunk + n; c++) {
        if (g.chunk[c] != CHUNK_ACCEPTED) {
            r = -EBUSY;
            break;
        }
        g.chunk[c] = 0;
    }
    unlock();
    return r;
}
