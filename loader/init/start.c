/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last step. Everything is looked up inside the root as if chrooted, because the image chose
 * the links. What the image lacks of a root directory (/dev, /proc, /sys, /tmp, the working
 * directory) is made.
 */
#include "loader/init/start.h"

#include "guest/base/hosted.h"
#include "loader/image/user.h"
#include "loader/init/env.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define DEFAULT_UMASK 022

static const char *env_value(const char *const *env, const char *name)
{
    size_t n = strlen(name);
    for (; *env; env++) {
        if (spec_env_name(*env) == n && memcmp(*env, name, n) == 0) { return *env + n + 1; }
    }
    return NULL;
}

/* 0, or -EACCES for something that is there and cannot be run. */
static int check_program(struct tree *t, const char *path, struct err *e)
{
    struct stat st;
    int raw;
    if (tree_open(t, path, &raw, e) < 0) { return -e->code; }
    auto_fd fd = raw;
    if (fstat(fd, &st) < 0) { return err_set(e, errno, "stat: %s", strerror(errno)); }
    if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0) {
        return err_set(e, EACCES, "%.100s: not an executable file", path);
    }
    return 0;
}

static int join(char out[TREE_PATH_MAX], const char *dir, size_t dir_len, const char *name,
                struct err *e)
{
    int n = snprintf(out, TREE_PATH_MAX, "%.*s/%s", (int)dir_len, dir, name);
    return n >= 0 && n < TREE_PATH_MAX ? 0
                                       : err_set(e, ENAMETOOLONG, "%.80s: path is too long", name);
}

/*
 * Where the program args[0] is: as it stands when it has a slash (relative to cwd), else along PATH
 * of env.
 */
static int find_program(struct tree *t, const char *name, const char *const *env, const char *cwd,
                        char out[TREE_PATH_MAX], struct err *e)
{
    struct err denied = {0};

    if (strchr(name, '/')) {
        if (join(out, name[0] == '/' ? "" : cwd, name[0] == '/' ? 0 : strlen(cwd),
                 name + (name[0] == '/'), e) < 0) {
            return -e->code;
        }
        return check_program(t, out, e);
    }
    for (const char *p = env_value(env, "PATH"); p && *p;) {
        size_t n = strcspn(p, ":");
        if (n > 0 && p[0] == '/') { /* entries that are relative to somewhere are passed over */
            struct err why = {0};
            if (join(out, p, n, name, e) < 0) { return -e->code; }
            if (check_program(t, out, &why) == 0) { return 0; }
            if (why.code == EACCES && denied.code == 0) { denied = why; }
        }
        p += n + (p[n] == ':');
    }
    if (denied.code) { return err_set(e, EACCES, "%s", denied.text); }
    return err_set(e, ENOENT, "%.100s: not found along PATH", name);
}

static int make_place(struct tree *t, const struct launch_spec *spec, struct err *e)
{
    static const char *const needed[] = {"/dev", "/proc", "/sys", "/tmp"};
    for (size_t i = 0; i < ARRAY_COUNT(needed); i++) {
        if (tree_make_dirs(t, needed[i], e) < 0) { return err_wrap(e, "%s", needed[i]); }
    }
    if (tree_make_dirs(t, spec->cwd, e) < 0) {
        return err_wrap(e, "working directory %.100s", spec->cwd);
    }
    for (size_t i = 0; i < spec->mount_count; i++) {
        const struct spec_mount *m = &spec->mounts[i];
        /* The root is a tmpfs already: a directory in it is what a tmpfs mount would be. */
        if (strcmp(m->kind, "tmpfs") != 0 || m->readonly || spec->readonly) {
            return err_set(
                e, ENOTSUP,
                "mount %.80s: this guest has only writable tmpfs mounts on a writable root",
                m->target);
        }
        if (tree_make_dirs(t, m->target, e) < 0) { return err_wrap(e, "mount %.100s", m->target); }
    }
    return 0;
}

/* Without leave the host's bytes do not reach the application: it reads an end at once. */
static int close_stdin(const struct launch_spec *spec, struct err *e)
{
    if (spec->interactive || spec->tty) { return 0; }
    auto_fd fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || dup2(fd, STDIN_FILENO) < 0) {
        return err_set(e, errno, "/dev/null: %s", strerror(errno));
    }
    return 0;
}

/* from as it is, and HOME where it has none. The list is the caller's, what is in it borrowed. */
static int make_env(const char *const *from, const char *home, const char ***out, struct err *e)
{
    size_t count = 0;
    while (from[count]) { count++; }
    const char **env = calloc(count + 2, sizeof *env);
    if (!env) { return err_set(e, ENOMEM, "out of memory"); }
    memcpy(env, from, count * sizeof *env);
    if (!env_value(from, "HOME")) { env[count] = home; }
    *out = env;
    return 0;
}

static uint64_t address(const void *p) { return (uint64_t)(uintptr_t)p; }

static int run(int root_fd, const struct launch_spec *spec, const struct user *u, const char *path,
               const char **env, const struct policy *policy, struct err *e)
{
    size_t control_len = 0;
    const void *control = policy ? policy_control(policy, &control_len) : NULL;
    struct cc_container c = {
        .rootfd = root_fd,
        .uid = u->uid,
        .gid = u->gid,
        .umask = DEFAULT_UMASK,
        .argv = address(spec->args),
        .envp = address(env),
        .cwd = address(spec->cwd),
        .groups = address(u->groups),
        .groups_count = u->group_count,
        .flags = (spec->tty ? CC_CONTAINER_TTY : 0) | (spec->readonly ? CC_CONTAINER_READONLY : 0),
        .hostname = address(spec->hostname),
        .path = address(path),
        .control = address(control),
        .control_len = control_len,
    };
    int r = env_start(&c);
    return err_set(e, -r, "%.100s: %s", path, strerror(-r));
}

int start(struct tree *t, int root_fd, const struct launch_spec *spec, struct secrets *secrets,
          const struct policy *policy, struct err *e)
{
    auto_free struct user *u = calloc(1, sizeof *u);
    auto_free const char **env = NULL;
    const char *const *variables;
    char path[TREE_PATH_MAX], home[sizeof "HOME=" + USER_HOME_MAX];

    if (!u) { return (void)!err_set(e, ENOMEM, "out of memory"), START_FAILED; }
    if (make_place(t, spec, e) < 0 || user_resolve(t, spec->user, u, e) < 0 ||
        secrets_place(secrets, t, u, e) < 0 || secrets_env(secrets, spec, &variables, e) < 0) {
        return START_FAILED;
    }
    (void)snprintf(home, sizeof home, "HOME=%s", u->home);
    if (make_env(variables, home, &env, e) < 0 || close_stdin(spec, e) < 0) { return START_FAILED; }
    if (find_program(t, spec->args[0], variables, spec->cwd, path, e) < 0) {
        return e->code == ENOENT || e->code == ENOTDIR ? START_NOT_FOUND : START_CANNOT_RUN;
    }
    (void)!run(root_fd, spec, u, path, env, policy, e);
    return e->code == ENOENT ? START_NOT_FOUND : START_CANNOT_RUN;
}
