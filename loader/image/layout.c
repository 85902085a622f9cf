/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image layouts: `oci-layout`, `index.json`, `blobs/sha256/HEX` [OCI image-layout 1.0]. In an
 * archive the members are listed once when it is opened and then read in place; the list has a
 * ceiling. Two members of one name are refused: which of them counts depends on the tool.
 */
#include "loader/image/layout.h"

#include "guest/base/ovf.h"
#include "loader/image/members.h"
#include "loader/image/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MEMBERS_MAX 4096 /* 127 layers, a config and a manifest for each of some thirty platforms */
#define PATH_LEN    (sizeof "blobs/sha256/" + 64)

struct member {
    char name[PATH_LEN + 1];
    uint64_t base, size;
};

struct layout {
    struct blob_source blobs; /* first: layout_blobs() hands it out */
    int fd;                   /* the directory, or the archive */
    bool archive;
    struct member *members; /* of an archive */
    size_t count;
};

/* ---- directory */

static int open_in_dir(const struct layout *l, const char *name, struct blob *out, struct err *e)
{
    struct stat st;
    /* Not waiting: it may be a pipe that nobody writes. */
    auto_fd fd = openat(l->fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) { return err_set(e, errno, "open %s: %s", name, strerror(errno)); }
    if (fstat(fd, &st) < 0) { return err_set(e, errno, "stat %s: %s", name, strerror(errno)); }
    if (!S_ISREG(st.st_mode)) { return err_set(e, EBADMSG, "%s is not a regular file", name); }
    *out = (struct blob){.fd = steal_fd(&fd), .size = (uint64_t)st.st_size};
    return 0;
}

/* ---- archive */

static int open_in_archive(const struct layout *l, const char *name, struct blob *out,
                           struct err *e)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct member *m = &l->members[i];
        if (strcmp(m->name, name) != 0) { continue; }
        auto_fd fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) { return err_set(e, errno, "dup: %s", strerror(errno)); }
        *out = (struct blob){.fd = steal_fd(&fd), .base = m->base, .size = m->size};
        return 0;
    }
    return err_set(e, ENOENT, "the archive has no %s", name);
}

static int add_member(struct layout *l, const char *name, uint64_t base, uint64_t size,
                      struct err *e)
{
    if (strncmp(name, "./", 2) == 0) { name += 2; }
    if (strlen(name) > PATH_LEN) { return 0; } /* longer than anything that is ever looked for */
    for (size_t i = 0; i < l->count; i++) {
        if (strcmp(l->members[i].name, name) == 0) {
            return err_set(e, EBADMSG, "two members are called %s", name);
        }
    }
    if (l->count == MEMBERS_MAX) { return err_set(e, EFBIG, "more than %d members", MEMBERS_MAX); }
    struct member *m = &l->members[l->count++];
    *m = (struct member){.base = base, .size = size};
    memcpy(m->name, name, strlen(name) + 1);
    return 0;
}

static int list_members(struct layout *l, uint64_t file_size, struct err *e)
{
    for (uint64_t off = 0; off < file_size;) {
        uint8_t block[TAR_BLOCK];
        struct tar_header h;
        uint64_t padded;

        ssize_t n = pread(l->fd, block, sizeof block, (off_t)off);
        if (n < 0) { return err_set(e, errno, "read: %s", strerror(errno)); }
        if (n != TAR_BLOCK) { return err_set(e, EBADMSG, "ends inside a tar header"); }
        if (tar_is_end(block)) { return 0; }
        if (tar_header_parse(block, &h, e) < 0) { return -e->code; }
        off += TAR_BLOCK;
        if (!range_fits(file_size, off, h.size) || !tar_padded(h.size, &padded)) {
            return err_set(e, EBADMSG, "member %.80s has %llu bytes, more than the archive", h.name,
                           (unsigned long long)h.size);
        }
        if (h.type == TAR_FILE && add_member(l, h.name, off, h.size, e) < 0) { return -e->code; }
        off += padded;
    }
    return 0;
}

/* ---- both */

static int open_member(const struct layout *l, const char *name, struct blob *out, struct err *e)
{
    return l->archive ? open_in_archive(l, name, out, e) : open_in_dir(l, name, out, e);
}

