/* SPDX-License-Identifier: Apache-2.0 */
/* Reading ELF headers, which come with the image and are hostile. See elf.h. */
#include "guest/mm/elf.h"

#include "firmware/abi/layout.h"
#include "guest/base/cur.h"

#define ET_EXEC       2
#define ET_DYN        3
#define EM_X86_64     62
#define PT_LOAD       1
#define PT_INTERP     3
#define PT_GNU_STACK  0x6474e551u
#define PATH_SIZE_MAX 4096

int elf_header(const void *header, size_t size, struct elf *out)
{
    struct cur c = cur_of(header, size);
    bool ok = cur_u32le(&c) == 0x464c457f; /* "\177ELF" */
    ok = cur_u8(&c) == 2 && ok;            /* 64 bits */
    ok = cur_u8(&c) == 1 && ok;            /* little endian */
    cur_skip(&c, 10);
    uint16_t type = cur_u16le(&c), machine = cur_u16le(&c);
    cur_skip(&c, 4);
    *out = (struct elf){.fixed = type == ET_EXEC};
    out->entry = cur_u64le(&c);
    out->phoff = cur_u64le(&c);
    cur_skip(&c, 8 + 4 + 2);
    uint16_t phentsize = cur_u16le(&c);
    out->phnum = cur_u16le(&c);
    ok = ok && !c.bad && (type == ET_EXEC || type == ET_DYN) && machine == EM_X86_64;
    ok = ok && phentsize == ELF_PHDR_SIZE && out->phnum >= 1 && out->phnum <= ELF_PHDRS_MAX;
    return ok ? 0 : -ENOEXEC;
}

static int prot_of(uint32_t flags)
{
    return (int)((flags & 4) >> 2 | (flags & 2) | (flags & 1) << 2);
}

/* One PT_LOAD. memsz 0 is legal and nothing. */
static int add_load(struct elf *e, const struct elf_load *l, uint64_t align, uint64_t file_size)
{
    uint64_t end;
    if (l->memsz == 0) { return 0; }
    if (e->loads == ELF_LOADS_MAX || l->filesz > l->memsz ||
        !range_fits(file_size, l->off, l->filesz)) {
        return -ENOEXEC;
    }
    if (!range_fits(ELF_SPAN_MAX, l->vaddr, l->memsz) ||
        !align_up_ok(l->vaddr + l->memsz, PAGE_SIZE, &end)) {
        return -ENOEXEC;
    }
    if ((l->vaddr ^ l->off) % PAGE_SIZE != 0 || (align & (align - 1)) != 0 || align > 1ull << 30) {
        return -ENOEXEC;
    }

    uint64_t start = align_down(l->vaddr, PAGE_SIZE);
    if (e->loads == 0) {
        e->lo = start;
    } else {
        const struct elf_load *before = &e->load[e->loads - 1];
        if (l->vaddr < before->vaddr + before->memsz) { return -ENOEXEC; }
    }
    e->hi = end;
    e->align = max_u64(e->align, align);
    e->load[e->loads++] = *l;

    uint64_t phdrs_size = (uint64_t)e->phnum * ELF_PHDR_SIZE;
    if (e->phdr_va == 0 && e->phoff >= l->off &&
        range_fits(l->filesz, e->phoff - l->off, phdrs_size)) {
        e->phdr_va = l->vaddr + (e->phoff - l->off);
    }
    return 0;
}

int elf_phdrs(const void *phdrs, size_t size, uint64_t file_size, struct elf *out)
{
    struct cur c = cur_of(phdrs, size);

    out->align = PAGE_SIZE;
    for (unsigned i = 0; i < out->phnum; i++) {
        uint32_t type = cur_u32le(&c), flags = cur_u32le(&c);
        struct elf_load l = {.prot = prot_of(flags)};
        l.off = cur_u64le(&c);
        l.vaddr = cur_u64le(&c);
        cur_skip(&c, 8);
        l.filesz = cur_u64le(&c);
        l.memsz = cur_u64le(&c);
        uint64_t align = cur_u64le(&c);
        if (c.bad) { return -ENOEXEC; }
        if (type == PT_LOAD) {
            int r = add_load(out, &l, align, file_size);
            if (r < 0) { return r; }
        } else if (type == PT_INTERP && out->interp_size == 0) {
            if (l.filesz < 2 || l.filesz > PATH_SIZE_MAX ||
                !range_fits(file_size, l.off, l.filesz)) {
                return -ENOEXEC;
            }
            out->interp_off = l.off;
            out->interp_size = l.filesz;
        } else if (type == PT_GNU_STACK) {
            out->exec_stack = (flags & 1) != 0;
        }
    }
    if (out->loads == 0 || out->entry >= ELF_SPAN_MAX) { return -ENOEXEC; }
    return 0;
}
