/* SPDX-License-Identifier: Apache-2.0 */
/* ELF headers that are wrong in one place each, and one that is right. */
#include <criterion/criterion.h>
#include <elf.h>
#include <string.h>

#include "guest/mm/elf.h"

struct file_bytes {
    Elf64_Ehdr h;
    Elf64_Phdr p[3];
};

static struct file_bytes good(void)
{
    struct file_bytes f = {
        .h = {.e_type = ET_DYN,
              .e_machine = EM_X86_64,
              .e_version = 1,
              .e_entry = 0x1040,
              .e_phoff = sizeof(Elf64_Ehdr),
              .e_ehsize = sizeof(Elf64_Ehdr),
              .e_phentsize = sizeof(Elf64_Phdr),
              .e_phnum = 3},
        .p = {{.p_type = PT_INTERP, .p_offset = 0x300, .p_filesz = 28, .p_memsz = 28},
              {.p_type = PT_LOAD,
               .p_flags = PF_R | PF_X,
               .p_filesz = 0x1100,
               .p_memsz = 0x1100,
               .p_align = 0x1000},
              {.p_type = PT_LOAD,
               .p_flags = PF_R | PF_W,
               .p_offset = 0x1e10,
               .p_vaddr = 0x3e10,
               .p_filesz = 0x100,
               .p_memsz = 0x5000,
               .p_align = 0x200000}},
    };
    memcpy(f.h.e_ident, ELFMAG, 4);
    f.h.e_ident[EI_CLASS] = ELFCLASS64;
    f.h.e_ident[EI_DATA] = ELFDATA2LSB;
    return f;
}

static int parse(const struct file_bytes *f, struct elf *e)
{
    int r = elf_header(f, sizeof f->h, e);
    return r < 0 ? r : elf_phdrs(f->p, sizeof f->p, 0x2000, e);
}

Test(elf, reads_what_a_linker_wrote)
{
    struct file_bytes f = good();
    struct elf e;
    cr_assert_eq(parse(&f, &e), 0);
    cr_assert_eq(e.fixed, false);
    cr_assert_eq(e.entry, 0x1040);
    cr_assert_eq(e.loads, 2);
    cr_assert_eq(e.load[0].prot, 5);
    cr_assert_eq(e.load[1].prot, 3);
    cr_assert_eq(e.lo, 0);
    cr_assert_eq(e.hi, 0x9000);
    cr_assert_eq(e.align, 0x200000);
    cr_assert_eq(e.phdr_va, 64);
    cr_assert_eq(e.interp_off, 0x300);
    cr_assert_eq(e.interp_size, 28);
    cr_assert_eq(e.exec_stack, false);
}

Test(elf, looks_for_its_headers_in_segments_that_hold_something)
{
    struct file_bytes f = good();
    struct elf e;
    f.p[1].p_memsz = 0;
    f.p[1].p_filesz = 0x4000000000000040;
    cr_assert_eq(parse(&f, &e), 0);
    cr_assert_eq(e.loads, 1);
    cr_assert_eq(e.phdr_va, 0);
}

struct wrong {
    char what[24];
    void (*spoil)(struct file_bytes *f);
};
#define WRONG(name, body)                                                                          \
    static void name(struct file_bytes *f) { body; }
WRONG(magic, f->h.e_ident[0] = 0x7e)
WRONG(class32, f->h.e_ident[EI_CLASS] = ELFCLASS32)
WRONG(big_endian, f->h.e_ident[EI_DATA] = ELFDATA2MSB)
WRONG(machine, f->h.e_machine = EM_AARCH64)
WRONG(type, f->h.e_type = ET_REL)
WRONG(phentsize, f->h.e_phentsize = 32)
WRONG(no_phdrs, f->h.e_phnum = 0)
WRONG(more_phdrs, f->h.e_phnum = 4)
WRONG(filesz_above_memsz, f->p[2].p_memsz = 0x10)
WRONG(beyond_file, f->p[2].p_filesz = 0x1000)
WRONG(offset_overflow, f->p[2].p_offset = 0xffffffffffffee10)
WRONG(vaddr_overflow, f->p[2].p_vaddr = 0xfffffffffffffe10)
WRONG(vaddr_high, f->p[2].p_vaddr = 0x7ffffffffe10)
WRONG(memsz_overflow, f->p[2].p_memsz = UINT64_MAX)
WRONG(not_congruent, f->p[2].p_vaddr = 0x3e20)
WRONG(overlap, f->p[1].p_memsz = 0x3e11)
WRONG(descending, f->p[1].p_vaddr = 0x10000)
WRONG(align_not_power, f->p[2].p_align = 0x3000)
WRONG(align_huge, f->p[2].p_align = 1ull << 40)
WRONG(interp_beyond_file, f->p[0].p_offset = 0x1ff0)
WRONG(interp_empty, f->p[0].p_filesz = 1)
WRONG(interp_long, f->p[0].p_filesz = 4097)
WRONG(no_load, f->p[1].p_type = f->p[2].p_type = PT_NOTE)
WRONG(entry_high, f->h.e_entry = 1ull << 46)

Test(elf, refuses_what_is_wrong_in_one_place)
{
    static const struct wrong all[] = {
        {"magic", magic},
        {"32 bits", class32},
        {"big endian", big_endian},
        {"machine", machine},
        {"type", type},
        {"phentsize", phentsize},
        {"no phdrs", no_phdrs},
        {"phdrs cut short", more_phdrs},
        {"filesz > memsz", filesz_above_memsz},
        {"beyond file", beyond_file},
        {"offset overflow", offset_overflow},
        {"vaddr overflow", vaddr_overflow},
        {"vaddr high", vaddr_high},
        {"memsz overflow", memsz_overflow},
        {"not congruent", not_congruent},
        {"overlap", overlap},
        {"descending", descending},
        {"align", align_not_power},
        {"align huge", align_huge},
        {"interp beyond file", interp_beyond_file},
        {"interp empty", interp_empty},
        {"interp long", interp_long},
        {"no load", no_load},
        {"entry high", entry_high},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct file_bytes f = good();
        struct elf e;
        all[i].spoil(&f);
        cr_assert_eq(parse(&f, &e), -ENOEXEC, "accepted: %s", all[i].what);
    }
}

Test(elf, header_cut_anywhere_is_refused)
{
    struct file_bytes f = good();
    struct elf e;
    for (size_t n = 0; n < 58; n++) { cr_assert_eq(elf_header(&f, n, &e), -ENOEXEC); }
    cr_assert_eq(elf_header(&f, 64, &e), 0);
    cr_assert_eq(elf_phdrs(f.p, sizeof f.p - 1, 0x2000, &e), -ENOEXEC);
}
