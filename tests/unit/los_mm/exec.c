/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execve over the stand-in: what the new program finds, and that a failed one leaves the old
 * program as it was.
 */
#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "guest/fs/fs.h"
#include "guest/mm/mm.h"
#include "guest/standin/standin.h"
#include "guest/sys/sys.h"
#include "guest/task/task.h"

#undef AT_FDCWD
#define BASE 0x400000ull

static void boot(void) { standin_boot(); }
TestSuite(exec, .init = boot);

struct program {
    Elf64_Ehdr h;
    Elf64_Phdr p[3];
    char interp[16];
    uint8_t rest[4096 - 64 - 3 * 56 - 16];
    uint8_t data[256];
};

/* Text at 0x400000, data at 0x401000 with bss up to 0x403000. */
static struct program good(void)
{
    struct program f = {
        .h = {.e_type = ET_EXEC,
              .e_machine = EM_X86_64,
              .e_version = 1,
              .e_entry = BASE + 0x200,
              .e_phoff = sizeof(Elf64_Ehdr),
              .e_phentsize = sizeof(Elf64_Phdr),
              .e_phnum = 3},
        .p = {{.p_type = PT_LOAD,
               .p_flags = PF_R | PF_X,
               .p_vaddr = BASE,
               .p_filesz = 4096,
               .p_memsz = 4096,
               .p_align = 4096},
              {.p_type = PT_LOAD,
               .p_flags = PF_R | PF_W,
               .p_offset = 4096,
               .p_vaddr = BASE + 4096,
               .p_filesz = 256,
               .p_memsz = 8192,
               .p_align = 4096},
              {.p_type = PT_NULL}},
    };
    memcpy(f.h.e_ident, ELFMAG, 4);
    f.h.e_ident[EI_CLASS] = ELFCLASS64;
    f.h.e_ident[EI_DATA] = ELFDATA2LSB;
    memset(f.data, 0x5a, sizeof f.data);
    return f;
}

static void put_file(const char *name, const void *bytes, size_t size, uint32_t mode)
{
    int err;
    struct uio u;
    uint64_t pos = 0;
    struct file *f = file_open(name, LO_WRONLY | LO_CREAT | LO_TRUNC, mode, &err);
    cr_assert_not_null(f, "%s: %d", name, err);
    uio_kernel(&u, (void *)(uintptr_t)bytes, size);
    cr_assert_eq(f->ops->write(f, &u, &pos), (int64_t)size);
    file_put(f);
}

static uint64_t vector(const char *const *strings)
{
    uint64_t va = standin_user_alloc(4096);
    for (size_t i = 0;; i++) {
        uint64_t ptr = strings[i] != NULL ? standin_user_string(strings[i]) : 0;
        cr_assert_eq(put_user_u64(va + i * 8, ptr), 0);
        if (strings[i] == NULL) { return va; }
    }
}

static int64_t run(const char *path, const char *const *argv, const char *const *envp)
{
    const uint64_t a[6] = {standin_user_string(path), argv != NULL ? vector(argv) : 0,
                           envp != NULL ? vector(envp) : 0};
    return sys_execve(a);
}

static uint64_t word(uint64_t va)
{
    uint64_t v = 0;
    cr_assert_eq(get_user_u64(va, &v), 0, "load from 0x%lx", va);
    return v;
}
static const char *text(uint64_t va)
{
    static char buf[8][256];
    static unsigned next;
    char *b = buf[next++ % 8];
    cr_assert_geq(user_string(b, va, 256), 0);
    return b;
}
static uint64_t aux(uint64_t id)
{
    uint64_t at = current()->regs->rsp;
    at += 8 * (1 + word(at) + 1);
    while (word(at) != 0) { at += 8; }
    for (at += 8; word(at) != AT_NULL; at += 16) {
        if (word(at) == id) { return word(at + 8); }
    }
    cr_assert_fail("auxiliary vector has no %lu", id);
    return 0;
}

