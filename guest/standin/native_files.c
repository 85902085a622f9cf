/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What los-native takes from the host: its standard descriptors, and a directory that becomes the
 * root file system.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#undef NGROUPS_MAX /* the host's, of <limits.h> */
#include "guest/fs/fs.h"
#include "guest/mm/mm.h"
#include "guest/standin/native.h"
#include "guest/standin/standin.h"
#include "guest/sys/sys.h"
#include "guest/task/task.h"

/* ---- standard descriptors -------------------------------------------------------------------- */

static struct waitq input = {LIST_INIT(input.waiters)};

bool native_input_wanted(void) { return !list_empty(&input.waiters); }
void native_input_ready(void) { wake(&input, LPOLLIN); }

static bool input_ready(void)
{
    struct pollfd p = {.fd = 0, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

static int64_t host_read(struct file *f, struct uio *u, uint64_t *pos)
{
    char buf[4096];
    (void)pos;
    while (!input_ready()) {
        if ((f->flags & LO_NONBLOCK) != 0) { return -EAGAIN; }
        int r = wait_on(&input, NO_DEADLINE, true);
        if (r < 0) { return r; }
    }
    ssize_t n = read(0, buf, u->left < sizeof buf ? u->left : sizeof buf);
    if (n <= 0) { return n < 0 ? -errno : 0; }
    return uio_put(u, buf, (size_t)n) == (size_t)n ? n : -EFAULT;
}

static int64_t host_write(struct file *f, struct uio *u, uint64_t *pos)
{
    char buf[4096];
    int64_t done = 0;
    (void)pos;
    while (u->left > 0) {
        size_t n = uio_get(u, buf, sizeof buf);
        if (n == 0) { return done != 0 ? done : -EFAULT; }
        for (size_t at = 0; at < n;) {
            ssize_t w = write((int)(intptr_t)f->priv, buf + at, n - at);
            if (w < 0) { return done != 0 ? done : -errno; }
            at += (size_t)w;
            done += w;
        }
    }
    return done;
}

static uint32_t host_poll(struct file *f, struct poller *p)
{
    if (f->priv != NULL) { return LPOLLOUT | LPOLLWRNORM; }
    poll_add(p, &input);
    return input_ready() ? LPOLLIN | LPOLLRDNORM : 0;
}

static void host_release(struct file *f) { (void)f; }

static const struct file_ops input_ops = {
    .read = host_read, .poll = host_poll, .release = host_release};
static const struct file_ops output_ops = {
    .write = host_write, .poll = host_poll, .release = host_release};

int native_stdio(struct fdtable *t)
{
    for (int fd = 0; fd < 3; fd++) {
        struct file *f = file_anon(fd == 0 ? &input_ops : &output_ops, (void *)(intptr_t)fd,
                                   fd == 0 ? LO_RDONLY : LO_WRONLY, S_IFIFO | 0600, "pipe");
        if (f == NULL) { return -ENOMEM; }
        int r = fdtable_set(t, fd, f);
        file_put(f);
        if (r < 0) { return r; }
    }
    return 0;
}

/* ---- the root file system -------------------------------------------------------------------- */

static uint64_t name_va, target_va; /* application memory for paths */

static uint64_t user_path(uint64_t va, const char *text)
{
    if (copy_to_user(va, text, strlen(text) + 1) < 0) { panic("stand-in: no memory for a path"); }
    return va;
}

static int copy_file(const char *from, const char *to, uint32_t mode)
{
    static char buf[65536]; /* stacks are small here */
    int err;
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    if (fd < 0) { return -errno; }
    struct file *f = file_open(to, LO_WRONLY | LO_CREAT | LO_TRUNC, mode, &err);
    uint64_t pos = 0;
    while (f != NULL && err == 0) {
        ssize_t n = read(fd, buf, sizeof buf);
        if (n <= 0) { break; }
        struct uio u;
        uio_kernel(&u, buf, (uint64_t)n);
        int64_t w = f->ops->write(f, &u, &pos);
        if (w != n) { err = w < 0 ? (int)w : -ENOSPC; }
    }
    close(fd);
    file_put(f);
    return err;
}

static int copy_entry(const char *from, const char *to);

static int copy_dir(const char *from, const char *to, uint32_t mode)
{
    const uint64_t make[6] = {user_path(name_va, to), mode};
    int64_t r = strcmp(to, "/") == 0 ? 0 : sys_mkdir(make);
    if (r < 0 && r != -EEXIST) { return (int)r; }
    DIR *d = opendir(from);
    if (d == NULL) { return -errno; }
    for (struct dirent *e = readdir(d); e != NULL && r >= 0; e = readdir(d)) {
        char *sub_from, *sub_to;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) { continue; }
        if (asprintf(&sub_from, "%s/%s", from, e->d_name) < 0) { return -ENOMEM; }
        if (asprintf(&sub_to, "%s/%s", strcmp(to, "/") == 0 ? "" : to, e->d_name) < 0) {
            return -ENOMEM;
        }
        r = copy_entry(sub_from, sub_to);
        free(sub_from);
        free(sub_to);
    }
    closedir(d);
    return r == -EEXIST ? 0 : (int)r;
}

static int copy_entry(const char *from, const char *to)
{
    struct stat st;
    int r = 0;
    if (lstat(from, &st) < 0) { return -errno; }
    if (S_ISDIR(st.st_mode)) { return copy_dir(from, to, st.st_mode & 07777); }
    if (S_ISREG(st.st_mode)) {
        r = copy_file(from, to, st.st_mode & 07777);
    } else if (S_ISLNK(st.st_mode)) {
        static char target[4096]; /* as above: directories nest deeply */
        ssize_t n = readlink(from, target, sizeof target - 1);
        if (n < 0) { return -errno; }
        target[n] = 0;
        const uint64_t make[6] = {user_path(target_va, target), user_path(name_va, to)};
        r = (int)sys_symlink(make);
    }
    if (r < 0) { fprintf(stderr, "los-native: %s: %s\n", to, strerror(-r)); }
    return r == -EEXIST ? 0 : r;
}

int native_load_tree(const char *host_dir)
{
    name_va = standin_user_alloc(4096);
    target_va = standin_user_alloc(4096);
    return copy_dir(host_dir, "/", 0755);
}
