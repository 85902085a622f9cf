/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifest and config of one image [OCI image-spec "manifest", "config"]. The manifest's digest
 * names everything else: the config and each layer by digest and size, and through the config each
 * layer's diff id.
 */
#include "loader/image/image.h"

#include "loader/image/members.h"
#include "loader/image/media.h"

#include <errno.h>
#include <string.h>

#define ENC_PREFIX   "org.opencontainers.image.enc."
#define PROVIDER_KEY ENC_PREFIX "keys.provider."

static int descriptor(const json_t *desc, struct digest *digest, uint64_t *size, const char **media,
                      struct err *e)
{
    const char *text;
    if (member_text(desc, "mediaType", media, e) < 0 || member_text(desc, "digest", &text, e) < 0 ||
        digest_parse(text, digest, e) < 0 || member_size(desc, "size", size, e) < 0) {
        return -e->code;
    }
    return 0;
}

static int encryption(const json_t *desc, struct image_layer *l, struct err *e)
{
    json_t *a, *value;
    const char *key;

    if (member_object(desc, "annotations", &a, e) < 0) { return -e->code; }
    if (member_text(a, ENC_PREFIX "pubopts", &l->pubopts, e) < 0 ||
        member_text_opt(a, ENC_PREFIX "keys.jwe", &l->jwe, e) < 0) {
        return -e->code;
    }
    json_object_foreach (a, key, value) {
        if (strncmp(key, PROVIDER_KEY, strlen(PROVIDER_KEY)) != 0) { continue; }
        if (!json_is_string(value)) {
            return err_set(e, EBADMSG, "annotation '%.100s' is not a text", key);
        }
        if (l->provider_count == IMAGE_PACKETS_MAX) {
            return err_set(e, EFBIG, "more than %d key providers", IMAGE_PACKETS_MAX);
        }
        l->provider[l->provider_count++] = json_string_value(value);
    }
    return 0;
}

static int layer(const json_t *desc, struct image_layer *out, struct err *e)
{
    struct image_layer l = {0};
    struct media_layer kind;
    const char *media;

    if (!json_is_object(desc)) { return err_set(e, EBADMSG, "not an object"); }
    if (descriptor(desc, &l.digest, &l.size, &media, e) < 0) { return -e->code; }
    if (!media_is_layer(media, &kind)) {
        return err_set(e, ENOTSUP, "media type '%.100s' is not a layer we can read", media);
    }
    if (l.size == 0 || l.size > IMAGE_BLOB_MAX) {
        return err_set(e, EFBIG, "%llu bytes, wanted 1 to %llu", (unsigned long long)l.size,
                       (unsigned long long)IMAGE_BLOB_MAX);
    }
    l.coding = (enum layer_coding)kind.coding;
    l.encrypted = kind.encrypted;
    if (l.encrypted && encryption(desc, &l, e) < 0) { return -e->code; }
    *out = l;
    return 0;
}

static int manifest(const json_t *j, struct image *img, struct err *e)
{
    uint64_t version;
    const char *media;
    json_t *config, *list;

    if (member_size(j, "schemaVersion", &version, e) < 0) { return -e->code; }
    if (version != 2) {
        return err_set(e, ENOTSUP, "schemaVersion is %llu, wanted 2", (unsigned long long)version);
    }
    if (member_text_opt(j, "mediaType", &media, e) < 0) { return -e->code; }
    if (media && !media_is_manifest(media)) {
        return err_set(e, ENOTSUP, "media type '%.100s' is not an image manifest", media);
    }
    if (json_object_get(j, "manifests")) {
        return err_set(e, EBADMSG, "is an index and a manifest at once");
    }
    if (member_object(j, "config", &config, e) < 0) { return -e->code; }
    if (descriptor(config, &img->config_digest, &img->config_size, &media, e) < 0) {
        return err_wrap(e, "config");
    }
    if (!media_is_config(media)) {
        return err_set(e, ENOTSUP, "config: media type '%.100s' cannot be run", media);
    }
    if (member_array(j, "layers", &list, e) < 0) { return -e->code; }
    size_t count = json_array_size(list);
    if (count == 0 || count > IMAGE_LAYERS_MAX) {
        return err_set(e, EFBIG, "%zu layers, wanted 1 to %d", count, IMAGE_LAYERS_MAX);
    }
    img->layers = calloc(count, sizeof *img->layers);
    if (!img->layers) { return err_set(e, ENOMEM, "out of memory"); }
    img->layer_count = count;
    for (size_t i = 0; i < count; i++) {
        if (layer(json_array_get(list, i), &img->layers[i], e) < 0) {
            return err_wrap(e, "layer %zu", i);
        }
    }
    return 0;
}