Test(exec, new_program_finds_registers_memory_and_stack_as_the_abi_says)
{
    struct program f = good();
    put_file("/prog", &f, sizeof f, 0755);
    struct space *before = current_proc()->space;
    cr_assert_eq(run("/prog", (const char *const[]){"a0", "", "a2", NULL},
                     (const char *const[]){"X=1", NULL}),
                 0);

    const struct regs *r = current()->regs;
    cr_assert_neq(current_proc()->space, before);
    cr_assert_eq(r->rip, BASE + 0x200);
    cr_assert_eq(r->rsp % 16, 0);
    cr_assert_eq(r->rdx, 0);
    cr_assert_eq(r->rflags, 0x202);
    cr_assert_eq(r->cs, 0x33);
    cr_assert_eq(word(BASE + 4096), 0x5a5a5a5a5a5a5a5a);
    cr_assert_eq(word(BASE + 4096 + 256), 0, "the tail of the last file page is zero");
    cr_assert_eq(word(BASE + 8192), 0);
    cr_assert_eq(space_fault(current_proc()->space, BASE, 2), -EACCES);
    cr_assert_eq(space_fault(current_proc()->space, BASE + 4096, 16), -EACCES);

    cr_assert_eq(word(r->rsp), 3);
    uint64_t a0 = word(r->rsp + 8), a1 = word(r->rsp + 16), a2 = word(r->rsp + 24);
    cr_assert_str_eq(text(a0), "a0");
    cr_assert_str_eq(text(a1), "");
    cr_assert_str_eq(text(a2), "a2");
    cr_assert_eq(word(r->rsp + 32), 0);
    uint64_t e0 = word(r->rsp + 40);
    cr_assert_str_eq(text(e0), "X=1");
    cr_assert_eq(a1, a0 + 3, "strings are contiguous");
    cr_assert_eq(e0, a2 + 3);
    cr_assert_eq(aux(AT_PHDR), BASE + 64);
    cr_assert_eq(aux(AT_PHNUM), 3);
    cr_assert_eq(aux(AT_ENTRY), BASE + 0x200);
    cr_assert_eq(aux(AT_BASE), 0);
    cr_assert_eq(aux(AT_PAGESZ), 4096);
    cr_assert_eq(aux(AT_SECURE), 0);
    cr_assert_str_eq(text(aux(AT_EXECFN)), "/prog");
    cr_assert_str_eq(text(aux(AT_PLATFORM)), "x86_64");
    cr_assert_neq(word(aux(AT_RANDOM)), word(aux(AT_RANDOM) + 8));
    cr_assert_str_eq(current_proc()->comm, "prog");
}

Test(exec, without_arguments_there_is_one_empty_one)
{
    struct program f = good();
    put_file("/prog", &f, sizeof f, 0755);
    cr_assert_eq(run("/prog", NULL, NULL), 0);
    cr_assert_eq(word(current()->regs->rsp), 1);
    cr_assert_str_eq(text(word(current()->regs->rsp + 8)), "");
}

static void expect_refusal(const char *path, int64_t want)
{
    uint64_t va = standin_user_string("still here"), rip = current()->regs->rip;
    struct space *before = current_proc()->space;
    uint64_t free_pages = mem_free_pages();
    cr_assert_eq(run(path, (const char *const[]){path, NULL}, NULL), want, "%s", path);
    cr_assert_eq(current_proc()->space, before);
    cr_assert_eq(current()->regs->rip, rip);
    cr_assert_str_eq(text(va), "still here");
    cr_assert_geq(mem_free_pages() + 64, free_pages, "what was built is given back");
}

Test(exec, failure_leaves_the_old_program_intact)
{
    struct program f = good();
    put_file("/plain", &f, sizeof f, 0644);
    put_file("/short", &f, 100, 0755);
    put_file("/empty", &f, 0, 0755);
    put_file("/text", "echo hello\n", 11, 0755);
    f.p[1].p_memsz = UINT64_MAX;
    put_file("/overflow", &f, sizeof f, 0755);
    f = good();
    f.h.e_entry = 0x610000000000; /* in the library OS */
    put_file("/entry", &f, sizeof f, 0755);
    f = good();
    f.p[1].p_vaddr = 0x600000001000; /* the library OS itself */
    f.p[1].p_offset = 4096;
    put_file("/over_us", &f, sizeof f, 0755);
    f = good();
    f.p[0].p_vaddr = 0;
    f.p[1].p_vaddr = 4096;
    put_file("/null", &f, sizeof f, 0755);
    expect_refusal("/missing", -ENOENT);
    expect_refusal("/plain", -EACCES);
    expect_refusal("/", -EACCES);
    expect_refusal("/short", -ENOEXEC);
    expect_refusal("/empty", -ENOEXEC);
    expect_refusal("/text", -ENOEXEC);
    expect_refusal("/overflow", -ENOEXEC);
    expect_refusal("/entry", -ENOEXEC);
    expect_refusal("/over_us", -ENOEXEC);
    expect_refusal("/null", -EPERM);
}

