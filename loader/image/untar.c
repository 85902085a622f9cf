/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unpacker. A push parser: bytes come in pieces of any size, each belongs to a header, to the
 * data of an entry, to padding, or to the zeros behind the end. See untar.h for what it promises.
 */
#include "loader/image/untar.h"

#include "guest/base/io.h"
#include "guest/base/ovf.h"
#include "loader/image/pax.h"
#include "loader/image/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define WHITEOUT                                                                                   \
    "."                                                                                            \
    "wh."
#define OPAQUE WHITEOUT WHITEOUT ".opq"

enum state {
    AT_HEADER = 0, /* block holds `have` bytes of it */
    IN_FILE,       /* data goes to fd */
    IN_META,       /* data goes to meta */
    IN_SKIP,       /* data is dropped */
    IN_PAD,
    AT_END, /* one block of zeros seen: only zeros may follow */
};

struct dir_time {
    char *path;
    int64_t mtime;
};

struct untar {
    struct layer_sink sink; /* first: untar_sink() hands it out */
    struct tree *tree;
    struct untar_stats *stats;

    enum state state;
    uint8_t block[TAR_BLOCK];
    size_t have;
    uint64_t left, pad; /* bytes of data, then of padding, still to come */

    struct tar_header h; /* the entry that is being read */
    struct pax pax;      /* what was said about the next entry */
    uint8_t *meta;
    size_t meta_len;
    int fd;

    struct dir_time *dirs; /* set at the end: making files inside changes them */
    size_t dir_count, dir_room;
};

/* ---- metadata */

static const char *path_of(const struct untar *u) { return u->pax.path ? u->pax.path : u->h.name; }
static const char *link_of(const struct untar *u) { return u->pax.link ? u->pax.link : u->h.link; }
static uid_t uid_of(const struct untar *u) { return u->pax.has_uid ? u->pax.uid : u->h.uid; }
static gid_t gid_of(const struct untar *u) { return u->pax.has_gid ? u->pax.gid : u->h.gid; }

static void times_of(const struct untar *u, struct timespec out[2])
{
    out[0] = out[1] = (struct timespec){.tv_sec = u->pax.has_mtime ? u->pax.mtime : u->h.mtime};
}

static int set_xattrs(struct untar *u, int fd, struct err *e)
{
    u->stats->xattrs_skipped += u->pax.xattrs_ignored;
    for (size_t i = 0; i < u->pax.xattr_count; i++) {
        const struct pax_xattr *x = &u->pax.xattr[i];
        if (fsetxattr(fd, x->name, x->value, x->len, 0) == 0) { continue; }
        if (errno != ENOTSUP && errno != ENOSYS) {
            return err_set(e, errno, "attribute %.60s: %s", x->name, strerror(errno));
        }
        u->stats->xattrs_skipped++;
    }
    return 0;
}

/* Owner before mode: changing the owner clears setuid. */
static int set_open(struct untar *u, int fd, struct err *e)
{
    if (fchown(fd, uid_of(u), gid_of(u)) < 0) {
        return err_set(e, errno, "set owner: %s", strerror(errno));
    }
    if (fchmod(fd, u->h.mode) < 0) { return err_set(e, errno, "set mode: %s", strerror(errno)); }
    return set_xattrs(u, fd, e);
}

static int set_node(struct untar *u, const struct place *p, struct err *e)
{
    struct timespec times[2];
    times_of(u, times);
    if (fchownat(p->dir_fd, p->name, uid_of(u), gid_of(u), AT_SYMLINK_NOFOLLOW) < 0) {
        return err_set(e, errno, "set owner: %s", strerror(errno));
    }
    /* A link has no mode; what is here otherwise is the node just made, so nothing is followed. */
    if (u->h.type != TAR_SYMLINK && fchmodat(p->dir_fd, p->name, u->h.mode, 0) < 0) {
        return err_set(e, errno, "set mode: %s", strerror(errno));
    }
    if (utimensat(p->dir_fd, p->name, times, AT_SYMLINK_NOFOLLOW) < 0) {
        return err_set(e, errno, "set time: %s", strerror(errno));
    }
    return 0;
}

/* ---- entries by type; the place is free and claimed, except for directories */

