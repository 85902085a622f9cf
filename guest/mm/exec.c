/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execve: the new program is built whole in a space of its own while the old one stays intact, so
 * every error before the point of no return leaves it as it was, and there is nothing after that
 * point that can fail.
 *
 *   open, `#!` up to five times, ELF header   what to run
 *   strings                                   from old space to new
 *   segments, interpreter                     mapped
 *   ---- the other threads die ----
 *   space, registers, signals, descriptors    exchanged
 */
#include "guest/mm/exec.h"

#include "guest/fs/fs.h"
#include "guest/random.h"
#include "guest/sys/sys.h"
#include "guest/task/sched.h"

#define SCRIPT_LEVELS        5
#define SCRIPT_LINE          256
#define PATH_SIZE            4096
#define PIE_BASE             0x555555554000ull
#define PIE_RANDOM_BITS      28
#define BRK_RANDOM_BITS      13
#define AT_EMPTY_PATH_       0x1000u
#define AT_SYMLINK_NOFOLLOW_ 0x100u

struct exec {
    struct space *space;
    struct stack stack;
    struct file *file, *interp; /* referenced */
    struct elf elf, interp_elf;
    struct cred cred; /* of the program */
    char path[PATH_SIZE]; /* of file, for comm and messages */
    char line[SCRIPT_LINE];
};

static void exec_free(struct exec *x)
{
    space_put(x->space);
    file_put(x->file);
    file_put(x->interp);
    mem_free(x);
}

/* Opens a program. */
static struct file *open_exec(const char *path, int *err)
{
    struct file *f = file_open(path, LO_RDONLY, 0, err);
    if (f == NULL) { return NULL; }
    *err = file_exec_ok(f);
    if (*err < 0) {
        file_put(f);
        return NULL;
    }
    return f;
}

/* ---- scripts --------------------------------------------------------------------------------- */

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/*
 * "#!interpreter [argument]" in x->line, n bytes read, zero-terminated. Pointers into the line.
 * The rest of the line is one argument, without blanks at its ends.
 */
static int parse_script(char *line, size_t n, char **out_interp, char **out_arg)
{
    char *end = memchr(line, '\n', n);
    if (end == NULL) {
        /* cut short: an interpreter name that may go on behind the buffer is not run */
        end = line + n;
        if (n == SCRIPT_LINE - 1) {
            char *p = line + 2;
            while (p < end && is_blank(*p)) { p++; }
            while (p < end && !is_blank(*p) && *p != 0) { p++; }
            if (p == end) { return -ENOEXEC; }
        }
    }
    *end = 0;
    while (end > line + 2 && is_blank(end[-1])) { *--end = 0; }
    char *p = line + 2;
    while (is_blank(*p)) { p++; }
    if (*p == 0) { return -ENOEXEC; }
    *out_interp = p;
    while (*p != 0 && !is_blank(*p)) { p++; }
    *out_arg = NULL;
    if (*p != 0) {
        *p++ = 0;
        while (is_blank(*p)) { p++; }
        if (*p != 0) { *out_arg = p; }
    }
    return 0;
}

/* x->file is a script: its arguments go onto the stack and its interpreter takes its place. */
static int enter_script(struct exec *x, size_t n)
{
    char *interp, *arg;
    int r = parse_script(x->line, n, &interp, &arg);
    if (r < 0) { return r; }
    stack_drop_first(&x->stack);
    r = stack_push(&x->stack, x->path);
    x->stack.argc++;
    if (r == 0 && arg != NULL) {
        r = stack_push(&x->stack, arg);
        x->stack.argc++;
    }
    if (r == 0) {
        r = stack_push(&x->stack, interp);
        x->stack.argc++;
    }
    if (r < 0) { return r; }
    struct file *f = open_exec(interp, &r);
    if (f == NULL) { return r; }
    file_put(x->file);
    x->file = f;
    memcpy(x->path, interp, strlen(interp) + 1);
    return 0;
}

