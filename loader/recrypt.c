/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image conversion. Works on the JSON itself, member order kept, and touches only what encryption
 * touches: of a layer the media type, digest, size and the enc annotations; of everything above,
 * digest and size.
 */
#include "loader/recrypt.h"

#include "guest/base/ct.h"
#include "loader/image/media.h"
#include "loader/image/members.h"

#include <errno.h>
#include <string.h>

#define ENC_PREFIX   "org.opencontainers.image.enc."
#define PROVIDER_KEY ENC_PREFIX "keys.provider.attestation-agent"
#define NESTING_MAX  4

struct job {
    enum recrypt_mode mode;
    struct blob_source *src;
    struct layout_writer *dst;
    struct keys *keys;
};

static int convert(struct job *job, json_t *desc, int level, struct err *e);

static int set_text(json_t *obj, const char *key, const char *text, struct err *e)
{
    return json_object_set_new(obj, key, json_string(text)) < 0
               ? err_set(e, ENOMEM, "out of memory")
               : 0;
}

static int set_blob(json_t *desc, const struct digest *d, size_t len, struct err *e)
{
    char text[DIGEST_TEXT_SIZE];
    digest_text(d, text);
    if (set_text(desc, "digest", text, e) < 0) { return -e->code; }
    return json_object_set_new(desc, "size", json_integer((json_int_t)len)) < 0
               ? err_set(e, ENOMEM, "out of memory")
               : 0;
}

static int load(struct job *job, const json_t *desc, uint64_t max, struct map *out, struct err *e)
{
    const char *text;
    struct digest d;
    uint64_t size;
    if (member_text(desc, "digest", &text, e) < 0 || digest_parse(text, &d, e) < 0 ||
        member_size(desc, "size", &size, e) < 0) {
        return -e->code;
    }
    return blob_load(job->src, &d, size, max, out, e);
}

/* ---- one layer */

static int encrypt_layer(struct job *job, json_t *desc, const char *media, struct err *e)
{
    auto_map m = {0};
    auto_free char *pubopts = NULL;
    auto_free char *opts = NULL;
    auto_free char *jwe = NULL;
    auto_free char *provider = NULL;
    struct layer_secret secret;
    struct digest plain, cipher;
    json_t *a;
    char type[128];

    if (load(job, desc, IMAGE_BLOB_MAX, &m, e) < 0) { return -e->code; }
    digest_of(m.p, m.len, &plain);
    int r = ocicrypt_encrypt(m.p, m.len, &secret, &pubopts, e);
    if (r == 0) { r = ocicrypt_private_opts(&secret, &plain, &opts, e); }
    wipe(&secret, sizeof secret);
    if (r == 0) { r = keys_wrap(job->keys, opts, &jwe, &provider, e); }
    if (opts) { wipe(opts, strlen(opts)); }
    if (r < 0 || layout_put_blob(job->dst, m.p, m.len, &cipher, e) < 0) { return -e->code; }

    (void)snprintf(type, sizeof type, "%.100s" MEDIA_ENCRYPTED, media);
    if (set_text(desc, "mediaType", type, e) < 0 || set_blob(desc, &cipher, m.len, e) < 0 ||
        member_object_opt(desc, "annotations", &a, e) < 0) {
        return -e->code;
    }
    if (!a) {
        a = json_object();
        if (json_object_set_new(desc, "annotations", a) < 0) {
            return err_set(e, ENOMEM, "out of memory");
        }
    }
    if ((jwe && set_text(a, ENC_PREFIX "keys.jwe", jwe, e) < 0) ||
        (provider && set_text(a, PROVIDER_KEY, provider, e) < 0)) {
        return -e->code;
    }
    return set_text(a, ENC_PREFIX "pubopts", pubopts, e);
}

static int drop(struct layer_sink *self, const uint8_t *p, size_t len, struct err *e)
{
    (void)self, (void)p, (void)len, (void)e;
    return 0;
}