Test(exec, missing_or_broken_interpreter_is_told_apart)
{
    struct program f = good();
    f.p[2] = (Elf64_Phdr){
        .p_type = PT_INTERP, .p_offset = offsetof(struct program, interp), .p_filesz = 8};
    memcpy(f.interp, "/ld-test", 8);
    put_file("/no_nul", &f, sizeof f, 0755);
    expect_refusal("/no_nul", -ENOEXEC);
    f.p[2].p_filesz = 9;
    put_file("/dynamic", &f, sizeof f, 0755);
    expect_refusal("/dynamic", -ENOENT);
    put_file("/ld-test", "garbage", 7, 0755);
    expect_refusal("/dynamic", -ELIBBAD);
    struct program ld = good();
    ld.h.e_type = ET_DYN;
    ld.h.e_entry = 0x300;
    ld.p[0].p_vaddr = 0;
    ld.p[1].p_vaddr = 4096;
    put_file("/ld-test", &ld, sizeof ld, 0755);
    cr_assert_eq(run("/dynamic", (const char *const[]){"d", NULL}, NULL), 0);
    uint64_t base = aux(AT_BASE);
    cr_assert_neq(base, 0);
    cr_assert_eq(current()->regs->rip, base + 0x300);
    cr_assert_eq(aux(AT_ENTRY), BASE + 0x200);
    cr_assert_eq(word(base + 4096), 0x5a5a5a5a5a5a5a5a);
}

Test(exec, script_runs_its_interpreter_with_one_argument_and_its_own_name)
{
    struct program f = good();
    put_file("/prog", &f, sizeof f, 0755);
    put_file("/script", "#! /prog  -x  y \nrest", 21, 0755);
    cr_assert_eq(run("/script", (const char *const[]){"zero", "one", NULL}, NULL), 0);
    uint64_t sp = current()->regs->rsp;
    cr_assert_eq(word(sp), 4);
    cr_assert_str_eq(text(word(sp + 8)), "/prog");
    cr_assert_str_eq(text(word(sp + 16)), "-x  y");
    cr_assert_str_eq(text(word(sp + 24)), "/script");
    cr_assert_str_eq(text(word(sp + 32)), "one");
    cr_assert_str_eq(current_proc()->comm, "script");
}

Test(exec, scripts_nest_five_deep_and_no_deeper)
{
    struct program f = good();
    put_file("/s0", &f, sizeof f, 0755);
    for (int i = 1; i <= 6; i++) {
        char name[8], line[16];
        snprintf(name, sizeof name, "/s%d", i);
        int n = snprintf(line, sizeof line, "#!/s%d\n", i - 1);
        put_file(name, line, (size_t)n, 0755);
    }
    expect_refusal("/s6", -ELOOP);
    cr_assert_eq(run("/s5", (const char *const[]){"s", NULL}, NULL), 0);
    cr_assert_eq(word(current()->regs->rsp), 6);
}

Test(exec, interpreter_line_that_is_cut_is_not_run)
{
    char line[400] = "#!/";
    memset(line + 3, 'a', sizeof line - 3);
    put_file("/long", line, sizeof line, 0755);
    expect_refusal("/long", -ENOEXEC);
    put_file("/blank", "#!   \n", 6, 0755);
    expect_refusal("/blank", -ENOEXEC);
}

Test(exec, too_long_arguments_are_refused)
{
    struct program f = good();
    put_file("/prog", &f, sizeof f, 0755);
    uint64_t big = standin_user_alloc(140000), vec = standin_user_alloc(4096);
    for (uint64_t i = 0; i < 139999; i++) {
        if (i % 4096 == 0) {
            char page[4096];
            memset(page, 'x', sizeof page);
            cr_assert_eq(copy_to_user(big + i, page, i + 4096 < 140000 ? 4096 : 139999 - i), 0);
        }
    }
    cr_assert_eq(put_user_u64(vec, big), 0);
    const uint64_t a[6] = {standin_user_string("/prog"), vec, 0};
    cr_assert_eq(sys_execve(a), -E2BIG);
    cr_assert_eq(put_user_u64(vec, 0x1234), 0);
    cr_assert_eq(sys_execve(a), -EFAULT);
    const uint64_t bad[6] = {8, vec, 0};
    cr_assert_eq(sys_execve(bad), -EFAULT);
}