static int find_program(struct exec *x)
{
    for (int level = 0; level <= SCRIPT_LEVELS; level++) {
        int64_t n = file_read_at(x->file, x->line, SCRIPT_LINE - 1, 0);
        if (n < 0) { return (int)n; }
        x->line[n] = 0;
        if (n < 2 || x->line[0] != '#' || x->line[1] != '!') {
            return image_read(x->file, &x->elf);
        }
        if (level == SCRIPT_LEVELS) { break; }
        int r = enter_script(x, (size_t)n);
        if (r < 0) { return r; }
    }
    return -ELOOP;
}

static int find_interp(struct exec *x)
{
    size_t size = x->elf.interp_size;
    if (size == 0) { return 0; }
    char *path = mem_alloc(size);
    if (path == NULL) { return -ENOMEM; }
    int64_t n = file_read_at(x->file, path, size, x->elf.interp_off);
    int r = n == (int64_t)size && path[size - 1] == 0 ? 0 : -ENOEXEC;
    if (r == 0) { x->interp = open_exec(path, &r); }
    mem_free(path);
    if (x->interp == NULL) { return r; }
    r = image_read(x->interp, &x->interp_elf);
    return r == -ENOEXEC ? -ELIBBAD : r;
}

/* ---- building -------------------------------------------------------------------------------- */

static uint64_t random_pages(unsigned bits)
{
    uint64_t r;
    random_bytes(&r, sizeof r);
    return (r & ((1ull << bits) - 1)) * PAGE_SIZE;
}

static int map_program(struct exec *x, struct image *program, struct image *start)
{
    int r =
        image_map(x->space, x->file, &x->elf, PIE_BASE + random_pages(PIE_RANDOM_BITS), program);
    if (r < 0) { return r; }
    x->space->start_brk = x->space->brk = program->end + random_pages(BRK_RANDOM_BITS);
    *start = *program;
    return x->interp != NULL ? image_map(x->space, x->interp, &x->interp_elf, 0, start) : 0;
}

static void base_name(const char *path, char *out)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t n = strnlen(name, COMM_SIZE - 1);
    memcpy(out, name, n);
    out[n] = 0;
}

/*
 * Everything is built. Once the other threads are gone nothing can fail. -EINTR: somebody killed
 * this thread first.
 */
static int commit(struct exec *x, const char *comm, uint64_t entry, uint64_t sp)
{
    if (!exec_kill_others()) { return -EINTR; }
    struct proc *p = current_proc();
    struct space *old = p->space;
    struct file *old_exe = p->exe;

    p->space = x->space;
    sched_space_changed();
    p->exe = x->file;
    p->cred = x->cred;
    p->dumpable = !x->stack.secure;
    if (x->stack.secure) { p->pdeathsig = 0; }
    x->space = old;
    x->file = old_exe;
    struct regs *r = current()->regs;
    *r = (struct regs){.rip = entry, .cs = 0x33, .rflags = 0x202, .rsp = sp, .ss = 0x2b};
    exec_reset(comm);
    return 0;
}

/* x has file, path and strings. Consumes x. */
static int run(struct exec *x)
{
    char comm[COMM_SIZE];
    struct image program, start;
    uint64_t sp;

    base_name(x->path, comm);
    int r = find_program(x);
    if (r == 0) { r = find_interp(x); }
    if (r == 0) { r = map_program(x, &program, &start); }
    if (r == 0) {
        x->stack.cred = &x->cred;
        x->stack.secure = cred_exec(x->file, &x->cred);
        uint64_t interp_base = x->interp != NULL ? start.base : 0;
        r = stack_finish(&x->stack, &program, interp_base, x->elf.exec_stack, &sp);
    }
    if (r == 0) { r = commit(x, comm, start.entry, sp); }
    exec_free(x);
    return r;
}

