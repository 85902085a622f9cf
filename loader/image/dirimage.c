/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir:ROOTFS. Reads a directory that the caller of cc-run owns, writes a pax archive into a memory
 * file. Links are not followed; sockets are left out; files that shrink or grow meanwhile are an
 * error. Hard links stay hard links.
 */
#include "loader/image/dirimage.h"

#include "loader/image/media.h"
#include "loader/image/tar.h"
#include "loader/image/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define DEPTH_MAX      256
#define SIZE_MAX_OCTAL 077777777777ull /* what eleven octal digits hold: 8 GiB - 1 */

struct dirimage {
    struct blob_source blobs; /* first: dirimage_blobs() hands it out */
    struct {
        struct digest digest;
        int fd;
        uint64_t size;
    } blob[3]; /* layer, config, manifest */
    size_t count;
};

/* Files with more than one name, by their first. */
struct seen {
    struct seen *next;
    dev_t dev;
    ino_t ino;
    char path[];
};

struct writer {
    FILE *out;
    struct seen *seen;
    char path[TREE_PATH_MAX]; /* of the current entry, relative to the root */
    size_t len;
};

/* ---- one entry */

static void octal(uint8_t *field, size_t size, uint64_t v)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%0*llo", (int)size - 1, (unsigned long long)v);
    memcpy(field, text, size);
}

static int put(struct writer *w, const void *p, size_t len, struct err *e)
{
    return fwrite(p, 1, len, w->out) == len ? 0 : err_set(e, errno, "write: %s", strerror(errno));
}

static int put_padding(struct writer *w, uint64_t len, struct err *e)
{
    static const uint8_t zeros[TAR_BLOCK];
    size_t rest = (size_t)(len % TAR_BLOCK);
    return rest ? put(w, zeros, TAR_BLOCK - rest, e) : 0;
}

static int put_header(struct writer *w, char type, const char *name, const char *link,
                      const struct stat *st, uint64_t size, struct err *e)
{
    uint8_t b[TAR_BLOCK] = {0};
    unsigned sum = 0;

    memcpy(b, name, strnlen(name, 100));
    octal(b + 100, 8, st->st_mode & 07777);
    octal(b + 108, 8, st->st_uid);
    octal(b + 116, 8, st->st_gid);
    octal(b + 124, 12, size);
    octal(b + 136, 12, st->st_mtime < 0 ? 0 : (uint64_t)st->st_mtime);
    memset(b + 148, ' ', 8);
    b[156] = (uint8_t)type;
    memcpy(b + 157, link, strnlen(link, 100));
    memcpy(b + 257,
           "ustar\0"
           "00",
           8);
    if (type == TAR_CHAR || type == TAR_BLOCK_DEV) {
        octal(b + 329, 8, major(st->st_rdev));
        octal(b + 337, 8, minor(st->st_rdev));
    }
    for (size_t i = 0; i < sizeof b; i++) { sum += b[i]; }
    octal(b + 148, 7, sum);
    return put(w, b, sizeof b, e);
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
static size_t pax_record(char *out, size_t room, const char *key, const char *value)
{
    size_t body = strlen(key) + strlen(value) + 3, len = body, digits;
    do {
        digits = (size_t)snprintf(NULL, 0, "%zu", len);
        len = body + digits;
    } while ((size_t)snprintf(NULL, 0, "%zu", len) != digits);
    return (size_t)snprintf(out, room, "%zu %s=%s\n", len, key, value);
}

static int put_entry(struct writer *w, char type, const char *link, const struct stat *st,
                     uint64_t size, struct err *e)
{
    char records[2 * TREE_PATH_MAX + 64];
    size_t n = 0;

    if (st->st_uid > 07777777 || st->st_gid > 07777777) {
        return err_set(e, EOVERFLOW, "owner %u:%u does not fit in a tar header", st->st_uid,
                       st->st_gid);
    }
    if (w->len > 100) { n += pax_record(records, sizeof records, "path", w->path); }
    if (strlen(link) > 100) { n += pax_record(records + n, sizeof records - n, "linkpath", link); }
    if (n > 0) {
        struct stat plain = {.st_mode = 0644};
        if (put_header(w, TAR_PAX, "pax", "", &plain, n, e) < 0 || put(w, records, n, e) < 0 ||
            put_padding(w, n, e) < 0) {
            return -e->code;
        }
    }
    return put_header(w, type, w->path, link, st, size, e);
}

static int put_file(struct writer *w, int dir_fd, const char *name, const struct stat *st,
                    struct err *e)
{
    uint8_t buf[65536];
    uint64_t left = (uint64_t)st->st_size;
    auto_fd fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);

    if (fd < 0) { return err_set(e, errno, "open: %s", strerror(errno)); }
    if (left > SIZE_MAX_OCTAL) { return err_set(e, EFBIG, "file is larger than 8 GiB"); }
    if (put_entry(w, TAR_FILE, "", st, left, e) < 0) { return -e->code; }
    while (left > 0) {
        ssize_t n = read(fd, buf, left < sizeof buf ? (size_t)left : sizeof buf);
        if (n < 0) { return err_set(e, errno, "read: %s", strerror(errno)); }
        if (n == 0) { return err_set(e, EBUSY, "file became shorter while it was read"); }
        if (put(w, buf, (size_t)n, e) < 0) { return -e->code; }
        left -= (uint64_t)n;
    }
    return put_padding(w, (uint64_t)st->st_size, e);
}