static int open_blob(struct blob_source *self, const struct digest *d, struct blob *out,
                     struct err *e)
{
    char text[DIGEST_TEXT_SIZE], path[PATH_LEN + 1];
    digest_text(d, text);
    (void)snprintf(path, sizeof path, "blobs/sha256/%s", text + strlen("sha256:"));
    return open_member(CONTAINER_OF(self, struct layout, blobs), path, out, e);
}

/* Small files that no digest names: bounded, copied. */
static int load_small(const struct layout *l, const char *name, struct map *out, struct err *e)
{
    struct blob b = {.fd = -1};
    if (open_member(l, name, &b, e) < 0) { return -e->code; }
    auto_fd fd = b.fd;
    if (b.size == 0 || b.size > IMAGE_JSON_MAX) {
        return err_set(e, EFBIG, "%s has %llu bytes, wanted 1 to %u", name,
                       (unsigned long long)b.size, IMAGE_JSON_MAX);
    }
    auto_map m = {.len = (size_t)b.size};
    m.p = mmap(NULL, m.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m.p == MAP_FAILED) {
        m.p = NULL;
        return err_set(e, ENOMEM, "out of memory");
    }
    ssize_t n = pread(fd, m.p, m.len, (off_t)b.base);
    if (n < 0) { return err_set(e, errno, "read %s: %s", name, strerror(errno)); }
    if ((size_t)n != m.len) {
        return err_set(e, EBADMSG, "%s became shorter while it was read", name);
    }
    *out = (struct map){.p = steal_ptr(&m.p), .len = m.len};
    return 0;
}

static int check_version(const struct layout *l, struct err *e)
{
    auto_map m = {0};
    const char *version;

    if (load_small(l, "oci-layout", &m, e) < 0) { return err_wrap(e, "not an OCI image layout"); }
    auto_json j = members_parse(m.p, m.len, e);
    if (!j || member_text(j, "imageLayoutVersion", &version, e) < 0) {
        return err_wrap(e, "oci-layout");
    }
    if (strcmp(version, "1.0.0") != 0) {
        return err_set(e, ENOTSUP, "oci-layout: version '%.40s', wanted 1.0.0", version);
    }
    return 0;
}

static int open_layout(const char *path, bool archive, struct layout **out, struct err *e)
{
    struct stat st;
    auto_layout l = calloc(1, sizeof *l);

    if (!l) { return err_set(e, ENOMEM, "out of memory"); }
    l->blobs.open = open_blob;
    l->archive = archive;
    l->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (archive ? 0 : O_DIRECTORY));
    if (l->fd < 0) { return err_set(e, errno, "open %s: %s", path, strerror(errno)); }
    if (archive) {
        l->members = calloc(MEMBERS_MAX, sizeof *l->members);
        if (!l->members) { return err_set(e, ENOMEM, "out of memory"); }
        if (fstat(l->fd, &st) < 0) {
            return err_set(e, errno, "stat %s: %s", path, strerror(errno));
        }
        if (!S_ISREG(st.st_mode)) { return err_set(e, EBADMSG, "%s: not a regular file", path); }
        if (list_members(l, (uint64_t)st.st_size, e) < 0) { return err_wrap(e, "%s", path); }
    }
    if (check_version(l, e) < 0) { return err_wrap(e, "%s", path); }
    *out = steal_ptr(&l);
    return 0;
}

int layout_open_dir(const char *path, struct layout **out, struct err *e)
{
    return open_layout(path, false, out, e);
}

int layout_open_archive(const char *path, struct layout **out, struct err *e)
{
    return open_layout(path, true, out, e);
}

void layout_free(struct layout *l)
{
    if (!l) { return; }
    if (l->fd >= 0) { (void)close(l->fd); }
    free(l->members);
    free(l);
}

struct blob_source *layout_blobs(struct layout *l) { return &l->blobs; }

int layout_index(struct layout *l, struct map *out, struct err *e)
{
    return load_small(l, "index.json", out, e);
}

int layout_select(struct layout *l, const char *tag, struct digest *out, struct err *e)
{
    auto_map index = {0};
    if (layout_index(l, &index, e) < 0) { return -e->code; }
    return image_index_select(&l->blobs, index.p, index.len, tag, out, e);
}
