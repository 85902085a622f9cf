/* SPDX-License-Identifier: Apache-2.0 */
/* See sealed.h. The text comes from the host or an image: a stranger until its signature holds. */
#include "attest/agent/sealed.h"

#include "attest/jose.h"
#include "attest/toml.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define PREFIX     "sealed."
#define PREFIX_LEN (sizeof PREFIX - 1)

static const char what[] = "sealed secret";

bool sealed_is(const char *text, size_t len)
{
    return len >= PREFIX_LEN && memcmp(text, PREFIX, PREFIX_LEN) == 0;
}

/* ---- who signed it */

static const char *key_uri(const struct sealed_source *from, const char *kid)
{
    if (strncmp(kid, "kbs:", 4) == 0) { return kid; }
    for (size_t i = 0; i < from->credential_count; i++) {
        if (strcmp(from->credentials[i].name, kid) == 0) { return from->credentials[i].uri; }
    }
    return NULL;
}

static int verify(const struct sealed_source *from, const struct jws *s, struct err *e)
{
    const char *kid;
    uint8_t *text;
    size_t len;
    int r = json_get_text(what, s->header, "kid", &kid, e);
    if (r < 0) { return r; }
    const char *uri = key_uri(from, kid);
    if (!uri) {
        return err_set(e, ENOKEY,
                       "%s: key \"%.80s\" is no kbs: resource and not among the credentials", what,
                       kid);
    }
    r = from->get(from->ctx, uri, &text, &len, e);
    if (r < 0) { return err_wrap(e, "%s: its key", what); }
    auto_jwk k = {0};
    r = jwk_parse((const char *)text, len, &k, e);
    free(text);
    if (r < 0) { return err_wrap(e, "%s: its key %.80s", what, uri); }
    r = jws_verify(s, k.key, JWS_ALLOW(JWS_ES256), e);
    return r < 0 ? err_wrap(e, "%s", what) : 0;
}

/* The payload of "header.payload.signature", none of which but the payload means anything. */
static int payload_unsigned(const char *text, size_t len, uint8_t **out, size_t *out_len,
                            struct err *e)
{
    const char *end = text + len, *dot1 = memchr(text, '.', len);
    const char *p = dot1 ? dot1 + 1 : end, *dot2 = memchr(p, '.', (size_t)(end - p));
    if (!dot2 || memchr(dot2 + 1, '.', (size_t)(end - dot2 - 1))) {
        return err_set(e, EBADMSG, "%s: not three parts behind \"" PREFIX "\"", what);
    }
    size_t n = (size_t)(dot2 - p), cap = b64_decoded_max(n);
    auto_free uint8_t *buf = malloc(cap);
    if (!buf) { return err_set(e, ENOMEM, "%s: out of memory", what); }
    if (b64u_decode(p, n, buf, cap, out_len) < 0) {
        return err_set(e, EBADMSG, "%s: payload is not base64url", what);
    }
    *out = steal_ptr(&buf);
    return 0;
}

static int payload_signed(const struct sealed_source *from, const char *text, size_t len,
                          uint8_t **out, size_t *out_len, struct err *e)
{
    auto_jws s = {0};
    int r = jws_parse(text, len, &s, e);
    if (r < 0) { return err_wrap(e, "%s", what); }
    r = verify(from, &s, e);
    if (r < 0) { return r; }
    *out_len = s.payload_len;
    *out = steal_ptr(&s.payload_raw);
    return 0;
}

/* ---- what it says */

/* The members that every payload has, and that there are no others than known. */
static int check_payload(const json_t *j, const char *const *known, struct err *e)
{
    json_t *ignored;
    for (size_t i = 0; known[i]; i++) {
        if (!json_object_get(j, known[i])) {
            return err_set(e, EBADMSG, "%s: member \"%s\" is missing", what, known[i]);
        }
    }
    int r = toml_only_known(what, j, known, e);
    if (r == 0) { r = json_get_object(what, j, "provider_settings", &ignored, e); }
    return r == 0 ? json_get_object(what, j, "annotations", &ignored, e) : r;
}

static int open_vault(const struct sealed_source *from, const json_t *j, uint8_t **out,
                      size_t *out_len, struct err *e)
{
    static const char *const known[] = {"version",           "type",        "name", "provider",
                                        "provider_settings", "annotations", NULL};
    const char *provider, *name;
    int r = check_payload(j, known, e);
    if (r == 0) { r = json_get_text(what, j, "provider", &provider, e); }
    if (r == 0) { r = json_get_text(what, j, "name", &name, e); }
    if (r < 0) { return r; }
    if (strcmp(provider, "kbs") != 0) {
        return err_set(e, ENOTSUP, "%s: vault of provider \"%.40s\", wanted \"kbs\"", what,
                       provider);
    }
    return from->get(from->ctx, name, out, out_len, e);
}

/* A base64 member; heap. */
static int get_bytes(const json_t *j, const char *name, uint8_t **out, size_t *out_len,
                     struct err *e)
{
    const char *text;
    int r = json_get_text(what, j, name, &text, e);
    if (r < 0) { return r; }
    size_t len = strlen(text), cap = b64_decoded_max(len);
    auto_free uint8_t *buf = malloc(cap);
    if (!buf) { return err_set(e, ENOMEM, "%s: out of memory", what); }
    if (b64_decode(text, len, buf, cap, out_len) < 0) {
        return err_set(e, EBADMSG, "%s: member \"%s\" is not base64", what, name);
    }
    *out = steal_ptr(&buf);
    return 0;
}

