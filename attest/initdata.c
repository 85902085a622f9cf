/* SPDX-License-Identifier: Apache-2.0 */
/* See initdata.h. Reads bytes that the host carried. */
#include "attest/initdata.h"

#include "attest/toml.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *name;
    enum crypto_hash hash;
} algorithms[] = {{"sha256", CRYPTO_SHA256}, {"sha384", CRYPTO_SHA384}, {"sha512", CRYPTO_SHA512}};

void initdata_fini(struct initdata *d)
{
    json_decref(d->data);
    *d = (struct initdata){0};
}

static int read_algorithm(const json_t *root, enum crypto_hash *out, struct err *e)
{
    const char *name;
    int r = json_get_text("initdata", root, "algorithm", &name, e);
    if (r < 0) { return r; }
    for (size_t i = 0; i < ARRAY_COUNT(algorithms); i++) {
        if (strcmp(name, algorithms[i].name) == 0) {
            *out = algorithms[i].hash;
            return 0;
        }
    }
    return err_set(e, EINVAL, "initdata: algorithm \"%.20s\", wanted sha256, sha384 or sha512",
                   name);
}

int initdata_parse(const void *text, size_t len, struct initdata *out, struct err *e)
{
    static const char *const known[] = {"version", "algorithm", "data", NULL};
    struct initdata d = {0};
    const char *version, *name;
    json_t *data, *value;
    auto_json root = NULL;

    int r = toml_load("initdata", text, len, INITDATA_MAX, &root, e);
    if (r == 0) { r = toml_only_known("initdata", root, known, e); }
    if (r == 0) { r = json_get_text("initdata", root, "version", &version, e); }
    if (r < 0) { return r; }
    if (strcmp(version, "0.1.0") != 0) {
        return err_set(e, EINVAL, "initdata: version \"%.20s\", wanted 0.1.0", version);
    }
    r = read_algorithm(root, &d.algorithm, e);
    if (r == 0) { r = json_get_object("initdata", root, "data", &data, e); }
    if (r < 0) { return r; }
    json_object_foreach (data, name, value) {
        if (!json_is_string(value)) {
            return err_set(e, EINVAL, "initdata: data.\"%.60s\" is not a string", name);
        }
    }
    r = crypto_digest(d.algorithm, text, len, d.digest);
    if (r < 0) { return err_set(e, -r, "initdata: no digest"); }
    d.digest_len = crypto_hash_size(d.algorithm);
    d.data = json_incref(data);
    *out = d;
    return 0;
}

const char *initdata_text(const struct initdata *d, const char *name)
{
    return json_string_value(json_object_get(d->data, name));
}

void initdata_field(const struct initdata *d, uint8_t *out, size_t field_len)
{
    size_t n = d->digest_len < field_len ? d->digest_len : field_len;
    memset(out, 0, field_len);
    memcpy(out, d->digest, n);
}
