/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: who uses which 4 KiB of RAM.
 *
 * RAM is used chunk by chunk (2 MiB). A chunk enters use by one ward call, which accepts it and
 * puts it into the direct map; until then nobody touches it. Every frame has a reference count and
 * a bit "free"; every chunk counts its free frames, so that whole chunks are found again for 2 MiB
 * pages. Frames come from chunks that are already broken before a whole chunk is broken.
 *
 * Invariants
 *   1  bit free <=> count 0, for frames of chunks in use.
 *   2  chunk.free = set bits of the chunk; a chunk in use is on `partial` when 0 < free < 512, on
 *      `whole` when 512.
 *   3  Frames of the boot region outside the early heap, and of the table region, have count 1 for
 *      ever.
 *   4  The head of a run of 2^n frames has count RUN | n, its other frames 1.
 *   5  Frames of a chunk from chunk.fresh on were never given out. Where the host is trusted (none,
 *      sim) they are still zero as its kernel gave them; in a TEE they hold what the host likes.
 */
#include "guest/mm/frames.h"

#include "guest/ward.h"

#define RUN 0x80000000u
/*
 * Chunks accepted by one ward call. Accepting is cheap where the host is trusted; a TEE pays per
 * chunk.
 */
#define DIRECT_GIB     (1ull << 30)
#define ACCEPT_OPEN    8u
#define ACCEPT_GUARDED 1u

struct chunk {
    struct list link;
    uint16_t free;
    uint16_t fresh;
    bool used; /* accepted and in the direct map */
};

static struct {
    uint64_t frames[HANDOFF_RAM_MAX]; /* per RAM range                                    */
    uint64_t base[HANDOFF_RAM_MAX];   /* gpa of the range                                 */
    uint64_t total, chunks;
    uint64_t fresh;       /* first chunk that may never have been in use      */
    uint64_t free_frames; /* in chunks in use                                 */
    uint64_t unused_chunks;
    uint32_t *refs;      /* [total]                                          */
    uint64_t *bits;      /* [total / 64], set = free                         */
    struct chunk *chunk; /* [chunks]                                         */
    struct list partial, whole;
    /* boot region: small host pages, dear to touch; used when nothing else is left */
    struct list reserve;
} m;

static uint64_t index_of(gpa_t g)
{
    if (g.v < m.base[0] + m.frames[0] * PAGE_SIZE) { return g.v / PAGE_SIZE; }
    return m.frames[0] + (g.v - m.base[1]) / PAGE_SIZE;
}

static gpa_t gpa_of(uint64_t index)
{
    if (index < m.frames[0]) { return (gpa_t){index * PAGE_SIZE}; }
    return (gpa_t){m.base[1] + (index - m.frames[0]) * PAGE_SIZE};
}

void *frame_va(gpa_t g) { return (void *)(uintptr_t)(LOS_DIRECT + g.v); }

uint64_t mem_total_pages(void) { return m.total; }

uint64_t mem_free_pages(void) { return m.free_frames + m.unused_chunks * CHUNK_FRAMES; }

/* ---- chunks ---------------------------------------------------------------------------------- */

static void chunk_relist(uint64_t c)
{
    struct chunk *k = &m.chunk[c];
    list_del(&k->link);
    if (c < BOOT_SIZE / CHUNK_SIZE) {
        if (k->free > 0) { list_add_head(&m.reserve, &k->link); }
    } else if (k->free == CHUNK_FRAMES) {
        list_add_head(&m.whole, &k->link);
    } else if (k->free > 0) {
        list_add_head(&m.partial, &k->link);
    }
}

static void frame_mark_free(uint64_t i)
{
    struct chunk *k = &m.chunk[i / CHUNK_FRAMES];
    m.bits[i / 64] |= 1ull << (i % 64);
    m.free_frames++;
    k->free++;
    if (k->free == 1 || k->free == CHUNK_FRAMES) { chunk_relist(i / CHUNK_FRAMES); }
}

static void frames_mark_used(uint64_t i, unsigned count)
{
    struct chunk *k = &m.chunk[i / CHUNK_FRAMES];
    uint16_t end = (uint16_t)(i % CHUNK_FRAMES + count);
    uint64_t mask = count == 64 ? ~0ull : (1ull << count) - 1;
    bool was_whole = k->free == CHUNK_FRAMES;

    m.bits[i / 64] &= ~(mask << (i % 64));
    m.free_frames -= count;
    k->free = (uint16_t)(k->free - count);
    if (k->fresh < end) { k->fresh = end; }
    if (was_whole || k->free == 0) { chunk_relist(i / CHUNK_FRAMES); }
}

static void chunk_enter(uint64_t c)
{
    m.chunk[c].used = true;
    m.unused_chunks--;
    m.chunk[c].free = CHUNK_FRAMES;
    m.chunk[c].fresh = ward_ram_zeroed() ? 0 : CHUNK_FRAMES;
    m.free_frames += CHUNK_FRAMES;
    for (size_t w = 0; w < CHUNK_FRAMES / 64; w++) { m.bits[c * CHUNK_FRAMES / 64 + w] = ~0ull; }
    chunk_relist(c);
}