int image_manifest_parse(const void *p, size_t len, struct image *out, struct err *e)
{
    struct image img = {.manifest_json = members_parse(p, len, e)};
    if (!img.manifest_json || manifest(img.manifest_json, &img, e) < 0) {
        image_fini(&img);
        return err_wrap(e, "manifest");
    }
    digest_of(p, len, &img.manifest);
    img.manifest_size = len;
    *out = img;
    return 0;
}

/* ---- config */

static int diff_ids(const json_t *j, struct image *img, struct err *e)
{
    json_t *rootfs, *list;

    if (member_object(j, "rootfs", &rootfs, e) < 0 ||
        member_array(rootfs, "diff_ids", &list, e) < 0) {
        return -e->code;
    }
    if (json_array_size(list) != img->layer_count) {
        return err_set(e, EBADMSG, "%zu diff ids for %zu layers", json_array_size(list),
                       img->layer_count);
    }
    for (size_t i = 0; i < img->layer_count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text) { return err_set(e, EBADMSG, "diff_ids[%zu] is not a text", i); }
        if (digest_parse(text, &img->layers[i].diff_id, e) < 0) {
            return err_wrap(e, "diff_ids[%zu]", i);
        }
    }
    return 0;
}

static int check_platform(const struct image_config *c, struct err *e)
{
    if (strcmp(c->os, "linux") != 0 || strcmp(c->architecture, "amd64") != 0) {
        return err_set(e, ENOTSUP, "image is for %.40s/%.40s, wanted linux/amd64", c->os,
                       c->architecture);
    }
    return 0;
}

/* Volumes is an object whose keys are paths. */
static int volume_names(const json_t *c, const char ***out, struct err *e)
{
    json_t *v, *value;
    const char *key;
    size_t i = 0;

    if (member_object_opt(c, "Volumes", &v, e) < 0) { return -e->code; }
    if (json_object_size(v) > IMAGE_STRINGS_MAX) {
        return err_set(e, EFBIG, "more than %d volumes", IMAGE_STRINGS_MAX);
    }
    const char **list = calloc(json_object_size(v) + 1, sizeof *list);
    if (!list) { return err_set(e, ENOMEM, "out of memory"); }
    json_object_foreach (v, key, value) { list[i++] = key; }
    *out = list;
    return 0;
}

static int process(const json_t *c, struct image_config *out, struct err *e)
{
    const char *workdir, *user, *stop;

    if (member_texts_opt(c, "Entrypoint", IMAGE_STRINGS_MAX, &out->entrypoint, e) < 0 ||
        member_texts_opt(c, "Cmd", IMAGE_STRINGS_MAX, &out->cmd, e) < 0 ||
        member_texts_opt(c, "Env", IMAGE_STRINGS_MAX, &out->env, e) < 0 ||
        volume_names(c, &out->volumes, e) < 0 ||
        member_text_opt(c, "WorkingDir", &workdir, e) < 0 ||
        member_text_opt(c, "User", &user, e) < 0 ||
        member_text_opt(c, "StopSignal", &stop, e) < 0) {
        return err_wrap(e, "config");
    }
    out->workdir = workdir ? workdir : "";
    out->user = user ? user : "";
    out->stop_signal = stop ? stop : "";
    return 0;
}

int image_config_parse(const void *p, size_t len, struct image *out, struct err *e)
{
    auto_json none = json_object();
    json_t *c;

    out->config_json = members_parse(p, len, e);
    if (!none && e->code == 0) { (void)!err_set(e, ENOMEM, "out of memory"); }
    if (!out->config_json || !none || member_text(out->config_json, "os", &out->config.os, e) < 0 ||
        member_text(out->config_json, "architecture", &out->config.architecture, e) < 0 ||
        diff_ids(out->config_json, out, e) < 0 ||
        member_object_opt(out->config_json, "config", &c, e) < 0 ||
        process(c ? c : none, &out->config, e) < 0) {
        return err_wrap(e, "image config");
    }
    return 0;
}

int image_load(struct blob_source *src, const struct digest *digest, struct image *out,
               struct err *e)
{
    struct image img = {0};
    auto_map m = {0}, c = {0};

    if (blob_load(src, digest, BLOB_SIZE_ANY, IMAGE_JSON_MAX, &m, e) < 0) {
        return err_wrap(e, "manifest");
    }
    if (image_manifest_parse(m.p, m.len, &img, e) < 0) { return -e->code; }
    if (blob_load(src, &img.config_digest, img.config_size, IMAGE_JSON_MAX, &c, e) < 0) {
        image_fini(&img);
        return err_wrap(e, "image config");
    }
    if (image_config_parse(c.p, c.len, &img, e) < 0 || check_platform(&img.config, e) < 0) {
        image_fini(&img);
        return -e->code;
    }
    *out = img;
    return 0;
}

void image_fini(struct image *img)
{
    free(img->layers);
    free(img->config.entrypoint);
    free(img->config.cmd);
    free(img->config.env);
    free(img->config.volumes);
    json_decref(img->manifest_json);
    json_decref(img->config_json);
    *img = (struct image){0};
}