static int make_dir(struct untar *u, const struct place *p, struct err *e)
{
    struct stat st;
    bool exists = *p->name == '\0' || (fstatat(p->dir_fd, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                                       S_ISDIR(st.st_mode));
    if (!exists) {
        if (tree_claimed(u->tree, p)) { return err_set(e, EEXIST, "comes twice in one layer"); }
        if (tree_remove(u->tree, p, e) < 0) { return -e->code; }
        if (mkdirat(p->dir_fd, p->name, 0700) < 0) {
            return err_set(e, errno, "mkdir: %s", strerror(errno));
        }
    }
    if (*p->name != '\0' && !tree_claimed(u->tree, p) && tree_claim(u->tree, p, e) < 0) {
        return -e->code;
    }
    auto_fd fd = openat(p->dir_fd, *p->name ? p->name : ".",
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) { return err_set(e, errno, "open: %s", strerror(errno)); }
    if (set_open(u, fd, e) < 0) { return -e->code; }

    if (u->dir_count == u->dir_room) { /* bounded by UNTAR_ENTRIES_MAX */
        size_t room = u->dir_room ? 2 * u->dir_room : 256;
        struct dir_time *wider = realloc(u->dirs, room * sizeof *wider);
        if (!wider) { return err_set(e, ENOMEM, "out of memory"); }
        u->dirs = wider;
        u->dir_room = room;
    }
    struct timespec times[2];
    times_of(u, times);
    char *path = strdup(path_of(u));
    if (!path) { return err_set(e, ENOMEM, "out of memory"); }
    u->dirs[u->dir_count++] = (struct dir_time){.path = path, .mtime = times[1].tv_sec};
    return 0;
}

static int make_hardlink(struct untar *u, const struct place *p, struct err *e)
{
    /*
     * Resolving the target moves the tree's one cursor, so the place is held by a descriptor and a
     * name of our own.
     */
    char name[NAME_MAX + 1];
    struct place target;
    auto_fd dir = openat(p->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0) { return err_set(e, errno, "open: %s", strerror(errno)); }
    memcpy(name, p->name, strlen(p->name) + 1);
    if (tree_resolve(u->tree, link_of(u), false, &target, e) < 0) {
        return err_wrap(e, "hard link's target");
    }
    if (linkat(target.dir_fd, target.name, dir, name, 0) < 0) {
        return err_set(e, errno, "hard link to '%.80s': %s", link_of(u), strerror(errno));
    }
    return 0;
}

static int make_node(struct untar *u, const struct place *p, struct err *e)
{
    mode_t type = u->h.type == TAR_FIFO ? S_IFIFO : u->h.type == TAR_CHAR ? S_IFCHR : S_IFBLK;
    dev_t dev = type == S_IFIFO ? 0 : makedev(u->h.major, u->h.minor);

    if (mknodat(p->dir_fd, p->name, type | 0600, dev) == 0) { return set_node(u, p, e); }
    if (type != S_IFIFO && (errno == EPERM || errno == ENOSYS || errno == ENOTSUP)) {
        u->stats->devices_skipped++;
        return 0;
    }
    return err_set(e, errno, "make node: %s", strerror(errno));
}

static int make_symlink(struct untar *u, const struct place *p, struct err *e)
{
    if (symlinkat(link_of(u), p->dir_fd, p->name) < 0) {
        return err_set(e, errno, "symbolic link: %s", strerror(errno));
    }
    return set_node(u, p, e);
}

static int open_file(struct untar *u, const struct place *p, struct err *e)
{
    u->fd = openat(p->dir_fd, p->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return u->fd < 0 ? err_set(e, errno, "create: %s", strerror(errno)) : 0;
}

static int whiteout(struct untar *u, struct place *p, struct err *e)
{
    const char *victim = p->name + strlen(WHITEOUT);

    if (strcmp(p->name, OPAQUE) == 0) {
        struct place dir = {.dir_fd = p->dir_fd, .dir_ino = p->dir_ino, .name = ""};
        return tree_make_opaque(u->tree, &dir, e);
    }
    if (strncmp(victim, WHITEOUT, strlen(WHITEOUT)) == 0) { return 0; }
    if (strcmp(victim, "") == 0 || strcmp(victim, ".") == 0 || strcmp(victim, "..") == 0) {
        return err_set(e, EBADMSG, "whiteout of '%s'", victim);
    }
    p->name = victim;
    return tree_white_out(u->tree, p, e);
}

static int make(struct untar *u, struct err *e)
{
    struct place p;

    if (path_of(u)[0] == '\0') { return err_set(e, EBADMSG, "entry without a name"); }
    if (tree_resolve(u->tree, path_of(u), true, &p, e) < 0) { return -e->code; }
    if (strncmp(p.name, WHITEOUT, strlen(WHITEOUT)) == 0) { return whiteout(u, &p, e); }
    if (u->h.type == TAR_DIR) { return make_dir(u, &p, e); }
    if (*p.name == '\0') {
        return err_set(e, EBADMSG, "would replace a directory that has no name");
    }
    if (tree_claim(u->tree, &p, e) < 0 || tree_remove(u->tree, &p, e) < 0) { return -e->code; }
    switch (u->h.type) {
    case TAR_FILE: return open_file(u, &p, e);
    case TAR_HARDLINK: return make_hardlink(u, &p, e);
    case TAR_SYMLINK: return make_symlink(u, &p, e);
    default: return make_node(u, &p, e);
    }
}

/* ---- the stream */

static int end_of_file(struct untar *u, struct err *e)
{
    struct timespec times[2];
    times_of(u, times);
    auto_fd fd = steal_fd(&u->fd);
    if (fd < 0) { return 0; }
    if (set_open(u, fd, e) < 0) { return err_wrap(e, "'%.80s'", path_of(u)); }
    if (futimens(fd, times) < 0) { return err_set(e, errno, "set time: %s", strerror(errno)); }
    return 0;
}

static int end_of_meta(struct untar *u, struct err *e)
{
    auto_free uint8_t *meta = steal_ptr(&u->meta);
    switch (u->h.type) {
    case TAR_PAX: return pax_parse(meta, u->meta_len, &u->pax, e);
    case TAR_PAX_GLOBAL: return pax_check_global(meta, u->meta_len, e);
    case TAR_GNU_NAME: return pax_gnu_name(meta, u->meta_len, &u->pax.path, e);
    default: return pax_gnu_name(meta, u->meta_len, &u->pax.link, e);
    }
}

/* The data of the current header is complete. */
static int end_of_data(struct untar *u, struct err *e)
{
    enum state was = u->state;
    if (was == IN_META) {
        if (end_of_meta(u, e) < 0) { return -e->code; }
    } else {
        if (was == IN_FILE && end_of_file(u, e) < 0) { return -e->code; }
        pax_reset(&u->pax);
    }
    u->state = u->pad > 0 ? IN_PAD : AT_HEADER;
    u->have = 0;
    return 0;
}

static int begin_meta(struct untar *u, struct err *e)
{
    if (u->left == 0 || u->left > PAX_SIZE_MAX) {
        return err_set(e, EFBIG, "extension header of %llu bytes, wanted 1 to %u",
                       (unsigned long long)u->left, PAX_SIZE_MAX);
    }
    u->meta = malloc((size_t)u->left);
    if (!u->meta) { return err_set(e, ENOMEM, "out of memory"); }
    u->meta_len = 0;
    u->state = IN_META;
    return 0;
}

static int begin_entry(struct untar *u, struct err *e)
{
    if (u->stats->entries++ == UNTAR_ENTRIES_MAX) {
        return err_set(e, EFBIG, "more than %u entries", UNTAR_ENTRIES_MAX);
    }
    size_t len = strlen(path_of(u));
    if (u->h.type == TAR_FILE && len > 0 && path_of(u)[len - 1] == '/') {
        u->h.type = TAR_DIR;
    } /* v7 */
    switch (u->h.type) {
    case TAR_FILE: break;
    case TAR_HARDLINK:
    case TAR_SYMLINK:
    case TAR_CHAR:
    case TAR_BLOCK_DEV:
    case TAR_DIR:
    case TAR_FIFO:
        if (u->left > 0) {
            return err_set(e, EBADMSG, "'%.80s': %llu bytes of data on an entry that has none",
                           path_of(u), (unsigned long long)u->left);
        }
        break;
    default:
        return err_set(e, ENOTSUP, "'%.80s': entry type 0x%02x is not supported", path_of(u),
                       (unsigned char)u->h.type);
    }
    if (make(u, e) < 0) { return err_wrap(e, "'%.80s'", path_of(u)); }
    u->state = u->fd >= 0 ? IN_FILE : IN_SKIP;
    return 0;
}

static int begin(struct untar *u, struct err *e)
{
    uint64_t padded;

    if (tar_is_end(u->block)) {
        u->state = AT_END;
        return 0;
    }
    if (tar_header_parse(u->block, &u->h, e) < 0) { return -e->code; }
    bool meta = u->h.type == TAR_PAX || u->h.type == TAR_PAX_GLOBAL || u->h.type == TAR_GNU_NAME ||
                u->h.type == TAR_GNU_LINK;
    u->left = !meta && u->pax.has_size ? u->pax.size : u->h.size;
    if (!tar_padded(u->left, &padded)) { return err_set(e, EBADMSG, "entry's size is absurd"); }
    u->pad = padded - u->left;
    if ((meta ? begin_meta(u, e) : begin_entry(u, e)) < 0) { return -e->code; }
    return u->left == 0 ? end_of_data(u, e) : 0;
}

static int take_data(struct untar *u, const uint8_t *p, size_t n, struct err *e)
{
    int r = u->state == IN_FILE ? write_all(u->fd, p, n) : 0;
    if (r < 0) { return err_set(e, -r, "'%.80s': write: %s", path_of(u), strerror(-r)); }
    if (u->state == IN_META) {
        memcpy(u->meta + u->meta_len, p, n); /* room for all of u->left was made */
        u->meta_len += n;
    }
    u->left -= n;
    return u->left == 0 ? end_of_data(u, e) : 0;
}

static int push(struct layer_sink *self, const uint8_t *p, size_t len, struct err *e)
{
    struct untar *u = CONTAINER_OF(self, struct untar, sink);

    while (len > 0) {
        size_t n;
        switch (u->state) {
        case AT_HEADER:
            n = (size_t)min_u64(len, TAR_BLOCK - u->have);
            memcpy(u->block + u->have, p, n);
            u->have += n;
            if (u->have == TAR_BLOCK && begin(u, e) < 0) { return -e->code; }
            break;
        case IN_PAD:
            n = (size_t)min_u64(len, u->pad);
            u->pad -= n;
            if (u->pad == 0) { u->state = AT_HEADER; }
            break;
        case AT_END:
            for (n = 0; n < len; n++) {
                if (p[n] != 0) {
                    return err_set(e, EBADMSG, "tar: data behind the end of the archive");
                }
            }
            break;
        default:
            n = (size_t)min_u64(len, u->left);
            if (take_data(u, p, n, e) < 0) { return -e->code; }
            break;
        }
        p += n;
        len -= n;
    }
    return 0;
}

/* ---- life */

int untar_new(struct tree *t, struct untar_stats *stats, struct untar **out, struct err *e)
{
    struct untar *u = calloc(1, sizeof *u);
    if (!u) { return err_set(e, ENOMEM, "out of memory"); }
    u->sink.write = push;
    u->tree = t;
    u->stats = stats;
    u->fd = -1;
    tree_next_layer(t);
    *out = u;
    return 0;
}

void untar_free(struct untar *u)
{
    if (!u) { return; }
    if (u->fd >= 0) { (void)close(u->fd); }
    pax_reset(&u->pax);
    free(u->meta);
    for (size_t i = 0; i < u->dir_count; i++) { free(u->dirs[i].path); }
    free(u->dirs);
    free(u);
}

struct layer_sink *untar_sink(struct untar *u) { return &u->sink; }

int untar_finish(struct untar *u, struct err *e)
{
    bool whole = u->state == AT_END ||
                 (u->state == AT_HEADER && u->have == 0 && !u->pax.path && !u->pax.link);
    if (!whole) { return err_set(e, EBADMSG, "tar: ends too early"); }
    for (size_t i = u->dir_count; i-- > 0;) {
        struct timespec times[2] = {{.tv_sec = u->dirs[i].mtime}, {.tv_sec = u->dirs[i].mtime}};
        struct place p;
        struct err ignored = {0};
        /*
         * A later entry may have moved the link this path went through: then the directory keeps
         * the time it has.
         */
        if (tree_resolve(u->tree, u->dirs[i].path, false, &p, &ignored) < 0) { continue; }
        if (utimensat(p.dir_fd, *p.name ? p.name : ".", times, AT_SYMLINK_NOFOLLOW) < 0 &&
            errno != ENOENT) {
            return err_set(e, errno, "'%.80s': set time: %s", u->dirs[i].path, strerror(errno));
        }
    }
    return 0;
}
