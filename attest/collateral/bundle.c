/* SPDX-License-Identifier: Apache-2.0 */
/* See bundle.h. Reads bytes of strangers until a signature has been found good. */
#include "attest/collateral/bundle.h"

#include "attest/base64.h"
#include "attest/json.h"
#include "attest/rfc3339.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define MAGIC    "casemate-collateral-v1"
#define SIG_SIZE 64 /* of both algorithms */

/* What is signed, in one piece. */
static int message_make(const char *payload, size_t len, char **out, size_t *out_len, struct err *e)
{
    size_t head = sizeof MAGIC; /* the line feed takes the place of the zero byte */
    char *m = malloc(head + len);
    if (!m) { return err_set(e, ENOMEM, "bundle: out of memory"); }
    memcpy(m, MAGIC "\n", head);
    memcpy(m + head, payload, len);
    *out = m;
    *out_len = head + len;
    return 0;
}

/* ---- out ------------------------------------------------------------------------------------- */

struct exporting {
    const struct collateral_store *store;
    json_t *items;
};

static int export_item(void *ctx, const struct collateral_id *id, struct err *e)
{
    struct exporting *x = ctx;
    char name[COLLATERAL_NAME_MAX];
    auto_free char *bytes = NULL;
    size_t len;
    int r = collateral_read(x->store, id, &bytes, &len, e);
    if (r < 0) { return r; }
    auto_free char *text = malloc(b64_len(len) + 1);
    if (!text) { return err_set(e, ENOMEM, "bundle: out of memory"); }
    b64_encode(bytes, len, text);
    collateral_name(id, name);
    if (json_object_size(x->items) == BUNDLE_ITEMS_MAX) {
        return err_set(e, E2BIG, "bundle: more than %d items", BUNDLE_ITEMS_MAX);
    }
    return json_object_set_new(x->items, name, json_string(text)) != 0
               ? err_set(e, ENOMEM, "bundle: out of memory")
               : 0;
}

static int sign(const struct crypto_key *key, const char *message, size_t len,
                uint8_t sig[SIG_SIZE])
{
    uint8_t digest[CRYPTO_SHA256_SIZE], raw[2 * CRYPTO_COORD_MAX];
    size_t raw_len = 0;
    if (crypto_key_type(key) == CRYPTO_ED25519) {
        return crypto_ed25519_sign(key, message, len, sig);
    }
    if (crypto_key_type(key) != CRYPTO_P256) { return -EINVAL; }
    crypto_sha256(message, len, digest);
    int r = crypto_ecdsa_sign(key, digest, sizeof digest, raw, &raw_len);
    if (r < 0 || raw_len != SIG_SIZE) { return r < 0 ? r : -EINVAL; }
    memcpy(sig, raw, SIG_SIZE);
    return 0;
}

int bundle_export(const struct collateral_store *s, const struct crypto_key *key, int64_t now,
                  char **out, size_t *out_len, struct err *e)
{
    char created[RFC3339_SIZE], sig_text[(SIG_SIZE + 2) / 3 * 4 + 1];
    uint8_t sig[SIG_SIZE];
    auto_free char *payload = NULL;
    auto_free char *message = NULL;
    size_t len = 0;
    rfc3339_format(now, created);
    auto_json items = json_object();
    struct exporting x = {.store = s, .items = items};
    int r = items ? collateral_each(s, export_item, &x, e) : err_set(e, ENOMEM, "out of memory");
    if (r < 0) { return r; }
    auto_json doc = json_pack("{s:s, s:O}", "created", created, "items", items);
    payload = doc ? json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    if (!payload) { return err_set(e, ENOMEM, "bundle: out of memory"); }
    r = message_make(payload, strlen(payload), &message, &len, e);
    if (r < 0) { return r; }
    r = sign(key, message, len, sig);
    if (r < 0) { return err_set(e, -r, "bundle: the key is not a private Ed25519 or P-256 key"); }
    b64_encode(sig, sizeof sig, sig_text);
    int n = asprintf(out, MAGIC " %s\n%s", sig_text, payload);
    if (n < 0) { return err_set(e, ENOMEM, "bundle: out of memory"); }
    *out_len = (size_t)n;
    return 0;
}

/* ---- in -------------------------------------------------------------------------------------- */

