/* SPDX-License-Identifier: Apache-2.0 */
/* Inside mm/: a program being built in a space of its own, up to the point of no return. */
#ifndef CASEMATE_GUEST_MM_EXEC_H
#define CASEMATE_GUEST_MM_EXEC_H

#include "guest/mm/elf.h"
#include "guest/mm/space.h"
#include "guest/task/task.h"

/* ---- image.c: segments ----------------------------------------------------------------------- */

struct image {
    uint64_t base;  /* added to every address of the file */
    uint64_t entry; /* absolute */
    uint64_t phdr;  /* absolute; 0: not loaded */
    uint64_t end;   /* first page behind the segments */
    uint16_t phnum;
};
/* Reads both header parts of f. -ENOEXEC: not for us. */
MUST_CHECK int image_read(struct file *f, struct elf *out);
/* Maps e's segments into s; a relocatable one at `want` or, when 0, in the mmap area. */
MUST_CHECK int image_map(struct space *s, struct file *f, const struct elf *e, uint64_t want,
                         struct image *out);

/* ---- stack.c: the initial stack -------------------------------------------------------------- */

/*
 * Strings go down from the top: last environment string first. Where they come from: the old
 * program, or ourselves.
 */
struct stack {
    struct space *space;
    uint64_t top, p; /* p: lowest byte used */
    uint64_t least;  /* more than this is E2BIG */
    uint64_t argc, envc;
    uint64_t execfn;
    uint64_t env_end;
    const struct cred *cred; /* the program's, borrowed */
    bool secure;             /* it gains something by running */
};
/* An empty stack region in s; exec: executable. */
MUST_CHECK int stack_start(struct stack *k, struct space *s);
MUST_CHECK int stack_push(struct stack *k, const char *text);
/* Vectors of the current process: argv and envp addresses, either may be 0. */
MUST_CHECK int stack_user_vectors(struct stack *k, uint64_t argv, uint64_t envp);
MUST_CHECK int stack_vectors(struct stack *k, char **argv, char **envp);
/* Removes argv[0] again (scripts). */
void stack_drop_first(struct stack *k);
/* Pointers, auxiliary vector. The stack pointer in *out_sp. */
MUST_CHECK int stack_finish(struct stack *k, const struct image *program, uint64_t interp_base,
                            bool exec_stack, uint64_t *out_sp);

#endif
