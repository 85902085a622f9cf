/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process: init's program, placed with the core image and covered by its hash, becomes a file of
 * init's own root and is executed from there like any other program.
 */
#include "guest/first.h"

#include "guest/fs/fs.h"
#include "guest/mm/mobj.h"
#include "guest/stream_files.h"
#include "guest/streams.h"
#include "guest/task/sched.h"
#include "guest/ward.h"

#define INIT_PATH "/init"

/* The file's pages are the image's own frames: nothing is copied. */
static struct file *init_file(void)
{
    int e;
    struct file *f = file_open(INIT_PATH, LO_RDONLY | LO_CREAT | LO_EXCL, 0500, &e);
    if (f == NULL) { return NULL; }
    struct mobj *o = f->ops->mobj(f);
    bool ok = mobj_truncate(o, handoff->init_size) == 0;
    for (uint64_t off = 0; ok && off < handoff->init_size; off += PAGE_SIZE) {
        gpa_t g = {handoff->init_gpa + off};
        frame_get(g);
        ok = mobj_insert(o, off / PAGE_SIZE, g) == 0;
    }
    if (ok) { return f; }
    file_put(f);
    return NULL;
}

/* On the new thread's own stack; exec_file() fills its registers. */
static void init_main(void)
{
    static char *argv[] = {"init", NULL};
    static char *envp[] = {"PATH=/", NULL};
    const struct exec_vec v = {argv, envp};

    sched_switched();
    streams_say_phase(STREAM_PHASE_INIT);
    struct file *f = init_file();
    if (f == NULL) { panic("init: no memory for its file"); }
    if (exec_file(f, INIT_PATH, &v) != 0) { panic("init: not executable"); }
    file_put(f);
    thread_leave();
}

void first_process(void)
{
    struct proc *p = proc_new(NULL, true);
    struct thread *t = p != NULL ? thread_new(p) : NULL;
    if (t == NULL) { panic("first process"); }
    p->space = space_new();
    p->files = fdtable_new();
    p->fs = fsctx_first();
    if (p->space == NULL || p->files == NULL || p->fs == NULL) { panic("first process"); }
    if (stdio_install(p->files) != 0) { panic("standard input and output"); }
    thread_start_at(t, init_main);
}
