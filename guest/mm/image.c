/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ELF file becomes memory. Segments are private file mappings; what follows the file's bytes is
 * zeroed in its last page and anonymous beyond. The first pages of each segment are mapped at
 * once, and small writable segments copied at once: a fault costs more than a page.
 */
#include "guest/fs/fs.h"
#include "guest/mm/exec.h"

int image_read(struct file *f, struct elf *out)
{
    uint8_t header[ELF_HEADER_SIZE];
    int64_t size = file_size(f);
    if (size < 0) { return (int)size; }
    int64_t n = file_read_at(f, header, sizeof header, 0);
    if (n < 0) { return (int)n; }
    int r = elf_header(header, (size_t)n, out);
    if (r < 0) { return r; }

    size_t bytes = (size_t)out->phnum * ELF_PHDR_SIZE;
    uint8_t *phdrs = mem_alloc(bytes);
    if (phdrs == NULL) { return -ENOMEM; }
    n = file_read_at(f, phdrs, bytes, out->phoff);
    r = n < 0 ? (int)n : elf_phdrs(phdrs, (size_t)n, (uint64_t)size, out);
    mem_free(phdrs);
    return r;
}

static int map_fixed(struct space *s, uint64_t lo, uint64_t hi, int prot, struct file *f,
                     uint64_t off)
{
    int flags = LMAP_PRIVATE | LMAP_FIXED | (f == NULL ? LMAP_ANONYMOUS : 0);
    int64_t r = space_map(s, lo, hi - lo, prot, flags, f, off);
    return r < 0 ? (int)r : 0;
}

/* Errors of eager work are those of a later fault. */
static void map_early(struct space *s, uint64_t lo, uint64_t hi, const struct elf_load *l)
{
    bool copy = (l->prot & LPROT_WRITE) != 0 && hi - lo <= EAGER_COPY;
    if (l->prot != 0) { (void)space_populate(s, lo, min_u64(hi, lo + EAGER_MAP), copy); }
}

static int map_load(struct space *s, struct file *f, const struct elf_load *l, uint64_t base)
{
    uint64_t start = base + l->vaddr, file_end = start + l->filesz, end = start + l->memsz;
    uint64_t lo = align_down(start, PAGE_SIZE);
    uint64_t file_hi = (file_end + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1),
             hi = (end + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    int r = 0;

    if (l->filesz == 0) { file_hi = lo; }
    if (file_hi > lo) {
        r = map_fixed(s, lo, file_hi, l->prot, f, align_down(l->off, PAGE_SIZE));
        if (r < 0) { return r; }
        map_early(s, lo, file_hi, l);
    }
    if (hi > file_hi) {
        r = map_fixed(s, file_hi, hi, l->prot, NULL, 0);
        if (r < 0) { return r; }
        if (hi - file_hi <= EAGER_COPY) { map_early(s, file_hi, hi, l); }
    }
    if (l->memsz > l->filesz && file_end % PAGE_SIZE != 0 && file_hi > lo &&
        (l->prot & LPROT_WRITE) != 0) {
        static const char zeros[256];
        for (uint64_t at = file_end; at < file_hi;) {
            size_t n = min_u64(sizeof zeros, file_hi - at);
            if (space_write(s, at, zeros, n) != n) { return -ENOMEM; }
            at += n;
        }
    }
    return 0;
}

int image_map(struct space *s, struct file *f, const struct elf *e, uint64_t want,
              struct image *out)
{
    uint64_t base = 0;
    if (!e->fixed) {
        uint64_t span = e->hi - e->lo;
        uint64_t at = want != 0 ? align_down(want, e->align) : region_gap(s, span, e->align, false);
        if (at == 0 || !user_range_ok(at, span) || !region_range_free(s, at, at + span)) {
            return -ENOMEM;
        }
        base = at - e->lo;
    } else if (e->lo < USER_LOWEST) {
        return -EPERM;
    }
    for (unsigned i = 0; i < e->loads; i++) {
        int r = map_load(s, f, &e->load[i], base);
        if (r < 0) { return r; }
    }
    if (!user_range_ok(base + e->entry, 1)) { return -ENOEXEC; } /* it goes into an iret frame */
    *out = (struct image){
        .base = base,
        .entry = base + e->entry,
        .phdr = e->phdr_va != 0 ? base + e->phdr_va : 0,
        .end = base + e->hi,
        .phnum = e->phnum,
    };
    return 0;
}
