/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory. RAM is anonymous, 2 MiB aligned, with huge pages; only the boot region and the table region stay in
 * small host pages: the first so that little is resident, the second because a live page table inside a huge mapping
 * makes every use of that mapping 25 times slower on shadow paging (firmware/README.md). The window follows RAM at a
 * 1 GiB boundary.
 */
#include "vmm/mem.h"

#include "firmware/abi/layout.h"
#include "guest/base/ovf.h"
#include "vmm/kvm.h"
#include "vmm/vmm.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#define GIB            ((uint64_t)1 << 30)
#define WINDOW_MIN     ((uint64_t)16 << 20)
#define WINDOW_MAX     GIB
#define WINDOW_DIVISOR 8

int mem_slot(struct mem *m, int vm, uint64_t gpa, void *host, uint64_t size, bool readonly,
             struct err *e)
{
    struct kvm_userspace_memory_region r = {
        .slot = (uint32_t)m->next_slot,
        .flags = readonly ? KVM_MEM_READONLY : 0,
        .guest_phys_addr = gpa,
        .memory_size = size,
        .userspace_addr = (uint64_t)host,
    };
    if (KVM_CALL(vm, KVM_SET_USER_MEMORY_REGION, &r, e) < 0) {
        return err_wrap(e, "memory slot at 0x%" PRIx64 " of %" PRIu64 " KiB", gpa, size >> 10);
    }
    m->next_slot++;
    return 0;
}

/* Anonymous memory at a 2 MiB boundary. */
static int map_aligned(struct mem_range *r, struct err *e)
{
    uint64_t len = r->size + CHUNK_SIZE;
    uint8_t *p =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        return err_set(e, errno, "%" PRIu64 " MiB of guest memory: %s", r->size >> 20,
                       strerror(errno));
    }
    uint8_t *start = (uint8_t *)(((uintptr_t)p + CHUNK_SIZE - 1) & ~(uintptr_t)(CHUNK_SIZE - 1));
    if (start > p) { (void)munmap(p, (size_t)(start - p)); }
    uint8_t *end = start + r->size, *mapped_end = p + len;
    if (mapped_end > end) { (void)munmap(end, (size_t)(mapped_end - end)); }
    r->host = start;
    return 0;
}

int mem_init(struct mem *m, int vm, uint64_t memory, struct err *e)
{
    uint64_t total;

    if (memory > VMM_MEMORY_MAX || !align_up_ok(memory, CHUNK_SIZE, &total)) {
        return err_set(e, EINVAL, "memory of %" PRIu64 " MiB: at most %" PRIu64 " MiB",
                       memory >> 20, VMM_MEMORY_MAX >> 20);
    }
    uint64_t window = align_down(total / WINDOW_DIVISOR, CHUNK_SIZE);
    window = max_u64(WINDOW_MIN, min_u64(window, WINDOW_MAX));
    if (total < RAM_MIN + window) {
        return err_set(e, EINVAL, "memory of %" PRIu64 " MiB: at least %" PRIu64 " MiB",
                       total >> 20, (uint64_t)(RAM_MIN + window) >> 20);
    }
    uint64_t ram = total - window;
    m->ram[0] = (struct mem_range){.gpa = 0, .size = min_u64(ram, HOLE_LO)};
    m->ram[1] = (struct mem_range){.gpa = HOLE_HI, .size = ram - m->ram[0].size};
    uint64_t ram_end = m->ram[1].size ? HOLE_HI + m->ram[1].size : HOLE_HI;
    m->window = (struct mem_range){.gpa = (ram_end + GIB - 1) & ~(GIB - 1), .size = window};
    m->tables_size = max_u64(CHUNK_SIZE, align_down(ram / TABLES_RAM_DIVISOR, CHUNK_SIZE));
    m->tables_size = min_u64(m->tables_size, TABLES_MAX);

    struct mem_range *all[] = {&m->ram[0], &m->ram[1], &m->window};
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        struct mem_range *r = all[i];
        if (r->size == 0) { continue; }
        if (map_aligned(r, e) < 0 || mem_slot(m, vm, r->gpa, r->host, r->size, false, e) < 0) {
            return -e->code;
        }
    }
    uint64_t small = TABLES_GPA + m->tables_size;
    (void)madvise(m->ram[0].host, small, MADV_NOHUGEPAGE); /* advice: all right without */
    (void)madvise(m->ram[0].host + small, m->ram[0].size - small, MADV_HUGEPAGE);
    if (m->ram[1].size) { (void)madvise(m->ram[1].host, m->ram[1].size, MADV_HUGEPAGE); }
    return 0;
}

void mem_fini(struct mem *m)
{
    struct mem_range *all[] = {&m->ram[0], &m->ram[1], &m->window};
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        if (all[i]->host) { (void)munmap(all[i]->host, all[i]->size); }
        all[i]->host = NULL;
    }
}

void *mem_ram(const struct mem *m, uint64_t gpa, uint64_t len)
{
    for (size_t i = 0; i < MEM_RAM_MAX; i++) {
        const struct mem_range *r = &m->ram[i];
        if (gpa >= r->gpa && range_fits(r->size, gpa - r->gpa, len)) {
            return r->host + (gpa - r->gpa);
        }
    }
    return NULL;
}
