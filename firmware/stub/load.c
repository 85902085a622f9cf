/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stub's work, in ring 3: take the guest image from the host, keep it only if it is the one that the measured launch page
 * names, and leave behind what firmware/abi/image.h asks of whoever places an image.
 *
 *   S1  the parameters are copied once; nothing is read from them again
 *   S2  ranges are whole, disjoint and inside their limits before the first is used
 *   S3  the image is hashed where it will run, in private memory, never in the window
 *   S4  nothing of the image is read before its hash has been compared
 */
#include "firmware/abi/image.h"
#include "firmware/abi/launch.h"
#include "firmware/abi/panic.h"
#include "guest/abi/handoff.h"
#include "guest/base/ct.h"
#include "guest/base/ovf.h"
#include "guest/base/sha2.h"
#include "guest/base/shm.h"

#define GIB       (1ull << 30)
#define PTE_W_BIT 2ull

NORETURN void stub_main(void);

NORETURN static void leave(uint64_t ward_entry, enum panic_code code)
{
    __asm__ volatile("jmp stub_gate" : : "a"(ward_entry), "D"((uint64_t)code) : "memory");
    __builtin_unreachable();
}

static void require(bool ok, enum panic_code code)
{
    if (!ok) { leave(0, code); }
}

static void clear(uint64_t gpa, uint64_t len)
{
    void *p = (void *)gpa;
    __asm__ volatile("rep stosb" : "+D"(p), "+c"(len) : "a"(0) : "memory");
}

static void check_params(const struct stub_params *p)
{
    uint64_t ram_end = p->ram_size[1] != 0 ? HOLE_HI + p->ram_size[1] : HOLE_HI;
    bool ok = p->ram_size[0] >= RAM_MIN && p->ram_size[0] <= HOLE_LO &&
              p->ram_size[0] % CHUNK_SIZE == 0 && p->ram_size[1] <= 1ull << 40 &&
              p->ram_size[1] % CHUNK_SIZE == 0 && p->tables_size >= CHUNK_SIZE &&
              p->tables_size <= TABLES_MAX && p->tables_size % CHUNK_SIZE == 0 &&
              range_fits(p->ram_size[0], TABLES_GPA, p->tables_size) && p->window_gpa % GIB == 0 &&
              p->window_gpa >= ram_end && p->window_gpa <= 1ull << 41 &&
              p->window_size >= STUB_WINDOW_MAX && p->window_size <= GIB &&
              p->window_size % CHUNK_SIZE == 0 && p->core_off % PAGE_SIZE == 0 &&
              range_fits(p->window_size, p->fdt_off, p->fdt_size) && p->cpus >= 1 &&
              p->cpus <= CPU_MAX && p->tee == TEE_SIM;
    require(ok, PANIC_STUB_PARAMETERS);
}

static void hash(uint64_t gpa, uint64_t size, uint8_t out[SHA256_SIZE])
{
    struct sha256_ctx c;
    uint64_t whole = 0;

    sha256_init(&c);
    if (sha256_ni_here()) {
        whole = size & ~63ull;
        sha256_ni_blocks(c.h, (const uint8_t *)gpa, whole / 64);
        c.total = whole;
    }
    sha256_update(&c, (const uint8_t *)(gpa + whole), size - whole);
    sha256_final(&c, out);
}

static void place(const struct stub_params *p, const struct launch_page *l,
                  const struct core_header *h)
{
    struct handoff *o = (struct handoff *)h->handoff_gpa;
    *o = (struct handoff){.magic = HANDOFF_MAGIC,
                          .version = HANDOFF_VERSION,
                          .tee = TEE_SIM,
                          .flags = (l->flags & LAUNCH_GUARDED) != 0 ? HANDOFF_GUARDED : 0,
                          .launch_flags = l->flags,
                          .heap_size = h->zero_gpa,
                          .tables_gpa = TABLES_GPA,
                          .tables_size = p->tables_size,
                          .window_gpa = p->window_gpa,
                          .window_size = p->window_size,
                          .init_gpa = h->init_gpa,
                          .init_size = h->init_size,
                          .fdt_off = p->fdt_off,
                          .fdt_size = p->fdt_size,
                          .agent_size = l->agent.size};
    o->ram[0].size = p->ram_size[0];
    o->ram[1].size = p->ram_size[1];
    o->ram[1].gpa = p->ram_size[1] != 0 ? HOLE_HI : 0;
    for (size_t i = 0; i < sizeof o->agent_sha256; i++) { o->agent_sha256[i] = l->agent.sha256[i]; }

    struct ward_state *w = (struct ward_state *)h->ward_state_gpa;
    *w = (struct ward_state){
        .ram_end = {p->ram_size[0], p->ram_size[1] != 0 ? HOLE_HI + p->ram_size[1] : 0},
        .window_lo = p->window_gpa,
        .window_hi = p->window_gpa + p->window_size,
        .tables_size = p->tables_size,
        .ward_gpa = h->ward_gpa,
        .guarded = l->flags & LAUNCH_GUARDED,
        .tee = TEE_SIM,
        .cpus = p->cpus,
        .launch_flags = l->flags};

    for (uint32_t cpu = 0; cpu < p->cpus; cpu++) {
        uint64_t pages = h->cpu_gpa + cpu * CORE_CPU_PAGES * PAGE_SIZE;
        uint64_t vpage = LOS_CPU + cpu * CPU_STRIDE;
        *(uint64_t *)pages = vpage;
        *(uint64_t *)(pages + CORE_CPU_PAGES * PAGE_SIZE - 16) = vpage;
    }
    if ((l->flags & LAUNCH_GUARDED) == 0) {
        *(uint64_t *)(TABLES_GPA + T_TABLES_L3 * PAGE_SIZE) |= PTE_W_BIT;
    }
}

NORETURN void stub_main(void)
{
    const struct launch_page *l = (const struct launch_page *)STUB_LAUNCH_GPA;
    struct stub_params p; /* private copy, the host can no longer change it */
    uint8_t digest[SHA256_SIZE];

    shm_read(&p, (const void *)STUB_PARAMS_GPA, sizeof p);
    check_params(&p);
    require(l->magic == LAUNCH_MAGIC && l->version == LAUNCH_VERSION &&
                (l->flags & ~LAUNCH_FLAGS_ALL) == 0,
            PANIC_STUB_LAUNCH_PAGE);

    uint64_t size = l->core.size;
    require(size % PAGE_SIZE == 0 && size > CORE_TABLES * PAGE_SIZE && size <= CORE_END &&
                range_fits(STUB_WINDOW_MAX, p.core_off, size),
            PANIC_STUB_IMAGE_SIZE);
    uint64_t gpa = CORE_END - size;
    shm_read((void *)gpa, (const void *)(STUB_WINDOW_VA + p.core_off), size);
    hash(gpa, size, digest);
    require(ct_eq(digest, l->core.sha256, sizeof digest), PANIC_STUB_IMAGE_HASH);

    const struct core_header *h = (const struct core_header *)gpa;
    require(h->magic == CORE_MAGIC && h->version == CORE_VERSION && h->size == size,
            PANIC_STUB_IMAGE_FORMAT);
    clear(h->zero_gpa, h->zero_size);
    place(&p, l, h);
    leave(h->ward_entry, 0);
}
