/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page tables in the guarded regime: they live in the table region, which ring 3 can read but never write, and change
 * only here. Ring 3 names tables by index and builds the tree; nothing here walks one.
 *
 *   T1  an entry maps only accepted RAM outside the ward, or the shared window; so no frame is both a table and data
 *   T2  a link goes from level n to level n - 1; refs(child) = number of links to it, links(table) = number of links in it;
 *       a table with refs or links is never freed
 *   T3  a freed table is used again only after every started vCPU dropped all translations since, and is zeroed first
 *   T4  slots of the library OS and the ward in a root are those of T_ROOT; ring 3 sets application slots only
 *
 * Leaf entries are not counted: no frame ever leaves the library OS, so a stale one shows ring 3 its own memory.
 * Everything is under one spin lock: the library OS calls one at a time anyway, hostile ring 3 may not.
 *
 * Where ring 0 is interpreted each instruction here is half a microsecond, and these loops are what a process costs: an
 * entry of a leaf table takes a store and a few instructions, a table is freed in constant time and zeroed only when no
 * fresh one is left.
 */
#include "firmware/ward/ward.h"

#define LEVEL_LEAF 1
#define LEVEL_ROOT 4
#define ENTRIES    512
#define NIL        0xffffffffu
#define APP_SLOTS  256 /* roots: the lower half */

enum table_use { TABLE_FREE = 0, TABLE_USED, TABLE_WARD /* ring 3 may not name it */ };

struct table_meta {
    union {
        uint32_t refs;
        uint64_t freed_seq; /* free: ward_flush_seq then */
    };
    uint32_t next; /* free list */
    uint8_t level;
    uint8_t use;    /* enum table_use */
    uint16_t links; /* at most ENTRIES */
};
ABI_SIZE(struct table_meta, WARD_TABLE_NOTE);

/* The region ends with one table_meta per page and one byte per 2 MiB of RAM, 1 = accepted. */

/* Levels of the build-time tables, 0 = not there, | 0x80 = the ward's own. Written by mkimage.c. */
uint8_t ward_core_levels[CORE_TABLES];

static struct {
    bool ready;
    uint32_t lock;
    uint32_t count; /* tables that can be named */
    uint32_t fresh; /* first index never used; such pages are zero */
    uint32_t free_head, free_tail;
    struct table_meta *meta;
    uint8_t *accepted;
    uint64_t chunks;
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
    g.accepted = (uint8_t *)g.meta - g.chunks;
    g.count = (uint32_t)(((uint64_t)g.accepted - WARD_TABLES) / PAGE_SIZE);
    g.fresh = CORE_TABLES;
    g.free_head = g.free_tail = NIL;
    for (uint32_t t = 0; t < CORE_TABLES; t++) {
        uint8_t level = ward_core_levels[t];
        g.meta[t].level = level & 0x7f;
        g.meta[t].use = level == 0 ? TABLE_FREE : (level & 0x80) != 0 ? TABLE_WARD : TABLE_USED;
        g.meta[t].refs = 1; /* built in: never freed */
    }
    for (uint64_t c = 0; c < BOOT_SIZE / CHUNK_SIZE; c++) { g.accepted[c] = 1; }
    for (unsigned cpu = 0; cpu < CPU_MAX; cpu++) { g.cpu_root[cpu] = T_ROOT; }
    g.ready = true;
}

static void lock(void)
{
    ward_lock(&g.lock);
    if (!g.ready) { setup(); }
}
static void unlock(void) { ward_unlock(&g.lock); }

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
        if (g.accepted[c] == 0) { return false; }
    }
    return true;
}

/* Entry e of a table of this level leads to a table. */
static bool is_link(uint8_t level, uint64_t e)
{
    return (e & PTE_P) != 0 && level != LEVEL_LEAF && (e & PTE_PS) == 0;
}

static struct table_meta *child_of(uint64_t link)
{
    return &g.meta[((link & PTE_FRAME) - TABLES_GPA) / PAGE_SIZE];
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
    if (g.fresh < g.count) {
        t = g.fresh++;
    } else {
        t = g.free_head;
        if (t == NIL) { return -ENOMEM; }
        for (unsigned cpu = 0; cpu < ward_state.cpus; cpu++) {
            if (cpu != 0 && *vcpu_ticket(cpu) == 0) { continue; } /* has translated nothing yet */
            if (*vcpu_epoch(cpu) <= g.meta[t].freed_seq) { return -EAGAIN; }
        }
        uint64_t *e = entries(t);
        uint64_t n = ENTRIES;
        g.free_head = g.meta[t].next;
        if (g.free_head == NIL) { g.free_tail = NIL; }
        __asm__ volatile("rep stosq" : "+D"(e), "+c"(n) : "a"(0ull) : "memory");
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
    if (m->refs != 0 || m->links != 0) { return -EBUSY; }
    for (unsigned cpu = 0; m->level == LEVEL_ROOT && cpu < ward_state.cpus; cpu++) {
        if (g.cpu_root[cpu] == t) { return -EBUSY; }
    }
    m->use = TABLE_FREE;
    /* Taken by a locked instruction: the stores that unlinked it are seen before a later flush begins. */
    m->freed_seq = __atomic_fetch_add(&ward_flush_seq, 1, __ATOMIC_SEQ_CST);
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
    uint64_t *e = entries((uint32_t)t) + i, *end = e + n;
    for (uint32_t k = 0; m->links != 0 && k < n; k++) {
        if (is_link(m->level, e[k])) { return -EBUSY; }
    }
    if (pte == 0) { step = 0; }
    for (; end - e >= 4; e += 4) {
        e[0] = pte;
        e[1] = pte += step;
        e[2] = pte += step;
        e[3] = pte += step;
        pte += step;
    }
    for (; e < end; e++, pte += step) { *e = pte; }
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
    if ((*e & PTE_P) != 0) {
        if (!is_link(m->level, *e)) { return -EBUSY; }
        child_of(*e)->refs--;
        m->links--;
    }
    *e = 0;
    if (c != NULL) {
        c->refs++;
        m->links++;
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
        if (is_link(s->level, e)) {
            if (child_of(e)->refs == UINT32_MAX) { return -EMLINK; }
            child_of(e)->refs++;
            d->links++;
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
        if (g.accepted[c] != 0) { ward_panic(PANIC_WARD_ACCEPT_TWICE); }
        g.accepted[c] = 1;
    }
    unlock();
    return r;
}
