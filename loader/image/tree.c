/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory tree that only we write, addressed by names that strangers chose. See tree.h.
 *
 * Invariants
 *  1. `fd` is always a directory at or below the root; `depth` is its distance from the root, so
 *     "fd/.." at depth > 0 stays inside.
 *  2. Every open below names one component and has O_NOFOLLOW.
 *  3. `made` holds the places of the current layer; a directory made by a lower layer enters it
 *     when this layer puts something into it, and then it is only emptied of what is not in `made`.
 */
#include "loader/image/tree.h"

#include "guest/base/hosted.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define PENDING_MAX                                                                                \
    (2 * TREE_PATH_MAX)      /* what is left of a path, with a link's target spliced in */
#define REMOVE_DEPTH_MAX 512 /* a path of 4096 bytes is at most 2048 deep; real trees 30 */
#define DIR_FLAGS        (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct made {
    struct made *next;
    uint64_t dir_ino;
    char name[];
};

struct tree {
    int root_fd;
    uint64_t root_ino;
    int fd; /* owned; where the last resolve ended, -1 = nowhere */
    uint64_t ino;
    size_t depth;
    char parent[TREE_PATH_MAX]; /* the text that led to fd and would again; "" = none */
    char last[TREE_PATH_MAX];
    struct made **buckets;
    size_t bucket_count, made_count;
};

/* ---- what this layer made: a hash set */

static size_t bucket_of(const struct tree *t, uint64_t dir_ino, const char *name)
{
    uint64_t h =
        0xcbf29ce484222325ull ^ dir_ino; /* FNV-1a: spreads; crowding by design costs time only */
    for (const char *p = name; *p; p++) { h = (h ^ (uint8_t)*p) * 0x100000001b3ull; }
    return (size_t)(h ^ h >> 32) & (t->bucket_count - 1);
}

static bool is_made(const struct tree *t, uint64_t dir_ino, const char *name)
{
    for (const struct made *m = t->buckets[bucket_of(t, dir_ino, name)]; m; m = m->next) {
        if (m->dir_ino == dir_ino && strcmp(m->name, name) == 0) { return true; }
    }
    return false;
}

static int grow(struct tree *t, struct err *e)
{
    size_t old_count = t->bucket_count;
    struct made **old = t->buckets;
    struct made **wider = calloc(2 * old_count, sizeof *wider);

    if (!wider) { return err_set(e, ENOMEM, "out of memory"); }
    t->buckets = wider;
    t->bucket_count = 2 * old_count;
    for (size_t i = 0; i < old_count; i++) {
        for (struct made *m = old[i], *next; m; m = next) {
            size_t b = bucket_of(t, m->dir_ino, m->name);
            next = m->next;
            m->next = wider[b];
            wider[b] = m;
        }
    }
    free(old);
    return 0;
}

static int add_made(struct tree *t, uint64_t dir_ino, const char *name, struct err *e)
{
    size_t len = strlen(name) + 1;
    if (t->made_count >= t->bucket_count && grow(t, e) < 0) { return -e->code; }
    struct made *m = malloc(sizeof *m + len);
    if (!m) { return err_set(e, ENOMEM, "out of memory"); }
    size_t b = bucket_of(t, dir_ino, name);
    m->dir_ino = dir_ino;
    memcpy(m->name, name, len);
    m->next = t->buckets[b];
    t->buckets[b] = m;
    t->made_count++;
    return 0;
}

void tree_next_layer(struct tree *t)
{
    for (size_t i = 0; i < t->bucket_count; i++) {
        for (struct made *m = t->buckets[i], *next; m; m = next) {
            next = m->next;
            free(m);
        }
        t->buckets[i] = NULL;
    }
    t->made_count = 0;
    t->parent[0] = '\0'; /* the next layer has not passed through it yet */
}

/* ---- life */

static void forget_parent(struct tree *t)
{
    if (t->fd >= 0) { (void)close(t->fd); }
    t->fd = -1;
    t->parent[0] = '\0';
}