/* Everything the guest would check, short of unpacking. */
static int check_diff_id(const struct image_layer *l, const struct map *m, struct err *e)
{
    struct layer_sink sink = {.write = drop};
    uint64_t budget = IMAGE_UNPACKED_MAX;
    struct digest found;

    if (layer_decode(l->coding, m->p, m->len, &budget, &sink, &found, e) < 0) { return -e->code; }
    if (!digest_equal(&found, &l->diff_id)) {
        char text[DIGEST_TEXT_SIZE];
        digest_text(&found, text);
        return err_set(e, EBADMSG, "unpacks to %s, which is not the diff id in the config", text);
    }
    return 0;
}

static int check_plain_layer(struct job *job, const json_t *desc, const struct image_layer *l,
                             struct err *e)
{
    struct digest d;
    auto_map m = {0};
    if (load(job, desc, IMAGE_BLOB_MAX, &m, e) < 0 || check_diff_id(l, &m, e) < 0) {
        return -e->code;
    }
    return layout_put_blob(job->dst, m.p, m.len, &d, e);
}

static int decrypt_layer(struct job *job, json_t *desc, const struct image_layer *l,
                         const char *media, struct err *e)
{
    auto_map m = {0};
    struct ocicrypt_keys keys = keys_for_ocicrypt(job->keys);
    struct digest plain;
    char type[128];
    const char *key;
    json_t *a = json_object_get(desc, "annotations"), *value;
    void *next;

    if (load(job, desc, IMAGE_BLOB_MAX, &m, e) < 0 ||
        ocicrypt_decrypt(l, &keys, m.p, m.len, e) < 0 || check_diff_id(l, &m, e) < 0 ||
        layout_put_blob(job->dst, m.p, m.len, &plain, e) < 0) {
        return -e->code;
    }
    (void)snprintf(type, sizeof type, "%.*s", (int)(strlen(media) - strlen(MEDIA_ENCRYPTED)),
                   media);
    if (set_text(desc, "mediaType", type, e) < 0 || set_blob(desc, &plain, m.len, e) < 0) {
        return -e->code;
    }
    json_object_foreach_safe(a, next, key, value)
    {
        if (strncmp(key, ENC_PREFIX, strlen(ENC_PREFIX)) == 0) { (void)json_object_del(a, key); }
    }
    if (json_object_size(a) == 0) { (void)json_object_del(desc, "annotations"); }
    return 0;
}

static int convert_layer(struct job *job, json_t *desc, const struct image_layer *l, struct err *e)
{
    const char *media;
    char type[128];

    if (member_text(desc, "mediaType", &media, e) < 0) { return -e->code; }
    (void)snprintf(type, sizeof type, "%s",
                   media); /* known to media_is_layer, so it fits; the view will change */
    if (job->mode == RECRYPT_DECRYPT) {
        return l->encrypted ? decrypt_layer(job, desc, l, type, e)
                            : check_plain_layer(job, desc, l, e);
    }
    if (l->encrypted) { return err_set(e, EEXIST, "is encrypted already"); }
    if (strncmp(type, "application/vnd.oci.", strlen("application/vnd.oci.")) != 0) {
        return err_set(
            e, ENOTSUP,
            "%s cannot be marked as encrypted; skopeo copy --format oci converts the image", type);
    }
    return encrypt_layer(job, desc, type, e);
}

/* ---- manifests and indexes */

static int convert_manifest(struct job *job, json_t *j, const struct map *m, struct err *e)
{
    struct image img;
    struct digest d;
    auto_map config = {0};
    json_t *layers = json_object_get(j, "layers");

    if (image_manifest_parse(m->p, m->len, &img, e) < 0) { return -e->code; }
    int r = blob_load(job->src, &img.config_digest, img.config_size, IMAGE_JSON_MAX, &config, e);
    if (r == 0) { r = image_config_parse(config.p, config.len, &img, e); }
    if (r == 0) { r = layout_put_blob(job->dst, config.p, config.len, &d, e); }
    for (size_t i = 0; r == 0 && i < img.layer_count; i++) {
        r = convert_layer(job, json_array_get(layers, i), &img.layers[i], e);
        if (r < 0) { r = err_wrap(e, "layer %zu", i); }
    }
    image_fini(&img);
    return r;
}

