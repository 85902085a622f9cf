/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From init's world to the container's. The calling thread of init changes worlds: it becomes the only thread of a new
 * process, pid 1, whose root is the directory init has unpacked, and runs the program there. Until exec succeeds it can
 * go back with an error. Afterwards init's processes are killed but for those that stay (CC_STAY), their memory is given
 * back, and nothing of them can be named by anybody.
 */
#include "guest/abi/init.h"
#include "guest/fs/fs.h"
#include "guest/fs/tty.h"
#include "guest/mm/mm.h"
#include "guest/streams.h"
#include "guest/task/proc.h"
#include "guest/ward.h"

#define HOSTNAME_SIZE 65

static char hostname[HOSTNAME_SIZE] = "localhost";
static bool started;

const char *host_name(void) { return hostname; }
bool container_started(void) { return started; }

void guest_end(int status)
{
    unsigned code = (status & 0x7f) != 0 ? 128 + (unsigned)(status & 0x7f) : (unsigned)status >> 8;
    streams_say_exit(started ? STREAM_EXIT_PROGRAM : STREAM_EXIT_REFUSED, code);
    ward_power_off(code);
}

struct start {
    struct file *root;
    const char *path, *cwd;
    const struct exec_vec *v;
    const struct cred *cred;
    uint32_t mask, flags;
};

/* ---- the new process -------------------------------------------------------------------------------------------------- */

static void set_ids(struct proc *p, const struct cred *cred)
{
    struct cred *c = &p->cred;
    c->ruid = c->euid = c->suid = c->fsuid = cred->ruid;
    c->rgid = c->egid = c->sgid = c->fsgid = cred->rgid;
    c->groups_count = cred->groups_count;
    memcpy(c->groups, cred->groups, sizeof c->groups);
    if (c->euid != 0) { c->cap_effective = c->cap_permitted = 0; }
}

static struct proc *new_process(const struct start *s, int *out_err)
{
    struct proc *self = current_proc();
    struct proc *p = proc_new(NULL, false);

    *out_err = -ENOMEM;
    if (p == NULL) { return NULL; }
    p->files = fdtable_new();
    for (int fd = 0; p->files != NULL && fd < 3; fd++) {
        struct file *f = fd_file(fd);
        if (f != NULL && fdtable_set(p->files, fd, f) != 0) {
            fdtable_put(p->files);
            p->files = NULL;
        }
    }
    if (p->files != NULL) {
        p->fs = fsctx_container(s->root, s->cwd, s->mask, (s->flags & CC_CONTAINER_READONLY) != 0,
                                out_err);
    }
    if (p->fs == NULL) {
        proc_free(p);
        pid_forget_container();
        return NULL;
    }
    if ((s->flags & CC_CONTAINER_TTY) != 0 && tty_console() != NULL) {
        tty_set_controlling(tty_console(), p);
    }
    memcpy(p->rlim, self->rlim, sizeof p->rlim);
    return p;
}

/* t leaves its process, which keeps everything else, and becomes a thread of p. */
static void move_thread(struct thread *t, struct proc *p, int32_t tid)
{
    list_del(&t->link);
    t->proc->thread_count--;
    pid_del_thread(t);
    t->proc = p;
    t->tid = tid;
    list_add_tail(&p->threads, &t->link);
    p->thread_count++;
    pid_add_thread(t);
}

/* ---- the program --------------------------------------------------------------------------------------------------------- */

/* 0, 1 and 2 once more, by the name they have in the container, so that ttyname() finds it. */
static void name_terminal(void)
{
    int e;
    struct file *f = file_open("/dev/console", LO_RDWR | LO_NOCTTY, 0, &e);
    for (int fd = 0; f != NULL && fd < 3; fd++) { (void)fdtable_set(current_proc()->files, fd, f); }
    file_put(f);
}

static int run(const char *path, const struct exec_vec *v)
{
    int e;
    struct file *f = file_open(path, LO_RDONLY, 0, &e);
    if (f == NULL) { return e; }
    e = file_exec_ok(f);
    if (e == 0) { e = exec_file(f, path, v); }
    file_put(f);
    return e;
}

static int start(const struct start *s)
{
    struct thread *t = current();
    struct proc *init = t->proc;
    int32_t old_tid = t->tid;
    int e;

    struct proc *p = new_process(s, &e);
    if (p == NULL) { return e; }
    set_ids(p, s->cred);
    move_thread(t, p, p->pid);
    if ((s->flags & CC_CONTAINER_TTY) != 0) { name_terminal(); }
    e = run(s->path, s->v);
    if (e != 0) {
        move_thread(t, init, old_tid);
        proc_free(p);
        pid_forget_container();
        return e;
    }
    started = true;
    t->mask = 0;
    t->clear_child_tid = 0;
    sched_space_changed();
    proc_world_ends(true);
    streams_say_phase(STREAM_PHASE_STARTED);
    return 0;
}

int container_start(int32_t rootfd, const char *path, const struct exec_vec *v, const char *cwd,
                    const struct cred *cred, uint32_t mask, uint32_t flags, const char *name)
{
    struct start s = {fd_file(rootfd), path, cwd, v, cred, mask, flags};

    if (started || !current_proc()->internal) { return -EPERM; }
    if (current_proc()->thread_count != 1) { return -EBUSY; }
    if (s.root == NULL) { return -EBADF; }
    if (strnlen(name, HOSTNAME_SIZE) == HOSTNAME_SIZE) { return -EINVAL; }
    if (*name != 0) { memcpy(hostname, name, strlen(name) + 1); }
    file_get(s.root);
    int e = start(&s);
    file_put(s.root);
    return e;
}