static int decrypt_gcm(const uint8_t key[SEALED_KEY_SIZE], const uint8_t *iv, size_t iv_len,
                       uint8_t *data, size_t *len, struct err *e)
{
    if (iv_len != CRYPTO_GCM_IV_SIZE || *len < CRYPTO_GCM_TAG_SIZE) {
        return err_set(e, EBADMSG, "%s: A256GCM with an iv of %zu bytes and %zu bytes of data",
                       what, iv_len, *len);
    }
    *len -= CRYPTO_GCM_TAG_SIZE;
    if (crypto_gcm_open(key, SEALED_KEY_SIZE, iv, NULL, 0, data, *len, data + *len, data) < 0) {
        return err_set(e, EBADMSG, "%s: encrypted_data does not authenticate", what);
    }
    return 0;
}

static int decrypt(const char *wrap_type, const uint8_t key[SEALED_KEY_SIZE], const uint8_t *iv,
                   size_t iv_len, uint8_t *data, size_t *len, struct err *e)
{
    if (strcmp(wrap_type, "A256GCM") == 0) { return decrypt_gcm(key, iv, iv_len, data, len, e); }
    if (strcmp(wrap_type, "A256CTR") != 0 || iv_len != CRYPTO_AES_BLOCK_SIZE) {
        return err_set(e, EBADMSG, "%s: wrap_type \"%.20s\" with an iv of %zu bytes", what,
                       wrap_type, iv_len);
    }
    struct crypto_ctr c;
    crypto_ctr_init(&c, key, iv);
    crypto_ctr_xor(&c, data, data, *len);
    wipe(&c, sizeof c);
    return 0;
}

static int unwrap_key(const struct sealed_source *from, const json_t *j,
                      uint8_t out_key[SEALED_KEY_SIZE], struct err *e)
{
    const char *provider, *key_id;
    auto_free uint8_t *wrapped = NULL;
    size_t len;
    int r = json_get_text(what, j, "provider", &provider, e);
    if (r == 0) { r = json_get_text(what, j, "key_id", &key_id, e); }
    if (r == 0) { r = get_bytes(j, "encrypted_key", &wrapped, &len, e); }
    if (r < 0) { return r; }
    for (size_t i = 0; i < from->kms_count; i++) {
        const struct sealed_kms *k = &from->kms[i];
        if (strcmp(k->provider, provider) == 0) {
            return k->unwrap(k->ctx, key_id, wrapped, len, json_object_get(j, "provider_settings"),
                             json_object_get(j, "annotations"), out_key, e);
        }
    }
    return err_set(e, ENOTSUP,
                   "%s: envelope of provider \"%.40s\": this guest has no such key service", what,
                   provider);
}

static int open_envelope(const struct sealed_source *from, const json_t *j, uint8_t **out,
                         size_t *out_len, struct err *e)
{
    static const char *const known[] = {
        "version",           "type",        "provider", "key_id",
        "encrypted_key",     "wrap_type",   "iv",       "encrypted_data",
        "provider_settings", "annotations", NULL};
    uint8_t key[SEALED_KEY_SIZE];
    auto_free uint8_t *iv = NULL;
    auto_free uint8_t *data = NULL;
    size_t iv_len, len;
    const char *wrap_type;
    int r = check_payload(j, known, e);
    if (r == 0) { r = json_get_text(what, j, "wrap_type", &wrap_type, e); }
    if (r == 0) { r = get_bytes(j, "iv", &iv, &iv_len, e); }
    if (r == 0) { r = get_bytes(j, "encrypted_data", &data, &len, e); }
    if (r == 0) { r = unwrap_key(from, j, key, e); }
    if (r < 0) { return r; }
    r = decrypt(wrap_type, key, iv, iv_len, data, &len, e);
    wipe(key, sizeof key);
    if (r < 0) { return r; }
    data[len] = '\0'; /* b64_decoded_max() has room for more */
    *out = steal_ptr(&data);
    *out_len = len;
    return 0;
}

static int open_payload(const struct sealed_source *from, const uint8_t *payload, size_t len,
                        uint8_t **out, size_t *out_len, struct err *e)
{
    auto_json j = NULL;
    const char *version, *type;
    int r = json_load_strict(what, payload, len, SEALED_TEXT_MAX, &j, e);
    if (r == 0) { r = json_get_text(what, j, "version", &version, e); }
    if (r == 0) { r = json_get_text(what, j, "type", &type, e); }
    if (r < 0) { return r; }
    if (strcmp(version, "0.1.0") != 0) {
        return err_set(e, ENOTSUP, "%s: version \"%.20s\", wanted \"0.1.0\"", what, version);
    }
    if (strcmp(type, "vault") == 0) { return open_vault(from, j, out, out_len, e); }
    if (strcmp(type, "envelope") == 0) { return open_envelope(from, j, out, out_len, e); }
    return err_set(e, ENOTSUP, "%s: type \"%.20s\", wanted \"vault\" or \"envelope\"", what, type);
}

int sealed_open(const struct sealed_source *from, const char *text, size_t len, uint8_t **out,
                size_t *out_len, struct err *e)
{
    auto_free uint8_t *payload = NULL;
    size_t payload_len;
    if (!sealed_is(text, len) || len > SEALED_TEXT_MAX) {
        return err_set(e, EINVAL, "%s: %zu bytes that do not begin with \"" PREFIX "\"", what, len);
    }
    text += PREFIX_LEN;
    len -= PREFIX_LEN;
    int r = from->insecure_unsigned ? payload_unsigned(text, len, &payload, &payload_len, e)
                                    : payload_signed(from, text, len, &payload, &payload_len, e);
    return r < 0 ? r : open_payload(from, payload, payload_len, out, out_len, e);
}