/* Takes over the reference to f; name is what scripts get and AT_EXECFN shows. */
static struct exec *begin(struct file *take_f, const char *name, int *err)
{
    struct exec *x = mem_alloc(sizeof *x);
    if (x == NULL) {
        file_put(take_f);
        *err = -ENOMEM;
        return NULL;
    }
    x->file = take_f;
    size_t len = strnlen(name, PATH_SIZE - 1);
    memcpy(x->path, name, len);
    x->space = space_new();
    *err = x->space != NULL ? stack_start(&x->stack, x->space) : -ENOMEM;
    if (*err == 0) { *err = stack_push(&x->stack, name); }
    x->stack.execfn = x->stack.p;
    if (*err < 0) {
        exec_free(x);
        return NULL;
    }
    return x;
}

/* Linux gives a program without arguments one that is empty. */
static int no_empty_argv(struct stack *k)
{
    if (k->argc != 0) { return 0; }
    k->argc = 1;
    return stack_push(k, "");
}

int exec_file(struct file *f, const char *path, const struct exec_vec *v)
{
    int r;
    file_get(f);
    struct exec *x = begin(f, path, &r);
    if (x == NULL) { return r; }
    r = stack_vectors(&x->stack, v->argv, v->envp);
    if (r == 0) { r = no_empty_argv(&x->stack); }
    if (r == 0) { return run(x); }
    exec_free(x);
    return r;
}

static int64_t exec_user(struct file *take_f, const char *name, uint64_t argv, uint64_t envp)
{
    int r;
    struct exec *x = begin(take_f, name, &r);
    if (x == NULL) { return r; }
    r = stack_user_vectors(&x->stack, argv, envp);
    if (r == 0) { r = no_empty_argv(&x->stack); }
    if (r == 0) { return run(x); }
    exec_free(x);
    return r;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int64_t exec_path(const char *path, uint64_t argv, uint64_t envp)
{
    int err;
    struct file *f = open_exec(path, &err);
    return f == NULL ? err : exec_user(f, path, argv, envp);
}

int64_t sys_execve(const uint64_t a[6])
{
    char *path = mem_alloc(PATH_SIZE);
    if (path == NULL) { return -ENOMEM; }
    int64_t r = user_string(path, a[0], PATH_SIZE);
    if (r >= 0) { r = exec_path(path, a[1], a[2]); }
    mem_free(path);
    return r;
}

/*
 * A descriptor as the program, or a path below one: by the name under which the program finds
 * itself.
 */
static int64_t exec_at(int fd, char *path, size_t len, uint64_t argv, uint64_t envp, uint64_t flags)
{
    struct file *f = fd_file(fd);
    char *name;

    if (f == NULL) { return -EBADF; }
    if (len == 0 && (flags & AT_EMPTY_PATH_) == 0) { return -ENOENT; }
    name = mem_alloc(PATH_SIZE + 32);
    if (name == NULL) { return -ENOMEM; }
    fmt(name, PATH_SIZE, len == 0 ? "/dev/fd/%d%s" : "/dev/fd/%d/%s", fd, path);
    int64_t r;
    if (len == 0 && (f->flags & LO_PATH) == 0) {
        r = file_exec_ok(f);
        file_get(f);
        if (r == 0) {
            r = exec_user(f, name, argv, envp);
        } else {
            file_put(f);
        }
    } else {
        r = exec_path(name, argv, envp);
    }
    mem_free(name);
    return r;
}

int64_t sys_execveat(const uint64_t a[6])
{
    if ((a[4] & ~(uint64_t)(AT_EMPTY_PATH_ | AT_SYMLINK_NOFOLLOW_)) != 0) { return -EINVAL; }
    char *path = mem_alloc(PATH_SIZE);
    if (path == NULL) { return -ENOMEM; }
    int64_t r = user_string(path, a[1], PATH_SIZE);
    if (r >= 0) {
        bool plain = path[0] == '/' || ((int)a[0] == AT_FDCWD_ && r > 0);
        r = plain ? exec_path(path, a[2], a[3])
                  : exec_at((int)a[0], path, (size_t)r, a[2], a[3], a[4]);
    }
    mem_free(path);
    return r;
}
