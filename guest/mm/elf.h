/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an ELF file asks of a loader. Parsing is a pure function of the header, the program headers
 * and the file's size; after it every number is safe to add to a base below half of the address
 * space. [gABI ch. 4 and 5]
 */
#ifndef CASEMATE_GUEST_MM_ELF_H
#define CASEMATE_GUEST_MM_ELF_H

#include "guest/los.h"

#define ELF_HEADER_SIZE 64
#define ELF_PHDR_SIZE   56
#define ELF_PHDRS_MAX   (0x10000 / ELF_PHDR_SIZE) /* 64 KiB, as Linux */
#define ELF_LOADS_MAX   32                        /* linkers make 2 to 6; more than this: ENOEXEC */
#define ELF_SPAN_MAX    (1ull << 46)

struct elf_load {
    uint64_t vaddr, off, filesz, memsz;
    int prot; /* Linux's */
};

struct elf {
    bool fixed; /* ET_EXEC: addresses are final */
    uint64_t entry;
    uint64_t phoff;
    uint16_t phnum;
    uint64_t phdr_va;     /* program headers in memory, 0: not loaded */
    uint64_t lo, hi;      /* span of the segments, whole pages        */
    uint64_t align;       /* the largest p_align, at least a page     */
    uint64_t interp_off;  /* PT_INTERP, size 0: none                  */
    uint64_t interp_size; /* with its NUL                             */
    bool exec_stack;
    unsigned loads;
    struct elf_load load[ELF_LOADS_MAX]; /* ascending, disjoint pages apart from shared borders */
};

/* First step: where the program headers are. size: bytes of the header at hand. 0 or -ENOEXEC. */
MUST_CHECK int elf_header(const void *header, size_t size, struct elf *out);
/* Second step: phdrs are out->phnum * ELF_PHDR_SIZE bytes. 0 or -ENOEXEC. */
MUST_CHECK int elf_phdrs(const void *phdrs, size_t size, uint64_t file_size, struct elf *out);

#endif
