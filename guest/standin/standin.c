/* SPDX-License-Identifier: Apache-2.0 */
/* Level 1: the boot list of guest/main.c, for a process whose caller plays the application. */
#include "guest/standin/standin.h"

#include "guest/fs/fs.h"
#include "guest/mm/frames.h"
#include "guest/mm/space.h"
#include "guest/standin/ward_native.h"
#include "guest/task/sched.h"

void standin_boot(void) { standin_boot_with(256ull << 20, false); }

/*
 * The idle thread gets a stack of its own, because the caller's becomes the first application
 * thread's.
 */
static char idle_stack[1 << 18] ALIGNED(16);

static void idle_main(void)
{
    sched_switched();
    sched_idle(NULL);
}

static void first_thread(void)
{
    sched_cpu_init(0);
    big_lock();
    struct proc *p = proc_new(NULL, false);
    struct thread *t = p != NULL ? thread_new(p) : NULL;
    if (t == NULL || (p->space = space_new()) == NULL) { panic("stand-in: no first process"); }
    p->files = fdtable_new();
    if (p->files == NULL) { panic("stand-in: no descriptor table"); }
    uint64_t *sp = (uint64_t *)(idle_stack + sizeof idle_stack);
    *--sp = 0;
    *--sp = (uint64_t)idle_main;
    for (int i = 0; i < 6; i++) { *--sp = 0; }
    this_cpu()->idle->sp = (uint64_t)sp;
    sched_adopt(t);
}

void standin_boot_with(uint64_t ram_size, bool guarded)
{
    native_ward_start(ram_size, guarded);
    frames_init();
    tables_init();
    first_thread();
    if (fs_init() != 0 || (current_proc()->fs = fsctx_first()) == NULL) {
        panic("stand-in: no file systems");
    }
}

uint64_t standin_user_alloc(size_t size)
{
    int64_t va = space_map(current_proc()->space, 0, size, LPROT_READ | LPROT_WRITE,
                           LMAP_PRIVATE | LMAP_ANONYMOUS, NULL, 0);
    if (va < 0) { panic("stand-in: no application memory"); }
    return (uint64_t)va;
}

uint64_t standin_user_string(const char *s)
{
    size_t size = strlen(s) + 1;
    uint64_t va = standin_user_alloc(size);
    if (copy_to_user(va, s, size) < 0) { panic("stand-in: out of memory"); }
    return va;
}