int tree_new(int root_fd, struct tree **out, struct err *e)
{
    struct stat st;
    if (fstat(root_fd, &st) < 0) {
        return err_set(e, errno, "root directory: %s", strerror(errno));
    }
    struct tree *t = calloc(1, sizeof *t);
    if (!t) { return err_set(e, ENOMEM, "out of memory"); }
    *t = (struct tree){.root_fd = root_fd, .root_ino = st.st_ino, .fd = -1, .bucket_count = 1024};
    t->buckets = calloc(t->bucket_count, sizeof(struct made *));
    if (!t->buckets) {
        free(t);
        return err_set(e, ENOMEM, "out of memory");
    }
    *out = t;
    return 0;
}

void tree_free(struct tree *t)
{
    if (!t) { return; }
    tree_next_layer(t);
    forget_parent(t);
    free(t->buckets);
    free(t);
}

/* ---- the walk */

static int enter(struct tree *t, int fd, size_t depth, struct err *e)
{
    struct stat st;
    if (fd < 0) { return err_set(e, errno, "%s", strerror(errno)); }
    if (fstat(fd, &st) < 0) {
        int code = errno;
        (void)close(fd);
        return err_set(e, code, "stat: %s", strerror(code));
    }
    if (t->fd >= 0) { (void)close(t->fd); }
    t->fd = fd;
    t->ino = st.st_ino;
    t->depth = depth;
    return 0;
}

static int to_root(struct tree *t, struct err *e)
{
    return enter(t, openat(t->root_fd, ".", DIR_FLAGS), 0, e);
}

static int step_up(struct tree *t, struct err *e)
{
    if (t->depth == 0) { return 0; }
    return enter(t, openat(t->fd, "..", DIR_FLAGS), t->depth - 1, e);
}

/* pending := target + "/" + rest; rest points into pending. */
static int splice_link(struct tree *t, const char *name, char pending[PENDING_MAX],
                       const char *rest, struct err *e)
{
    char target[TREE_PATH_MAX];
    ssize_t n = readlinkat(t->fd, name, target, sizeof target);
    if (n < 0) { return err_set(e, errno, "readlink: %s", strerror(errno)); }
    size_t rest_len = strlen(rest) + 1;
    if (n == 0 || (size_t)n >= sizeof target || (size_t)n + 1 + rest_len > PENDING_MAX) {
        return err_set(e, ENAMETOOLONG, "link target is too long");
    }
    memmove(pending + n + 1, rest, rest_len);
    memcpy(pending, target, (size_t)n);
    pending[n] = '/';
    return target[0] == '/' ? to_root(t, e) : 0;
}

/*
 * One name that is not "." or "..": a directory is entered, a link is spliced into pending
 * (*spliced).
 */
static int step_down(struct tree *t, const char *name, bool make, char pending[PENDING_MAX],
                     const char *rest, bool *spliced, struct err *e)
{
    struct stat st;
    *spliced = false;
    if (fstatat(t->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT || !make) {
            return err_set(e, errno, "'%.80s': %s", name, strerror(errno));
        }
        if (mkdirat(t->fd, name, 0755) < 0) {
            return err_set(e, errno, "make directory '%.80s': %s", name, strerror(errno));
        }
    } else if (S_ISLNK(st.st_mode)) {
        *spliced = true;
        return splice_link(t, name, pending, rest, e);
    } else if (!S_ISDIR(st.st_mode)) {
        return err_set(e, ENOTDIR, "'%.80s' is not a directory", name);
    }
    if (make && !is_made(t, t->ino, name) && add_made(t, t->ino, name, e) < 0) { return -e->code; }
    return enter(t, openat(t->fd, name, DIR_FLAGS), t->depth + 1, e);
}

static int walk(struct tree *t, const char *path, bool make, struct err *e)
{
    char pending[PENDING_MAX];
    const char *p = pending;
    int links = 0;

    memcpy(pending, path, strlen(path) + 1); /* shorter than TREE_PATH_MAX, the caller checked */
    if (to_root(t, e) < 0) { return -e->code; }
    for (;;) {
        char name[NAME_MAX + 1];
        bool spliced;

        p += strspn(p, "/");
        size_t n = strcspn(p, "/");
        if (n == 0) { return 0; }
        if (n > NAME_MAX) {
            return err_set(e, ENAMETOOLONG, "a name has %zu bytes, at most %d", n, NAME_MAX);
        }
        memcpy(name, p, n);
        name[n] = '\0';
        p += n;
        if (strcmp(name, ".") == 0) { continue; }
        if (strcmp(name, "..") == 0) {
            if (step_up(t, e) < 0) { return -e->code; }
            continue;
        }
        if (step_down(t, name, make, pending, p, &spliced, e) < 0) { return -e->code; }
        if (spliced) {
            if (++links > TREE_LINK_MAX) {
                return err_set(e, ELOOP, "more than %d links", TREE_LINK_MAX);
            }
            p = pending;
        }
    }
}