/* The first name of a file that has several, NULL when this is it. */
static int first_name(struct writer *w, const struct stat *st, const char **out, struct err *e)
{
    *out = NULL;
    if (st->st_nlink < 2) { return 0; }
    for (const struct seen *s = w->seen; s; s = s->next) {
        if (s->dev == st->st_dev && s->ino == st->st_ino) {
            *out = s->path;
            return 0;
        }
    }
    struct seen *s = malloc(sizeof *s + w->len + 1);
    if (!s) { return err_set(e, ENOMEM, "out of memory"); }
    s->dev = st->st_dev;
    s->ino = st->st_ino;
    memcpy(s->path, w->path, w->len + 1);
    s->next = w->seen;
    w->seen = s;
    return 0;
}

/* ---- the walk */

static int put_dir(struct writer *w, int fd, int depth, struct err *e);

static int put_one(struct writer *w, int dir_fd, const char *name, int depth, struct err *e)
{
    struct stat st;
    char link[TREE_PATH_MAX];
    const char *first;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        return err_set(e, errno, "stat: %s", strerror(errno));
    }
    if (S_ISSOCK(st.st_mode)) { return 0; }
    if (S_ISDIR(st.st_mode)) {
        auto_fd fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) { return err_set(e, errno, "open: %s", strerror(errno)); }
        if (put_entry(w, TAR_DIR, "", &st, 0, e) < 0) { return -e->code; }
        return put_dir(w, fd, depth + 1, e);
    }
    if (first_name(w, &st, &first, e) < 0) { return -e->code; }
    if (first) { return put_entry(w, TAR_HARDLINK, first, &st, 0, e); }
    if (S_ISREG(st.st_mode)) { return put_file(w, dir_fd, name, &st, e); }
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlinkat(dir_fd, name, link, sizeof link);
        if (n < 0 || n == sizeof link) {
            return err_set(e, ENAMETOOLONG, "link target cannot be read");
        }
        link[n] = '\0';
        return put_entry(w, TAR_SYMLINK, link, &st, 0, e);
    }
    char type = S_ISFIFO(st.st_mode) ? TAR_FIFO : S_ISCHR(st.st_mode) ? TAR_CHAR : TAR_BLOCK_DEV;
    return put_entry(w, type, "", &st, 0, e);
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_dots(const struct dirent *d)
{
    return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

static int put_child(struct writer *w, int fd, const char *name, int depth, struct err *e)
{
    size_t room = sizeof w->path - w->len;
    int n = snprintf(w->path + w->len, room, "%s%s", w->len ? "/" : "", name);
    if ((size_t)n >= room) { return err_set(e, ENAMETOOLONG, "path is too long"); }
    w->len += (size_t)n;
    return put_one(w, fd, name, depth, e);
}

static int put_dir(struct writer *w, int fd, int depth, struct err *e)
{
    struct dirent **list;
    int r = 0;

    if (depth > DEPTH_MAX) {
        return err_set(e, ELOOP, "directories nested deeper than %d", DEPTH_MAX);
    }
    int count = scandirat(fd, ".", &list, not_dots, by_bytes);
    if (count < 0) { return err_set(e, errno, "list: %s", strerror(errno)); }
    for (int i = 0; i < count; i++) {
        size_t before = w->len;
        if (r == 0) { r = put_child(w, fd, list[i]->d_name, depth, e); }
        if (r == 0) { /* otherwise the path stays, for the message */
            w->len = before;
            w->path[before] = '\0';
        }
        free(list[i]);
    }
    free(list);
    return r;
}

static int write_layer(const char *path, FILE *out, struct err *e)
{
    static const uint8_t end[2 * TAR_BLOCK];
    struct writer w = {.out = out};
    auto_fd root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (root < 0) { return err_set(e, errno, "open: %s", strerror(errno)); }
    int r = put_dir(&w, root, 0, e);
    for (struct seen *s = w.seen, *next; s; s = next) {
        next = s->next;
        free(s);
    }
    if (r < 0) { return err_wrap(e, "%.100s", w.path); }
    if (put(&w, end, sizeof end, e) < 0) { return -e->code; }
    return fflush(out) == 0 ? 0 : err_set(e, errno, "write: %s", strerror(errno));
}

/* ---- the image */

static int keep_fd(struct dirimage *d, int take_fd, const struct digest *digest, uint64_t size)
{
    d->blob[d->count].fd = take_fd;
    d->blob[d->count].digest = *digest;
    d->blob[d->count].size = size;
    d->count++;
    return 0;
}

static int memory_file(const char *name, struct err *e)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    return fd >= 0 ? fd : err_set(e, errno, "memfd_create: %s", strerror(errno));
}