/* Brings unused chunks into use. False: there is none. */
static bool chunks_grow(void)
{
    while (m.fresh < m.chunks && m.chunk[m.fresh].used) { m.fresh++; }
    if (m.fresh == m.chunks) { return false; }

    uint64_t first = m.fresh;
    uint64_t count = 0;
    uint64_t most = ward_guarded() ? ACCEPT_GUARDED : ACCEPT_OPEN;
    uint64_t range_end = first < m.frames[0] / CHUNK_FRAMES ? m.frames[0] / CHUNK_FRAMES : m.chunks;
    while (count < most && first + count < range_end && !m.chunk[first + count].used) { count++; }

    uint64_t number = gpa_of(first * CHUNK_FRAMES).v / CHUNK_SIZE;
    if (ram_chunks_map(number, count) < 0) { return false; }
    for (uint64_t c = first + count; c-- > first;) { chunk_enter(c); }
    return true;
}

/* ---- frames ---------------------------------------------------------------------------------- */

/*
 * A free frame of chunk c: 2^order of them, aligned. The chunk has at least one; UINT64_MAX: no
 * such run.
 */
static uint64_t chunk_find(uint64_t c, unsigned order)
{
    static const uint64_t starts[RUN_ORDER_MAX + 1] = {
        ~0ull,
        0x5555555555555555ull,
        0x1111111111111111ull,
        0x0101010101010101ull,
        0x0001000100010001ull,
    };
    for (size_t w = 0; w < CHUNK_FRAMES / 64; w++) {
        uint64_t bits = m.bits[c * (CHUNK_FRAMES / 64) + w];
        for (unsigned step = 0; step < order; step++) { bits &= bits >> (1u << step); }
        bits &= starts[order];
        if (bits != 0) { return c * CHUNK_FRAMES + w * 64 + (unsigned)__builtin_ctzll(bits); }
    }
    return UINT64_MAX;
}

static uint64_t run_find_in(struct list *chunks, unsigned order)
{
    LIST_EACH (it, chunks) {
        uint64_t i = chunk_find((uint64_t)(LIST_ENTRY(it, struct chunk, link) - m.chunk), order);
        if (i != UINT64_MAX) { return i; }
    }
    return UINT64_MAX;
}

static uint64_t run_find(unsigned order)
{
    uint64_t i = run_find_in(&m.partial, order);
    if (i != UINT64_MAX) { return i; }
    if (list_empty(&m.whole) && !chunks_grow()) { return run_find_in(&m.reserve, order); }
    return (uint64_t)(LIST_ENTRY(m.whole.next, struct chunk, link) - m.chunk) * CHUNK_FRAMES;
}

gpa_t frame_alloc(bool zeroed)
{
    uint64_t i = run_find(0);
    if (i == UINT64_MAX) { return GPA_NONE; }
    bool is_zero = i % CHUNK_FRAMES >= m.chunk[i / CHUNK_FRAMES].fresh;
    frames_mark_used(i, 1);
    m.refs[i] = 1;
    gpa_t g = gpa_of(i);
    if (zeroed && !is_zero) { memset(frame_va(g), 0, PAGE_SIZE); }
    return g;
}

gpa_t run_alloc(unsigned order)
{
    uint64_t i = run_find(order);
    if (i == UINT64_MAX) { return GPA_NONE; }
    frames_mark_used(i, 1u << order);
    m.refs[i] = RUN | order;
    for (uint64_t k = 1; k < 1ull << order; k++) { m.refs[i + k] = 1; }
    return gpa_of(i);
}

size_t run_size(gpa_t g) { return (size_t)PAGE_SIZE << (m.refs[index_of(g)] & ~RUN); }

void run_free(gpa_t g)
{
    uint64_t i = index_of(g);
    if ((m.refs[i] & RUN) == 0) { panic("frames: not a run"); }
    uint64_t count = 1ull << (m.refs[i] & ~RUN);
    for (uint64_t k = 0; k < count; k++) {
        m.refs[i + k] = 0;
        frame_mark_free(i + k);
    }
}

gpa_t chunk_alloc(void)
{
    if (list_empty(&m.whole) && !chunks_grow()) { return GPA_NONE; }
    uint64_t c = (uint64_t)(LIST_ENTRY(m.whole.next, struct chunk, link) - m.chunk);
    gpa_t g = gpa_of(c * CHUNK_FRAMES);
    if (m.chunk[c].fresh > 0) { memset(frame_va(g), 0, m.chunk[c].fresh * (size_t)PAGE_SIZE); }
    for (uint64_t i = c * CHUNK_FRAMES; i < (c + 1) * CHUNK_FRAMES; i++) { m.refs[i] = 1; }
    for (uint64_t i = c * CHUNK_FRAMES; i < (c + 1) * CHUNK_FRAMES; i += 64) {
        frames_mark_used(i, 64);
    }
    return g;
}

void frame_get(gpa_t g) { m.refs[index_of(g)]++; }

