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
#include "firmware/abi/place.h"
#include "guest/base/ct.h"
#include "guest/base/ovf.h"
#include "guest/base/sha2.h"
#include "guest/base/shm.h"

#define GIB (1ull << 30)

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
    place_words(0, &p, l->flags, &l->agent, h);
    leave(h->ward_entry, 0);
}