/*
 * path = parent + last, slashes behind dropped; a last "." or ".." belongs to the parent and leaves
 * last = "".
 */
static int split(const char *path, char parent[TREE_PATH_MAX], char last[TREE_PATH_MAX],
                 struct err *e)
{
    size_t len = strlen(path);
    if (len >= TREE_PATH_MAX) { return err_set(e, ENAMETOOLONG, "path has %zu bytes", len); }
    while (len > 0 && path[len - 1] == '/') { len--; }
    size_t at = len;
    while (at > 0 && path[at - 1] != '/') { at--; }
    size_t last_len = len - at;
    if (last_len > NAME_MAX) {
        return err_set(e, ENAMETOOLONG, "a name has %zu bytes, at most %d", last_len, NAME_MAX);
    }
    if ((last_len == 1 && path[at] == '.') ||
        (last_len == 2 && path[at] == '.' && path[at + 1] == '.')) {
        at = len;
        last_len = 0;
    }
    memcpy(parent, path, at);
    parent[at] = '\0';
    memcpy(last, path + at, last_len);
    last[last_len] = '\0';
    return 0;
}

int tree_resolve(struct tree *t, const char *path, bool make, struct place *out, struct err *e)
{
    char parent[TREE_PATH_MAX];

    if (split(path, parent, t->last, e) < 0) { return -e->code; }
    /*
     * The same text leads to the same directory until something is removed. Only walks that may
     * make directories also count them as made, so only those are remembered.
     */
    if (t->fd < 0 || parent[0] == '\0' || strcmp(parent, t->parent) != 0) {
        t->parent[0] = '\0';
        if (walk(t, parent, make, e) < 0) {
            forget_parent(t);
            return -e->code;
        }
        if (make) { memcpy(t->parent, parent, strlen(parent) + 1); }
    }
    /*
     * "..", "." and "" name a directory by itself: give it as (directory, ""), which only directory
     * entries accept.
     */
    *out = (struct place){.dir_fd = t->fd, .dir_ino = t->ino, .name = t->last};
    return 0;
}

