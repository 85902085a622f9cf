/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reference -> manifest -> config -> blobs and launch spec. What the host decides here it decides
 * for a guest that does not trust it: the owner's policy judges the result, the manifest digest in
 * it binds the image.
 */
#include "loader/resolve.h"

#include "loader/image/dirimage.h"
#include "loader/image/layout.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *const none[] = {NULL};

static size_t count_of(const char *const *list)
{
    size_t n = 0;
    while (list[n]) { n++; }
    return n;
}

/* ---- the process */

/* A growing list of borrowed texts, ends with NULL; never longer than the sum of its sources. */
struct texts {
    const char **list;
    size_t count;
};

static int texts_init(struct texts *t, size_t room, struct err *e)
{
    t->list = calloc(room + 1, sizeof *t->list);
    t->count = 0;
    return t->list ? 0 : err_set(e, ENOMEM, "out of memory");
}

static void texts_add_all(struct texts *t, const char *const *from)
{
    for (; *from; from++) { t->list[t->count++] = *from; }
}

static int make_args(const struct image_config *c, const struct resolve_opts *o, struct texts *out,
                     struct err *e)
{
    const char *const *head = o->entrypoint ? o->entrypoint : c->entrypoint;
    const char *const *tail = o->args ? o->args : o->entrypoint ? none : c->cmd;
    if (texts_init(out, count_of(head) + count_of(tail), e) < 0) { return -e->code; }
    texts_add_all(out, head);
    texts_add_all(out, tail);
    if (out->count == 0) {
        return err_set(e, EINVAL, "image names no program, and none was given");
    }
    return 0;
}

/* Last one wins, at the place of the first. */
static void set_env(struct texts *t, const char *text)
{
    size_t n = spec_env_name(text);
    for (size_t i = 0; i < t->count; i++) {
        if (spec_env_name(t->list[i]) == n && memcmp(t->list[i], text, n) == 0) {
            t->list[i] = text;
            return;
        }
    }
    t->list[t->count++] = text;
}

static int make_env(const struct image_config *c, const struct resolve_opts *o, struct texts *out,
                    struct err *e)
{
    const char *const *extra = o->env ? o->env : none;

    if (texts_init(out, count_of((const char *const *)c->env) + count_of(extra) + 2, e) < 0) {
        return -e->code;
    }
    set_env(out, DEFAULT_PATH);
    if (o->tty) { set_env(out, "TERM=xterm"); }
    for (const char **p = c->env; *p; p++) {
        if (spec_env_name(*p) == 0) {
            return err_set(e, EBADMSG, "image's env '%.60s' is not NAME=value", *p);
        }
        set_env(out, *p);
    }
    for (; *extra; extra++) {
        if (spec_env_name(*extra) == 0) {
            return err_set(e, EINVAL, "env '%.60s' is not NAME=value", *extra);
        }
        set_env(out, *extra);
    }
    return 0;
}

/* The user's mounts, then the image's volumes that none of them touches. */
static int make_mounts(const struct image_config *c, const struct resolve_opts *o,
                       struct spec_mount **out, size_t *out_count, struct err *e)
{
    size_t room = o->mount_count + count_of((const char *const *)c->volumes),
           count = o->mount_count;
    struct spec_mount *m = calloc(room + 1, sizeof *m);

    if (!m) { return err_set(e, ENOMEM, "out of memory"); }
    if (count > 0) { memcpy(m, o->mounts, count * sizeof *m); }
    for (const char **v = c->volumes; *v; v++) {
        bool covered = false;
        for (size_t i = 0; i < count; i++) {
            covered |= spec_path_covers(m[i].target, *v) || spec_path_covers(*v, m[i].target);
        }
        if (!covered) { m[count++] = (struct spec_mount){.target = *v, .kind = "tmpfs"}; }
    }
    *out = m;
    *out_count = count;
    return 0;
}

static int make_spec(const struct image *img, const struct resolve_opts *o, struct resolved *r,
                     struct err *e)
{
    const struct image_config *c = &img->config;
    struct texts args = {0}, env = {0};
    auto_free struct spec_mount *mounts = NULL;
    size_t mount_count = 0;