static int convert_index(struct job *job, json_t *j, int level, struct err *e)
{
    json_t *list;
    if (level == NESTING_MAX) { return err_set(e, EBADMSG, "nested deeper than %d", NESTING_MAX); }
    if (member_array(j, "manifests", &list, e) < 0) { return -e->code; }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (convert(job, json_array_get(list, i), level + 1, e) < 0) {
            return err_wrap(e, "manifests[%zu]", i);
        }
    }
    return 0;
}

/* What desc names, converted; desc names the result. */
static int convert(struct job *job, json_t *desc, int level, struct err *e)
{
    const char *media;
    struct digest d;
    auto_map m = {0};

    if (!json_is_object(desc)) { return err_set(e, EBADMSG, "not an object"); }
    if (member_text(desc, "mediaType", &media, e) < 0) { return -e->code; }
    bool is_index = media_is_index(media);
    if (!is_index && !media_is_manifest(media)) {
        return err_set(e, ENOTSUP, "media type '%.100s' is neither an image nor an index", media);
    }
    if (load(job, desc, IMAGE_JSON_MAX, &m, e) < 0) { return -e->code; }
    auto_json j = members_parse(m.p, m.len, e);
    auto_json before = json_deep_copy(j);
    if (!j || (is_index ? convert_index(job, j, level, e) : convert_manifest(job, j, &m, e)) < 0) {
        return -e->code;
    }
    if (json_equal(j, before)) { return layout_put_blob(job->dst, m.p, m.len, &d, e); }
    auto_free char *text = json_dumps(j, JSON_COMPACT);
    if (!text) { return err_set(e, ENOMEM, "out of memory"); }
    if (layout_put_blob(job->dst, text, strlen(text), &d, e) < 0) { return -e->code; }
    return set_blob(desc, &d, strlen(text), e);
}

/* The one entry of index.json with the tag, or the only one. */
static int top_entry(json_t *index, const char *tag, json_t **out, struct err *e)
{
    json_t *list, *found = NULL;

    if (member_array(index, "manifests", &list, e) < 0) { return -e->code; }
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *d = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(json_object_get(d, "annotations"),
                                                             "org.opencontainers.image.ref.name"));
        if (tag && (!name || strcmp(name, tag) != 0)) { continue; }
        if (found) {
            return err_set(e, EEXIST, "several images%s",
                           tag ? " have this tag" : ": name one by its tag");
        }
        found = d;
    }
    if (!found) {
        return err_set(e, ENOENT, "no image%s%.80s", tag ? " is tagged " : "", tag ? tag : "");
    }
    *out = found;
    return 0;
}

int recrypt(enum recrypt_mode mode, struct layout *src, const char *src_tag,
            struct layout_writer *dst, const char *dst_tag, struct keys *keys,
            struct digest *out_top, struct err *e)
{
    struct job job = {.mode = mode, .src = layout_blobs(src), .dst = dst, .keys = keys};
    auto_map m = {0};
    json_t *desc = NULL;
    const char *text;

    if (layout_index(src, &m, e) < 0) { return -e->code; }
    auto_json index = members_parse(m.p, m.len, e);
    if (!index || top_entry(index, src_tag, &desc, e) < 0) { return err_wrap(e, "index.json"); }
    if (convert(&job, desc, 0, e) < 0 || member_text(desc, "digest", &text, e) < 0 ||
        digest_parse(text, out_top, e) < 0) {
        return -e->code;
    }
    return layout_put_index(dst, desc, dst_tag, e);
}