/* path := where the link at p points, seen from the directory path was in. */
static int follow(const struct place *p, char path[TREE_PATH_MAX], struct err *e)
{
    char target[TREE_PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t dir_len = slash ? (size_t)(slash - path) + 1 : 0;
    ssize_t n = readlinkat(p->dir_fd, p->name, target, sizeof target);

    if (n < 0) { return err_set(e, errno, "readlink: %s", strerror(errno)); }
    if (n > 0 && target[0] == '/') { dir_len = 0; }
    if (n == 0 || dir_len + (size_t)n >= TREE_PATH_MAX) {
        return err_set(e, ENAMETOOLONG, "link target is too long");
    }
    memcpy(path + dir_len, target, (size_t)n);
    path[dir_len + (size_t)n] = '\0';
    return 0;
}

int tree_open(struct tree *t, const char *name, int *out_fd, struct err *e)
{
    char path[TREE_PATH_MAX];
    size_t len = strlen(name);

    if (len >= sizeof path) { return err_set(e, ENAMETOOLONG, "path has %zu bytes", len); }
    memcpy(path, name, len + 1);
    for (int links = 0; links <= TREE_LINK_MAX; links++) {
        struct place p;
        struct stat st;
        if (tree_resolve(t, path, false, &p, e) < 0) { return -e->code; }
        const char *last = *p.name ? p.name : ".";
        if (fstatat(p.dir_fd, last, &st, AT_SYMLINK_NOFOLLOW) < 0) {
            return err_set(e, errno, "%.100s: %s", name, strerror(errno));
        }
        if (!S_ISLNK(st.st_mode)) {
            int fd =
                openat(p.dir_fd, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
            if (fd < 0) { return err_set(e, errno, "%.100s: %s", name, strerror(errno)); }
            *out_fd = fd;
            return 0;
        }
        if (follow(&p, path, e) < 0) { return -e->code; }
    }
    return err_set(e, ELOOP, "%.100s: more than %d links", name, TREE_LINK_MAX);
}

int tree_make_dirs(struct tree *t, const char *path, struct err *e)
{
    char all[TREE_PATH_MAX];
    struct place p;
    /* With "/." behind it the whole path is a parent, and parents are made. */
    if ((size_t)snprintf(all, sizeof all, "%s/.", path) >= sizeof all) {
        return err_set(e, ENAMETOOLONG, "path has %zu bytes", strlen(path));
    }
    return tree_resolve(t, all, true, &p, e);
}

/* ---- claims and removal */

bool tree_claimed(const struct tree *t, const struct place *p)
{
    return is_made(t, p->dir_ino, p->name);
}

int tree_claim(struct tree *t, const struct place *p, struct err *e)
{
    if (is_made(t, p->dir_ino, p->name)) { return err_set(e, EEXIST, "comes twice in one layer"); }
    return add_made(t, p->dir_ino, p->name, e);
}

static int remove_at(struct tree *t, int dir_fd, uint64_t dir_ino, const char *name, bool keep_made,
                     int level, struct err *e);

/* Everything below the directory dir_fd, whose descriptor is taken. */
static int remove_children(struct tree *t, int take_fd, bool keep_made, int level, struct err *e)
{
    struct stat st;
    DIR *d = fdopendir(take_fd);
    int r = 0;

    if (!d) {
        int code = errno;
        (void)close(take_fd);
        return err_set(e, code, "list: %s", strerror(code));
    }
    if (fstat(dirfd(d), &st) < 0) { r = err_set(e, errno, "stat: %s", strerror(errno)); }
    while (r == 0) {
        errno = 0;
        struct dirent *de = readdir(d);
        if (!de) {
            if (errno != 0) { r = err_set(e, errno, "list: %s", strerror(errno)); }
            break;
        }
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0) { continue; }
        r = remove_at(t, dirfd(d), st.st_ino, de->d_name, keep_made, level + 1, e);
    }
    (void)closedir(d);
    return r;
}

/*
 * keep_made: what this layer made stays, and its directories are only cleared of what is below. The
 * caller's place stays valid: only the text that led to t->fd is forgotten, never the descriptor.
 */
static int remove_at(struct tree *t, int dir_fd, uint64_t dir_ino, const char *name, bool keep_made,
                     int level, struct err *e)
{
    bool stays = keep_made && is_made(t, dir_ino, name);

    if (level > REMOVE_DEPTH_MAX) {
        return err_set(e, EMLINK, "directories nested deeper than %d", REMOVE_DEPTH_MAX);
    }
    bool gone = !stays && unlinkat(dir_fd, name, 0) == 0;
    if (!gone && !stays && errno == ENOENT) { return 0; }
    t->parent[0] = '\0'; /* something goes: the same text may lead elsewhere from now on */
    if (gone) { return 0; }
    int fd = openat(dir_fd, name, DIR_FLAGS);
    if (fd < 0) {
        if (stays && (errno == ENOTDIR || errno == ELOOP || errno == ENOENT)) { return 0; }
        return err_set(e, errno, "remove '%.80s': %s", name, strerror(errno));
    }
    if (remove_children(t, fd, keep_made, level, e) < 0) { return -e->code; }
    if (!stays && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0) {
        return err_set(e, errno, "remove '%.80s': %s", name, strerror(errno));
    }
    return 0;
}

int tree_remove(struct tree *t, const struct place *p, struct err *e)
{
    return remove_at(t, p->dir_fd, p->dir_ino, p->name, false, 0, e);
}

int tree_white_out(struct tree *t, const struct place *p, struct err *e)
{
    return remove_at(t, p->dir_fd, p->dir_ino, p->name, true, 0, e);
}

int tree_make_opaque(struct tree *t, const struct place *p, struct err *e)
{
    int fd = openat(p->dir_fd, p->name[0] ? p->name : ".", DIR_FLAGS);
    if (fd < 0) { return err_set(e, errno, "%s", strerror(errno)); }
    return remove_children(t, fd, true, 0, e);
}