    int failed = make_args(c, o, &args, e) < 0 || make_env(c, o, &env, e) < 0 ||
                 make_mounts(c, o, &mounts, &mount_count, e) < 0;
    auto_free const char **args_list = args.list;
    auto_free const char **env_list = env.list;
    if (failed) { return -e->code; }
    struct launch_spec s = {
        .args = args_list,
        .env = env_list,
        .cwd = o->workdir    ? o->workdir
               : *c->workdir ? c->workdir
                             : "/",
        .hostname = o->hostname ? o->hostname : "",
        .user = o->user ? o->user : c->user,
        .manifest = img->manifest,
        .mounts = mounts,
        .mount_count = mount_count,
        .readonly = o->readonly,
        .tty = o->tty,
        .interactive = o->interactive,
    };
    return spec_write(&s, &r->spec, &r->spec_len, e);
}

/* ---- the blobs */

static int add_blob(struct blob_source *src, const struct digest *d, uint64_t size,
                    struct resolved *r, struct err *e)
{
    char text[DIGEST_TEXT_SIZE];
    struct blob b = {.fd = -1};

    for (size_t i = 0; i < r->blob_count; i++) {
        if (digest_equal(&r->blobs[i].digest, d)) { return 0; }
    }
    digest_text(d, text);
    if (src->open(src, d, &b, e) < 0) { return err_wrap(e, "blob %s", text); }
    r->blobs[r->blob_count++] =
        (struct resolved_blob){.digest = *d, .fd = b.fd, .base = b.base, .size = b.size};
    if (b.size != size) {
        return err_set(e, EBADMSG, "blob %s: has %llu bytes, its descriptor says %llu", text,
                       (unsigned long long)b.size, (unsigned long long)size);
    }
    return 0;
}

static int add_blobs(struct blob_source *src, const struct image *img, struct resolved *r,
                     struct err *e)
{
    r->blobs = calloc(img->layer_count + 2, sizeof *r->blobs);
    if (!r->blobs) { return err_set(e, ENOMEM, "out of memory"); }
    if (add_blob(src, &img->manifest, img->manifest_size, r, e) < 0 ||
        add_blob(src, &img->config_digest, img->config_size, r, e) < 0) {
        return -e->code;
    }
    for (size_t i = 0; i < img->layer_count; i++) {
        if (add_blob(src, &img->layers[i].digest, img->layers[i].size, r, e) < 0) {
            return -e->code;
        }
    }
    return 0;
}

static int from_source(struct blob_source *src, const struct digest *manifest,
                       const struct resolve_opts *opts, struct resolved *out, struct err *e)
{
    struct resolved r = {.manifest = *manifest};
    struct image img;

    if (image_load(src, manifest, &img, e) < 0) { return -e->code; }
    if (add_blobs(src, &img, &r, e) < 0 || make_spec(&img, opts, &r, e) < 0) {
        resolved_fini(&r);
        image_fini(&img);
        return -e->code;
    }
    image_fini(&img);
    *out = r;
    return 0;
}

/* ---- by kind of reference */

static int from_layout(const struct image_ref *ref, const struct resolve_opts *opts,
                       struct resolved *out, struct err *e)
{
    auto_layout l = NULL;
    struct digest manifest;
    int r = ref->kind == REF_OCI ? layout_open_dir(ref->path, &l, e)
                                 : layout_open_archive(ref->path, &l, e);

    if (r < 0 || layout_select(l, ref->tag, &manifest, e) < 0) { return -e->code; }
    return from_source(layout_blobs(l), &manifest, opts, out, e);
}

static int from_dir(const struct image_ref *ref, const struct resolve_opts *opts,
                    struct resolved *out, struct err *e)
{
    auto_dirimage d = NULL;
    struct digest manifest;
    if (dirimage_new(ref->path, &d, &manifest, e) < 0) { return -e->code; }
    return from_source(dirimage_blobs(d), &manifest, opts, out, e);
}

int resolve(const char *text, const struct resolve_opts *opts, struct resolved *out, struct err *e)
{
    struct image_ref ref;
    int r;

    if (image_ref_parse(text, &ref, e) < 0) { return -e->code; }
    switch (ref.kind) {
    case REF_OCI:
    case REF_OCI_ARCHIVE: r = from_layout(&ref, opts, out, e); break;
    case REF_DIR: r = from_dir(&ref, opts, out, e); break;
    default:
        r = err_set(e, ENOTSUP,
                    "registries are not supported yet; use skopeo copy docker://… oci:DIR:TAG");
        break;
    }
    image_ref_fini(&ref);
    return r < 0 ? err_wrap(e, "%.80s", text) : 0;
}

void resolved_fini(struct resolved *r)
{
    for (size_t i = 0; i < r->blob_count; i++) {
        if (r->blobs[i].fd >= 0) { (void)close(r->blobs[i].fd); }
    }
    free(r->blobs);
    free(r->spec);
    *r = (struct resolved){0};
}