static bool signed_by(const struct crypto_key *key, const char *message, size_t len,
                      const uint8_t sig[SIG_SIZE])
{
    uint8_t digest[CRYPTO_SHA256_SIZE];
    if (crypto_key_type(key) == CRYPTO_ED25519) {
        return crypto_ed25519_verify(key, message, len, sig, SIG_SIZE) == 0;
    }
    if (crypto_key_type(key) != CRYPTO_P256) { return false; }
    crypto_sha256(message, len, digest);
    return crypto_ecdsa_verify(key, digest, sizeof digest, sig, SIG_SIZE) == 0;
}

/* The payload behind a first line whose signature is good. */
static int payload_of(const struct crypto_key *const *keys, size_t key_count, const char *text,
                      size_t len, const char **out, size_t *out_len, struct err *e)
{
    static const size_t sig_chars = (SIG_SIZE + 2) / 3 * 4, head = sizeof MAGIC;
    uint8_t sig[SIG_SIZE + 2];
    auto_free char *message = NULL;
    size_t sig_len = 0, message_len = 0;
    if (len > BUNDLE_MAX || len <= head + sig_chars || memcmp(text, MAGIC " ", head) != 0 ||
        text[head + sig_chars] != '\n' ||
        b64_decode(text + head, sig_chars, sig, sizeof sig, &sig_len) < 0 || sig_len != SIG_SIZE) {
        return err_set(e, EBADMSG, "bundle: the first line is not \"" MAGIC " <signature>\"");
    }
    const char *payload = text + head + sig_chars + 1;
    size_t payload_len = len - (head + sig_chars + 1);
    int r = message_make(payload, payload_len, &message, &message_len, e);
    if (r < 0) { return r; }
    for (size_t i = 0; i < key_count; i++) {
        if (!signed_by(keys[i], message, message_len, sig)) { continue; }
        *out = payload;
        *out_len = payload_len;
        return 0;
    }
    return err_set(e, EKEYREJECTED, "bundle: not signed by any of %zu trusted keys", key_count);
}

static int import_item(const struct collateral_store *s, const char *name, const json_t *value,
                       struct bundle_result *out, struct err *e)
{
    struct collateral_id id;
    struct err why = {0};
    const char *text = json_string_value(value);
    if (!text || !collateral_parse_name(name, &id)) {
        return err_set(e, EBADMSG, "bundle: \"%.80s\" is no item", name);
    }
    size_t cap = b64_decoded_max(strlen(text)), len;
    auto_free uint8_t *bytes = malloc(cap);
    if (!bytes) { return err_set(e, ENOMEM, "bundle: out of memory"); }
    if (b64_decode(text, strlen(text), bytes, cap, &len) < 0) {
        return err_set(e, EBADMSG, "bundle: %.80s: not base64", name);
    }
    int r = collateral_write(s, &id, bytes, len, &why);
    if (r == -ESTALE) {
        out->older++;
        return 0;
    }
    if (r < 0) { return err_set(e, -r, "bundle: %s", why.text); }
    out->written++;
    return 0;
}

int bundle_import(const struct collateral_store *s, const struct crypto_key *const *keys,
                  size_t key_count, const char *text, size_t len, struct bundle_result *out,
                  struct err *e)
{
    const char *payload = NULL, *created, *name;
    size_t payload_len = 0;
    int64_t ignored;
    auto_json doc = NULL;
    json_t *items, *value;
    struct bundle_result result = {0};
    int r = payload_of(keys, key_count, text, len, &payload, &payload_len, e);
    if (r == 0) { r = json_load_strict("bundle", payload, payload_len, BUNDLE_MAX, &doc, e); }
    if (r == 0) { r = json_get_text("bundle", doc, "created", &created, e); }
    if (r == 0) { r = json_get_object("bundle", doc, "items", &items, e); }
    if (r < 0) { return r; }
    if (json_object_size(doc) != 2 || json_object_size(items) > BUNDLE_ITEMS_MAX ||
        !rfc3339_parse(created, strlen(created), &ignored)) {
        return err_set(e, EBADMSG, "bundle: wanted \"created\" and at most %d \"items\"",
                       BUNDLE_ITEMS_MAX);
    }
    json_object_foreach (items, name, value) {
        r = import_item(s, name, value, &result, e);
        if (r < 0) { return r; }
    }
    *out = result;
    return 0;
}