void frame_put(gpa_t g)
{
    uint64_t i = index_of(g);
    if (m.refs[i] == 0 || (m.refs[i] & RUN) != 0) { panic("frames: put of a free frame"); }
    if (--m.refs[i] == 0) { frame_mark_free(i); }
}

uint32_t frame_refs(gpa_t g) { return m.refs[index_of(g)]; }

/* ---- start ----------------------------------------------------------------------------------- */

static void check_handoff(const struct handoff *h)
{
    uint64_t tables_end;
    bool ok = h->magic == HANDOFF_MAGIC && h->version == HANDOFF_VERSION;

    ok = ok && h->ram[0].gpa == 0 && h->ram[0].size >= RAM_MIN && h->ram[0].size <= HOLE_LO;
    ok = ok && h->ram[0].size % CHUNK_SIZE == 0 && h->ram[1].size % CHUNK_SIZE == 0;
    ok = ok && (h->ram[1].size == 0 || h->ram[1].gpa == HOLE_HI);
    ok = ok && h->ram[1].size <= LOS_WINDOW - LOS_DIRECT - HOLE_HI;
    ok = ok && h->heap_gpa % PAGE_SIZE == 0 && h->heap_size % PAGE_SIZE == 0;
    ok = ok && range_fits(BOOT_SIZE, h->heap_gpa, h->heap_size);
    ok = ok && h->tables_gpa == TABLES_GPA && h->tables_size % CHUNK_SIZE == 0;
    ok = ok && h->tables_size >= CHUNK_SIZE && h->tables_size <= TABLES_MAX;
    ok = ok && add_ok(h->tables_gpa, h->tables_size, &tables_end) && tables_end < h->ram[0].size;
    if (!ok) { panic("handoff: memory ranges contradict each other"); }
}

/*
 * The arrays: in the early heap when they leave half of it, else in whole chunks behind the
 * tables. A reservation that is never touched costs the host nothing.
 */
static void *arrays_place(uint64_t bytes, uint64_t *heap_gpa, uint64_t *heap_size,
                          uint64_t *reserved_chunks)
{
    uint64_t pages = (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
    *reserved_chunks = 0;
    if (pages * PAGE_SIZE <= *heap_size / 2) {
        void *p = frame_va((gpa_t){*heap_gpa});
        *heap_gpa += pages * PAGE_SIZE;
        *heap_size -= pages * PAGE_SIZE;
        return p;
    }
    uint64_t n = (bytes + CHUNK_SIZE - 1) / CHUNK_SIZE;
    /*
     * Right behind the tables, in the GiB whose direct map needs no new table: there are no frames
     * for one yet.
     */
    uint64_t gpa = handoff->tables_gpa + handoff->tables_size;
    if (n * CHUNK_SIZE > min_u64(handoff->ram[0].size, DIRECT_GIB) - gpa) {
        panic("frames: too little memory for the frame arrays");
    }
    if (ram_chunks_map(gpa / CHUNK_SIZE, n) < 0) { panic("frames: memory refused"); }
    void *p = frame_va((gpa_t){gpa});
    memset(p, 0, bytes);
    *reserved_chunks = n;
    return p;
}

void frames_init(void)
{
    const struct handoff *h = handoff;
    check_handoff(h);

    for (size_t i = 0; i < HANDOFF_RAM_MAX; i++) {
        m.base[i] = h->ram[i].gpa;
        m.frames[i] = h->ram[i].size / PAGE_SIZE;
    }
    m.total = m.frames[0] + m.frames[1];
    m.chunks = m.total / CHUNK_FRAMES;
    m.fresh = 0;
    m.free_frames = 0;
    list_init(&m.partial);
    list_init(&m.whole);
    list_init(&m.reserve);

    uint64_t heap_gpa = h->heap_gpa, heap_size = h->heap_size, reserved;
    uint64_t refs_size = m.total * sizeof *m.refs, bits_size = m.total / 8;
    uint8_t *p = arrays_place(refs_size + bits_size + m.chunks * sizeof *m.chunk, &heap_gpa,
                              &heap_size, &reserved);
    m.refs = (uint32_t *)(void *)p;
    m.bits = (uint64_t *)(void *)(p + refs_size);
    m.chunk = (struct chunk *)(void *)(p + refs_size + bits_size);

    uint64_t own = (h->tables_gpa + h->tables_size) / CHUNK_SIZE + reserved;
    for (uint64_t c = 0; c < m.chunks; c++) {
        list_init(&m.chunk[c].link);
        m.chunk[c].used = c < own;
        m.chunk[c].fresh = CHUNK_FRAMES;
    }
    m.unused_chunks = m.chunks - own;
    for (uint64_t i = 0; i < own * CHUNK_FRAMES; i++) { m.refs[i] = 1; }
    /* Not frame 0: in mobj.c its address says "none". */
    uint64_t first = max_u64(heap_gpa / PAGE_SIZE, 1);
    for (uint64_t i = first; i < (heap_gpa + heap_size) / PAGE_SIZE; i++) {
        m.refs[i] = 0;
        frame_mark_free(i);
    }
}
