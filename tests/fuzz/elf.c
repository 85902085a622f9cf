/* SPDX-License-Identifier: Apache-2.0 */
/* libs: elf */
/*
 * ELF headers: whatever comes, an accepted file has ascending, disjoint segments inside the file
 * and inside a span that can be added to a load base, and a PT_INTERP inside the file.
 */
#include <stdlib.h>

#include "guest/mm/elf.h"
#include "firmware/abi/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) { abort(); }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elf e;
    if (elf_header(data, size, &e) < 0) { return 0; }
    size_t want = (size_t)e.phnum * ELF_PHDR_SIZE;
    size_t at = e.phoff < size ? e.phoff : size;
    size_t have = size - at < want ? size - at : want;
    if (elf_phdrs(data + at, have, size, &e) < 0) { return 0; }

    require(have == want && e.loads >= 1 && e.loads <= ELF_LOADS_MAX);
    require(e.lo < e.hi && e.lo % PAGE_SIZE == 0 && e.hi % PAGE_SIZE == 0 && e.hi <= ELF_SPAN_MAX);
    uint64_t end = 0;
    for (unsigned i = 0; i < e.loads; i++) {
        const struct elf_load *l = &e.load[i];
        require(l->vaddr >= end && l->filesz <= l->memsz && l->off + l->filesz <= size);
        end = l->vaddr + l->memsz;
        require(end <= e.hi);
    }
    require(e.interp_size == 0 || e.interp_off + e.interp_size <= size);
    require(e.phdr_va == 0 || (e.phdr_va >= e.lo && e.phdr_va < e.hi));
    return 0;
}
