/* SPDX-License-Identifier: Apache-2.0 */
/* What a program finds on its stack at entry: arguments, environment, auxiliary vector, in Linux's order. */
#include <elf.h>
#include <sys/auxv.h>

#include "tests/guest/promise.h"

extern char **environ;

PROMISE("the initial stack is laid out as Linux does")
{
    WANT(argc >= 1);
    WANT(!argv[argc]);
    WANT(environ == argv + argc + 1);
    char **env = environ;
    while (*env) { env++; }
    const uint64_t *aux = (const uint64_t *)(env + 1);
    uint64_t seen[64] = {0};
    size_t count = 0;
    for (; aux[0] != AT_NULL; aux += 2) {
        WANT(count++ < 64);
        if (aux[0] < 64) { seen[aux[0]] = aux[1]; }
    }
    WANT_EQ(seen[AT_PAGESZ], 4096);
    WANT_EQ(seen[AT_PHENT], sizeof(Elf64_Phdr));
    WANT(seen[AT_PHNUM] > 0 && seen[AT_PHNUM] < 64);
    WANT(seen[AT_PHDR] != 0 && seen[AT_ENTRY] != 0);
    WANT_EQ(seen[AT_CLKTCK], 100);
    WANT_EQ(seen[AT_SECURE], 0);
    WANT_EQ(seen[AT_UID], getuid());
    WANT_EQ(seen[AT_EGID], getegid());
    WANT_EQ(strcmp((const char *)seen[AT_PLATFORM], "x86_64"), 0);
    WANT_EQ(strcmp((const char *)seen[AT_EXECFN], argv[0]), 0);
    const uint64_t *random = (const uint64_t *)seen[AT_RANDOM];
    WANT(random && (random[0] | random[1]) != 0);
    /* The words start 16-byte aligned at argc; argument strings are contiguous and the environment follows them. */
    WANT_EQ((uintptr_t)(argv - 1) % 16, 0);
    for (int i = 0; i + 1 < argc; i++) {
        WANT_EQ(argv[i + 1] - argv[i], (long)strlen(argv[i]) + 1);
    }
    if (environ[0]) { WANT_EQ(environ[0] - argv[argc - 1], (long)strlen(argv[argc - 1]) + 1); }
    /* The header says what AT_PHDR says: one PT_LOAD holds the entry point. */
    const Elf64_Phdr *ph = (const Elf64_Phdr *)seen[AT_PHDR];
    bool entry_in_load = false;
    for (size_t i = 0; i < seen[AT_PHNUM]; i++) {
        entry_in_load |= ph[i].p_type == PT_LOAD && ph[i].p_flags & PF_X;
    }
    WANT(entry_in_load);
}
