/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an index to one manifest. Indexes nest (a layout's index.json may name an image index, and
 * so on); platforms are compared where they are given. A choice that is not unique is refused:
 * order in a file is not a decision.
 */
#include "loader/image/image.h"

#include "loader/image/members.h"
#include "loader/image/media.h"

#include <errno.h>
#include <string.h>

#define NESTING_MAX 4   /* two is what tools write */
#define ENTRIES_MAX 512 /* manifests of one index: some thirty platforms, or the tags of a layout */
#define TAG_KEY     "org.opencontainers.image.ref.name"

struct choice {
    const char *media_type; /* view into the index */
    struct digest digest;
    uint64_t size;
};

/* linux/amd64, or not said: then the image's config decides (manifest.c). */
static int platform_fits(const json_t *desc, bool *out, struct err *e)
{
    json_t *p;
    const char *os, *arch, *variant;

    if (member_object_opt(desc, "platform", &p, e) < 0) { return -e->code; }
    if (!p) {
        *out = true;
        return 0;
    }
    if (member_text(p, "os", &os, e) < 0 || member_text(p, "architecture", &arch, e) < 0 ||
        member_text_opt(p, "variant", &variant, e) < 0) {
        return err_wrap(e, "platform");
    }
    *out = strcmp(os, "linux") == 0 && strcmp(arch, "amd64") == 0 &&
           (!variant || *variant == '\0' || strcmp(variant, "v1") == 0);
    return 0;
}

/* *out: the tag, NULL when there is none */
static int tag_of(const json_t *desc, const char **out, struct err *e)
{
    json_t *a;
    *out = NULL;
    if (member_object_opt(desc, "annotations", &a, e) < 0) { return -e->code; }
    return a ? member_text_opt(a, TAG_KEY, out, e) : 0;
}

static int read_choice(const json_t *desc, struct choice *out, struct err *e)
{
    const char *text;
    struct choice c;
    if (member_text(desc, "mediaType", &c.media_type, e) < 0 ||
        member_text(desc, "digest", &text, e) < 0 || digest_parse(text, &c.digest, e) < 0 ||
        member_size(desc, "size", &c.size, e) < 0) {
        return -e->code;
    }
    *out = c;
    return 0;
}

/* " (tags: a, b, …)", the first few that a terminal can show; "" when there are none. */
static void tags_text(const json_t *list, char *out, size_t size)
{
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct err ignored = {0};
        const char *name;
        if (tag_of(json_array_get(list, i), &name, &ignored) < 0 || !name) { continue; }
        bool shown = *name != '\0';
        for (const char *p = name; *p; p++) { shown = shown && *p > ' ' && *p <= '~'; }
        size_t need = strlen(name) + sizeof " (tags: , …)";
        if (!shown) { continue; }
        if (need > size - at) {
            at += (size_t)snprintf(out + at, size - at, at > 0 ? ", …" : " (tags: …");
            break;
        }
        at += (size_t)snprintf(out + at, size - at, "%s%s", at > 0 ? ", " : " (tags: ", name);
    }
    if (at > 0) { (void)snprintf(out + at, size - at, ")"); }
}

/* One level: tag is NULL below the top. The chosen media type is a view into j. */
static int choose(const json_t *j, const char *tag, struct choice *out, struct err *e)
{
    json_t *list;
    size_t found = 0;

    if (member_array(j, "manifests", &list, e) < 0) { return -e->code; }
    if (json_array_size(list) > ENTRIES_MAX) {
        return err_set(e, EFBIG, "%zu manifests, at most %d", json_array_size(list), ENTRIES_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *desc = json_array_get(list, i);
        const char *name = NULL;
        bool fits = false;

        if (!json_is_object(desc)) {
            return err_set(e, EBADMSG, "manifests[%zu] is not an object", i);
        }
        if (platform_fits(desc, &fits, e) < 0 || tag_of(desc, &name, e) < 0) {
            return err_wrap(e, "manifests[%zu]", i);
        }
        if (!fits || (tag && (!name || strcmp(name, tag) != 0))) { continue; }
        if (++found == 1 && read_choice(desc, out, e) < 0) {
            return err_wrap(e, "manifests[%zu]", i);
        }
    }
    char tags[120];
    if (found == 1) { return 0; }
    tags_text(list, tags, sizeof tags);
    if (found == 0) {
        return tag ? err_set(e, ENOENT, "no linux/amd64 image is tagged '%.80s'%s", tag, tags)
                   : err_set(e, ENOENT, "no image for linux/amd64");
    }
    return tag ? err_set(e, EEXIST, "%zu images fit this tag", found)
               : err_set(e, EEXIST, "%zu images fit: name one by its tag%s", found, tags);
}

int image_index_select(struct blob_source *src, const void *index, size_t len, const char *tag,
                       struct digest *out, struct err *e)
{
    auto_json j = members_parse(index, len, e);

    for (int level = 0; j; level++) {
        struct choice c;
        if (choose(j, level == 0 ? tag : NULL, &c, e) < 0) { break; }
        if (media_is_manifest(c.media_type)) {
            *out = c.digest;
            return 0;
        }
        if (!media_is_index(c.media_type)) {
            (void)!err_set(e, ENOTSUP, "media type '%.100s' is neither an image nor an index",
                           c.media_type);
            break;
        }
        if (level == NESTING_MAX) {
            (void)!err_set(e, EBADMSG, "nested deeper than %d", NESTING_MAX);
            break;
        }
        auto_map next = {0};
        if (blob_load(src, &c.digest, c.size, IMAGE_JSON_MAX, &next, e) < 0) { break; }
        json_decref(j);
        j = members_parse(next.p, next.len, e);
    }
    return err_wrap(e, "image index");
}
