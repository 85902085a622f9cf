/* SPDX-License-Identifier: Apache-2.0 */
/* See layout_write.h. */
#include "loader/layout_write.h"

#include "guest/base/io.h"
#include "loader/image/members.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define TAG_KEY "org.opencontainers.image.ref.name"

/* Write under a name of our own, then give it its own. */
static int put_file(int dir, const char *name, const void *p, size_t len, struct err *e)
{
    char temp[64];

    (void)snprintf(temp, sizeof temp, ".casemate-%ld", (long)getpid());
    (void)unlinkat(dir, temp, 0);
    auto_fd fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) { return err_set(e, errno, "create %s: %s", name, strerror(errno)); }
    int r = write_all(fd, p, len);
    if (r < 0) { r = err_set(e, -r, "write %s: %s", name, strerror(-r)); }
    if (r == 0 && close(steal_fd(&fd)) < 0) {
        r = err_set(e, errno, "write %s: %s", name, strerror(errno));
    }
    if (r == 0 && renameat(dir, temp, dir, name) < 0) {
        r = err_set(e, errno, "rename to %s: %s", name, strerror(errno));
    }
    if (r < 0) { (void)unlinkat(dir, temp, 0); }
    return r;
}

static int make_dir(int at, const char *name, int *out, struct err *e)
{
    if (mkdirat(at, name, 0755) < 0 && errno != EEXIST) {
        return err_set(e, errno, "make directory %s: %s", name, strerror(errno));
    }
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) { return err_set(e, errno, "open %s: %s", name, strerror(errno)); }
    *out = fd;
    return 0;
}

int layout_writer_open(const char *path, struct layout_writer *out, struct err *e)
{
    static const char version[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
    struct layout_writer w = {.dir = -1, .blobs = -1};
    int all = -1;

    if (make_dir(AT_FDCWD, path, &w.dir, e) < 0 || make_dir(w.dir, "blobs", &all, e) < 0) {
        layout_writer_close(&w);
        return -e->code;
    }
    int r = make_dir(all, "sha256", &w.blobs, e);
    (void)close(all);
    if (r == 0 && faccessat(w.dir, "oci-layout", F_OK, 0) < 0) {
        r = put_file(w.dir, "oci-layout", version, strlen(version), e);
    }
    if (r < 0) {
        layout_writer_close(&w);
        return err_wrap(e, "%s", path);
    }
    *out = w;
    return 0;
}

void layout_writer_close(struct layout_writer *w)
{
    if (w->dir >= 0) { (void)close(w->dir); }
    if (w->blobs >= 0) { (void)close(w->blobs); }
    w->dir = w->blobs = -1;
}

int layout_put_blob(struct layout_writer *w, const void *p, size_t len, struct digest *out,
                    struct err *e)
{
    char text[DIGEST_TEXT_SIZE];
    struct stat st;

    digest_of(p, len, out);
    digest_text(out, text);
    const char *name = text + strlen("sha256:");
    if (fstatat(w->blobs, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
        (uint64_t)st.st_size == len) {
        return 0;
    }
    return put_file(w->blobs, name, p, len, e);
}

/* index.json as it is, or an empty one. */
static json_t *load_index(struct layout_writer *w, struct err *e)
{
    struct stat st;
    auto_fd fd = openat(w->dir, "index.json", O_RDONLY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT) {
        return json_pack("{s:i, s:[]}", "schemaVersion", 2, "manifests");
    }
    if (fd < 0 || fstat(fd, &st) < 0) {
        (void)!err_set(e, errno, "index.json: %s", strerror(errno));
        return NULL;
    }
    if (st.st_size > IMAGE_JSON_MAX) {
        (void)!err_set(e, EFBIG, "index.json: %lld bytes", (long long)st.st_size);
        return NULL;
    }
    auto_free char *text = malloc((size_t)st.st_size + 1);
    ssize_t n = text ? read(fd, text, (size_t)st.st_size) : -1;
    if (n < 0) {
        (void)!err_set(e, EIO, "index.json cannot be read");
        return NULL;
    }
    return members_parse(text, (size_t)n, e);
}

static bool has_tag(const json_t *entry, const char *tag)
{
    const char *found =
        json_string_value(json_object_get(json_object_get(entry, "annotations"), TAG_KEY));
    return tag ? found && strcmp(found, tag) == 0 : !found;
}

int layout_put_index(struct layout_writer *w, const struct json_t *descriptor, const char *tag,
                     struct err *e)
{
    json_t *list;
    auto_json index = load_index(w, e);
    auto_json entry = json_deep_copy(descriptor);

    if (!index && e->code == 0) { (void)!err_set(e, ENOMEM, "out of memory"); }
    if (!index || member_array(index, "manifests", &list, e) < 0) {
        return err_wrap(e, "index.json");
    }
    for (size_t i = json_array_size(list); i-- > 0;) {
        if (has_tag(json_array_get(list, i), tag)) { (void)json_array_remove(list, i); }
    }
    int r = 0;
    if (tag) {
        json_t *a = json_object_get(entry, "annotations");
        r = a ? json_object_set_new(a, TAG_KEY, json_string(tag))
              : json_object_set_new(entry, "annotations", json_pack("{s:s}", TAG_KEY, tag));
    }
    if (r < 0 || json_array_append(list, entry) < 0) {
        return err_set(e, ENOMEM, "index.json: out of memory");
    }
    auto_free char *text = json_dumps(index, JSON_COMPACT);
    if (!text) { return err_set(e, ENOMEM, "index.json: out of memory"); }
    return put_file(w->dir, "index.json", text, strlen(text), e);
}
