/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One description of an image as JSON; the text for people is drawn from it. Texts of strangers are
 * shown escaped.
 */
#include "loader/inspect.h"

#include "loader/image/ocicrypt.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#define URIS_MAX 64

static const char *coding_name(enum layer_coding c)
{
    return c == LAYER_GZIP ? "gzip" : c == LAYER_ZSTD ? "zstd" : "tar";
}

static json_t *texts(const char *const *list)
{
    json_t *a = json_array();
    for (; *list; list++) { (void)json_array_append_new(a, json_string(*list)); }
    return a;
}

static json_t *layer_json(const struct image_layer *l)
{
    char digest[DIGEST_TEXT_SIZE], diff_id[DIGEST_TEXT_SIZE];
    digest_text(&l->digest, digest);
    digest_text(&l->diff_id, diff_id);
    return json_pack("{s:s, s:I, s:s, s:s, s:b, s:b, s:i}", "digest", digest, "size",
                     (json_int_t)l->size, "coding", coding_name(l->coding), "diff_id", diff_id,
                     "encrypted", l->encrypted, "jwe", l->jwe != NULL, "providers",
                     (int)l->provider_count);
}

static json_t *describe(const struct image *img, struct err *e)
{
    static char uris[URIS_MAX][KEK_URI_MAX];
    const struct image_config *c = &img->config;
    size_t uri_count = URIS_MAX;
    char manifest[DIGEST_TEXT_SIZE], config[DIGEST_TEXT_SIZE];

    if (ocicrypt_key_uris(img, uris, &uri_count, e) < 0) { return NULL; }
    digest_text(&img->manifest, manifest);
    digest_text(&img->config_digest, config);
    json_t *layers = json_array(), *keys = json_array();
    for (size_t i = 0; i < img->layer_count; i++) {
        (void)json_array_append_new(layers, layer_json(&img->layers[i]));
    }
    for (size_t i = 0; i < uri_count; i++) {
        (void)json_array_append_new(keys, json_string(uris[i]));
    }
    json_t *j =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:o}", "manifest",
                  manifest, "config", config, "os", c->os, "architecture", c->architecture,
                  "entrypoint", texts((const char *const *)c->entrypoint), "cmd",
                  texts((const char *const *)c->cmd), "env", texts((const char *const *)c->env),
                  "workdir", c->workdir, "user", c->user, "stop_signal", c->stop_signal, "volumes",
                  texts((const char *const *)c->volumes), "keys", keys, "layers", layers);
    if (!j) { (void)!err_set(e, ENOMEM, "out of memory"); }
    return j;
}

/* A value on one line: JSON's escapes keep control characters of strangers off the terminal. */
static void line(FILE *out, const char *name, const json_t *j)
{
    char *text =
        json_dumps(json_object_get(j, name), JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    (void)fprintf(out, "%-13s %s\n", name, text ? text : "?");
    free(text);
}

static void print(FILE *out, const json_t *j)
{
    static const char *const names[] = {"manifest",   "config",      "os",      "architecture",
                                        "entrypoint", "cmd",         "env",     "workdir",
                                        "user",       "stop_signal", "volumes", "keys"};
    size_t i;
    const json_t *l;

    for (size_t n = 0; n < ARRAY_COUNT(names); n++) { line(out, names[n], j); }
    json_array_foreach (json_object_get(j, "layers"), i, l) {
        (void)fprintf(out, "layer %-7zu %s %s %lld bytes%s\n", i,
                      json_string_value(json_object_get(l, "digest")),
                      json_string_value(json_object_get(l, "coding")),
                      (long long)json_integer_value(json_object_get(l, "size")),
                      json_is_true(json_object_get(l, "encrypted")) ? ", encrypted" : "");
    }
}

int inspect(struct layout *l, const char *tag, bool json, FILE *out, struct err *e)
{
    struct digest manifest;
    struct image img;

    if (layout_select(l, tag, &manifest, e) < 0 ||
        image_load(layout_blobs(l), &manifest, &img, e) < 0) {
        return -e->code;
    }
    json_t *j = describe(&img, e);
    image_fini(&img);
    if (!j) { return -e->code; }
    if (json) {
        (void)json_dumpf(j, out, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        (void)fputc('\n', out);
    } else {
        print(out, j);
    }
    json_decref(j);
    return fflush(out) == 0 ? 0 : err_set(e, errno, "write: %s", strerror(errno));
}