static int add_layer(struct dirimage *d, const char *path, struct digest *out, uint64_t *out_size,
                     struct err *e)
{
    struct stat st;
    auto_fd fd = memory_file("rootfs", e);
    if (fd < 0) { return -e->code; }
    auto_file f = fdopen(dup(fd), "w");
    if (!f) { return err_set(e, ENOMEM, "out of memory"); }
    if (write_layer(path, f, e) < 0) { return -e->code; }
    if (fstat(fd, &st) < 0) { return err_set(e, errno, "stat: %s", strerror(errno)); }
    auto_map m = {.len = (size_t)st.st_size};
    m.p = mmap(NULL, m.len, PROT_READ, MAP_SHARED, fd, 0);
    if (m.p == MAP_FAILED) {
        m.p = NULL;
        return err_set(e, ENOMEM, "out of memory");
    }
    digest_of(m.p, m.len, out);
    *out_size = m.len;
    return keep_fd(d, steal_fd(&fd), out, m.len);
}

static int add_text(struct dirimage *d, const char *text, struct digest *out, struct err *e)
{
    size_t len = strlen(text);
    auto_fd fd = memory_file("json", e);
    if (fd < 0) { return -e->code; }
    if (write(fd, text, len) != (ssize_t)len) { return err_set(e, ENOMEM, "out of memory"); }
    digest_of(text, len, out);
    return keep_fd(d, steal_fd(&fd), out, len);
}

static int build(struct dirimage *d, const char *path, struct digest *out, struct err *e)
{
    struct digest layer, config;
    char layer_text[DIGEST_TEXT_SIZE], config_text[DIGEST_TEXT_SIZE], json[1024];
    uint64_t layer_size = 0;

    if (add_layer(d, path, &layer, &layer_size, e) < 0) { return -e->code; }
    digest_text(&layer, layer_text);
    (void)snprintf(
        json, sizeof json,
        "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":"
        "[\"%s\"]}}",
        layer_text);
    size_t config_size = strlen(json);
    if (add_text(d, json, &config, e) < 0) { return -e->code; }
    digest_text(&config, config_text);
    (void)snprintf(
        json, sizeof json,
        "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
        "\",\"config\":{\"mediaType\":\"" MEDIA_OCI_CONFIG
        "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":\"" MEDIA_OCI_LAYER
        "\",\"digest\":\"%s\",\"size\":%llu}]}",
        config_text, config_size, layer_text, (unsigned long long)layer_size);
    return add_text(d, json, out, e);
}

static int open_blob(struct blob_source *self, const struct digest *digest, struct blob *out,
                     struct err *e)
{
    const struct dirimage *d = CONTAINER_OF(self, struct dirimage, blobs);
    for (size_t i = 0; i < d->count; i++) {
        if (!digest_equal(&d->blob[i].digest, digest)) { continue; }
        int fd = fcntl(d->blob[i].fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) { return err_set(e, errno, "dup: %s", strerror(errno)); }
        *out = (struct blob){.fd = fd, .size = d->blob[i].size};
        return 0;
    }
    return err_set(e, ENOENT, "not part of this image");
}

int dirimage_new(const char *path, struct dirimage **out, struct digest *out_manifest,
                 struct err *e)
{
    auto_dirimage d = calloc(1, sizeof *d);
    if (!d) { return err_set(e, ENOMEM, "out of memory"); }
    d->blobs.open = open_blob;
    if (build(d, path, out_manifest, e) < 0) { return err_wrap(e, "%.100s", path); }
    *out = steal_ptr(&d);
    return 0;
}

void dirimage_free(struct dirimage *d)
{
    if (!d) { return; }
    for (size_t i = 0; i < d->count; i++) { (void)close(d->blob[i].fd); }
    free(d);
}

struct blob_source *dirimage_blobs(struct dirimage *d) { return &d->blobs; }
