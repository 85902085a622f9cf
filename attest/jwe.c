/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypted text [RFC 7516]. Three serialisations are reduced to one struct of views, then each
 * recipient that could fit the key is tried: content key out of the recipient, content out of the
 * tag. Reads bytes of strangers. See jose.h.
 */
#include "attest/jose.h"

#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define CEK_MAX 32

static const struct {
    enum jwe_alg alg;
    const char *name;
    size_t kek_len;        /* ECDH with key wrap alone */
    enum crypto_hash hash; /* RSA alone */
} algs[] = {
    {JWE_DIR, "dir", 0, 0},
    {JWE_RSA_OAEP, "RSA-OAEP", 0, CRYPTO_SHA1},
    {JWE_RSA_OAEP_256, "RSA-OAEP-256", 0, CRYPTO_SHA256},
    {JWE_ECDH_ES, "ECDH-ES", 0, 0},
    {JWE_ECDH_ES_A128KW, "ECDH-ES+A128KW", 16, 0},
    {JWE_ECDH_ES_A192KW, "ECDH-ES+A192KW", 24, 0},
    {JWE_ECDH_ES_A256KW, "ECDH-ES+A256KW", 32, 0},
};

static const struct {
    const char *name;
    size_t key_len;
} encs[] = {{"A256GCM", 32}, {"A192GCM", 24}, {"A128GCM", 16}};

static size_t alg_index(enum jwe_alg a)
{
    size_t i = 0;
    while (i < ARRAY_COUNT(algs) - 1 && algs[i].alg != a) { i++; }
    return i;
}

enum jwe_alg jwe_alg_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(algs); i++) {
        if (strcmp(algs[i].name, name) == 0) { return algs[i].alg; }
    }
    return 0;
}

const char *jwe_alg_name(enum jwe_alg a)
{
    size_t i = alg_index(a);
    return algs[i].alg == a ? algs[i].name : "unknown";
}

static bool alg_fits(enum jwe_alg a, const struct crypto_key *key, const uint8_t *dir_key)
{
    if (a == JWE_DIR) { return dir_key != NULL; }
    if (!key) { return false; }
    enum crypto_key_type t = crypto_key_type(key);
    if (a == JWE_RSA_OAEP || a == JWE_RSA_OAEP_256) { return t == CRYPTO_RSA; }
    return t == CRYPTO_P256 || t == CRYPTO_P384 || t == CRYPTO_P521;
}

/* Heap copy of decoded base64url; an absent text decodes to nothing. */
static int decode(const char *name, const char *text, size_t len, uint8_t **out, size_t *out_len,
                  struct err *e)
{
    size_t cap = b64_decoded_max(len);
    auto_free uint8_t *p = malloc(cap);
    if (!p) { return err_set(e, ENOMEM, "JWE: out of memory"); }
    if (b64u_decode(text, len, p, cap, out_len) < 0) {
        return err_set(e, EBADMSG, "JWE: %s is not base64url", name);
    }
    *out = steal_ptr(&p);
    return 0;
}

/* Bytes of exactly or at most a known size, onto the stack. */
static int decode_small(const char *name, const char *text, size_t len, uint8_t *out, size_t cap,
                        size_t *out_len, struct err *e)
{
    int r = b64u_decode(text, len, out, cap, out_len);
    if (r == -ENOSPC) { return err_set(e, E2BIG, "JWE: %s is longer than %zu bytes", name, cap); }
    if (r < 0) { return err_set(e, EBADMSG, "JWE: %s is not base64url", name); }
    return 0;
}

/* ---- reading: from any serialisation to views */

struct text {
    const char *p;
    size_t len;
};

struct parsed {
    json_t *outer;  /* the JSON forms' text; views below point into it, or into the compact text */
    json_t *header; /* decoded `protected`, never NULL after parsing */
    json_t *shared; /* `unprotected`, borrowed from outer, or NULL */
    json_t *recipients; /* array, borrowed from outer, or NULL: then there is one, in `one` */
    struct text one;    /* its encrypted key */
    json_t *one_header;
    struct text aad, iv, ciphertext, tag;
};

static void parsed_fini(struct parsed *p)
{
    json_decref(p->outer);
    json_decref(p->header);
}
#define auto_parsed __attribute__((cleanup(parsed_fini))) struct parsed

static int take_text(const json_t *obj, const char *name, bool required, struct text *out,
                     struct err *e)
{
    const char *s;
    if (!required && !json_object_get(obj, name)) {
        *out = (struct text){.p = "", .len = 0};
        return 0;
    }
    int r = json_get_text("JWE", obj, name, &s, e);
    if (r < 0) { return r; }
    *out = (struct text){.p = s, .len = strlen(s)};
    return 0;
}

static int parse_protected(struct parsed *p, struct err *e)
{
    auto_free uint8_t *raw = NULL;
    size_t len;
    if (p->aad.len == 0) { return err_set(e, EBADMSG, "JWE: no protected header"); }
    int r = decode("protected header", p->aad.p, p->aad.len, &raw, &len, e);
    if (r < 0) { return r; }
    r = json_load_strict("JWE header", raw, len, JWK_TEXT_MAX, &p->header, e);
    if (r < 0) { return r; }
    return json_is_object(p->header) ? 0 : err_set(e, EBADMSG, "JWE header: not an object");
}

static int parse_json(const char *text, size_t len, struct parsed *p, struct err *e)
{
    int r = json_load_strict("JWE", text, len, JWE_TEXT_MAX, &p->outer, e);
    if (r < 0) { return r; }
    json_t *o = p->outer;
    if (!json_is_object(o)) { return err_set(e, EBADMSG, "JWE: not an object"); }
    if (json_object_get(o, "aad")) { return err_set(e, ENOTSUP, "JWE: member \"aad\" is refused"); }
    p->shared = json_object_get(o, "unprotected");
    p->one_header = json_object_get(o, "header");
    p->recipients = json_object_get(o, "recipients");
    if (p->recipients) {
        size_t count = json_array_size(p->recipients); /* 0 when it is no array */
        if (count == 0 || count > JWE_RECIPIENTS_MAX) {
            return err_set(e, EBADMSG, "JWE: %zu recipients, 1 to %d are read", count,
                           JWE_RECIPIENTS_MAX);
        }
    }
    r = take_text(o, "protected", true, &p->aad, e);
    if (r == 0) { r = take_text(o, "encrypted_key", false, &p->one, e); }
    if (r == 0) { r = take_text(o, "iv", true, &p->iv, e); }
    if (r == 0) { r = take_text(o, "ciphertext", true, &p->ciphertext, e); }
    if (r == 0) { r = take_text(o, "tag", true, &p->tag, e); }
    return r;
}

static int parse_compact(const char *text, size_t len, struct parsed *p, struct err *e)
{
    struct text *parts[] = {&p->aad, &p->one, &p->iv, &p->ciphertext, &p->tag};
    const char *at = text, *end = text + len;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        const char *dot = memchr(at, '.', (size_t)(end - at));
        bool last = i == ARRAY_COUNT(parts) - 1;
        if (!dot != last) {
            return err_set(e, EBADMSG, "JWE: not five parts with dots between them");
        }
        const char *stop = last ? end : dot;
        *parts[i] = (struct text){.p = at, .len = (size_t)(stop - at)};
        at = last ? end : stop + 1;
    }
    return 0;
}

static int parse(const char *text, size_t len, struct parsed *p, struct err *e)
{
    if (len > JWE_TEXT_MAX) {
        return err_set(e, E2BIG, "JWE: %zu bytes, at most %u are read", len, JWE_TEXT_MAX);
    }
    size_t i = 0;
    while (i < len && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r')) {
        i++;
    }
    int r =
        i < len && text[i] == '{' ? parse_json(text, len, p, e) : parse_compact(text, len, p, e);
    return r < 0 ? r : parse_protected(p, e);
}

/* ---- one recipient: its joined header, its content key */

struct joined {
    const json_t *parts[3]; /* protected, unprotected, the recipient's own; NULL = none */
};

/* A name occurs in one of the three only [RFC 7516 §4]; in none: NULL in *out. */
static int joined_get(const struct joined *h, const char *name, json_t **out, struct err *e)
{
    *out = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(h->parts); i++) {
        json_t *j = h->parts[i] ? json_object_get(h->parts[i], name) : NULL;
        if (j && *out) { return err_set(e, EBADMSG, "JWE header: \"%s\" occurs twice", name); }
        if (j) { *out = j; }
    }
    return 0;
}

static int joined_text(const struct joined *h, const char *name, const char **out, struct err *e)
{
    json_t *j;
    int r = joined_get(h, name, &j, e);
    if (r < 0) { return r; }
    if (!json_is_string(j)) {
        return err_set(e, EBADMSG, "JWE header: \"%s\" is missing or not a string", name);
    }
    *out = json_string_value(j);
    return 0;
}

static int refuse_unsupported(const struct joined *h, struct err *e)
{
    static const char *const refused[] = {"crit", "zip", "apu", "apv"};
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        json_t *j;
        int r = joined_get(h, refused[i], &j, e);
        if (r < 0) { return r; }
        if (j) { return err_set(e, ENOTSUP, "JWE header: member \"%s\" is refused", refused[i]); }
    }
    return 0;
}

static int kek_by_ecdh(const struct joined *h, const struct crypto_key *key, const char *kdf_name,
                       uint8_t *out, size_t out_len, struct err *e)
{
    json_t *epk_json;
    auto_jwk epk = {0};
    int r = joined_get(h, "epk", &epk_json, e);
    if (r < 0) { return r; }
    if (!epk_json) { return err_set(e, EBADMSG, "JWE header: \"epk\" is missing"); }
    r = jwk_from_json(epk_json, &epk, e);
    if (r < 0) { return err_wrap(e, "JWE header: epk"); }
    if (crypto_key_type(epk.key) != crypto_key_type(key)) {
        return err_set(e, EBADMSG, "JWE header: epk is not a key on our key's curve");
    }
    uint8_t z[CRYPTO_COORD_MAX];
    size_t z_len;
    r = crypto_ecdh(key, epk.key, z, &z_len);
    if (r == 0) { r = crypto_concat_kdf(z, z_len, kdf_name, out, out_len); }
    wipe(z, sizeof z);
    return r < 0 ? err_set(e, -r, "JWE: key agreement failed") : 0;
}

static int open_cek(const struct joined *h, enum jwe_alg alg, const char *enc_name,
                    const struct text *wrapped_text, const struct crypto_key *key,
                    const uint8_t *dir_key, uint8_t cek[CEK_MAX], size_t cek_len, struct err *e)
{
    size_t i = alg_index(alg), wrapped_len, got = cek_len;
    uint8_t wrapped[CRYPTO_RSA_MAX], kek[32];
    int r = decode_small("encrypted_key", wrapped_text->p, wrapped_text->len, wrapped,
                         sizeof wrapped, &wrapped_len, e);
    if (r < 0) { return r; }
    if ((alg == JWE_DIR || alg == JWE_ECDH_ES) && wrapped_len != 0) {
        return err_set(e, EBADMSG, "JWE: \"encrypted_key\" with %s", algs[i].name);
    }

    switch (alg) {
    case JWE_DIR:
        if (cek_len != CEK_MAX) {
            return err_set(e, EBADMSG, "JWE: %s with a 32-byte key", enc_name);
        }
        memcpy(cek, dir_key, cek_len);
        return 0;
    case JWE_ECDH_ES: return kek_by_ecdh(h, key, enc_name, cek, cek_len, e);
    case JWE_RSA_OAEP:
    case JWE_RSA_OAEP_256:
        r = crypto_oaep_decrypt(key, algs[i].hash, wrapped, wrapped_len, cek, &got);
        break;
    case JWE_ECDH_ES_A128KW:
    case JWE_ECDH_ES_A192KW:
    case JWE_ECDH_ES_A256KW:
        if (wrapped_len != cek_len + 8) {
            return err_set(e, EBADMSG, "JWE: \"encrypted_key\" of %zu bytes, %zu wanted",
                           wrapped_len, cek_len + 8);
        }
        r = kek_by_ecdh(h, key, algs[i].name, kek, algs[i].kek_len, e);
        if (r < 0) { return r; }
        r = crypto_kw_unwrap(kek, algs[i].kek_len, wrapped, wrapped_len, cek);
        wipe(kek, sizeof kek);
        break;
    }
    if (r < 0 || got != cek_len) {
        return err_set(e, EBADMSG, "JWE: the content key does not open with this key");
    }
    return 0;
}

static int open_content(const struct parsed *p, const uint8_t *cek, size_t cek_len, uint8_t **out,
                        size_t *out_len, struct err *e)
{
    uint8_t iv[CRYPTO_GCM_IV_SIZE], tag[CRYPTO_GCM_TAG_SIZE];
    size_t iv_len, tag_len, len;
    auto_free uint8_t *sealed = NULL;
    int r = decode_small("iv", p->iv.p, p->iv.len, iv, sizeof iv, &iv_len, e);
    if (r == 0) { r = decode_small("tag", p->tag.p, p->tag.len, tag, sizeof tag, &tag_len, e); }
    if (r == 0 && (iv_len != sizeof iv || tag_len != sizeof tag)) {
        r = err_set(e, EBADMSG, "JWE: iv of %zu and tag of %zu bytes, 12 and 16 wanted", iv_len,
                    tag_len);
    }
    if (r == 0) { r = decode("ciphertext", p->ciphertext.p, p->ciphertext.len, &sealed, &len, e); }
    if (r < 0) { return r; }
    auto_free uint8_t *plain = malloc(len + 1);
    if (!plain) { return err_set(e, ENOMEM, "JWE: out of memory"); }
    r = crypto_gcm_open(cek, cek_len, iv, p->aad.p, p->aad.len, sealed, len, tag, plain);
    if (r < 0) { return err_set(e, -r, "JWE: the content does not authenticate"); }
    plain[len] = '\0';
    *out = steal_ptr(&plain);
    *out_len = len;
    return 0;
}

static int open_recipient(const struct parsed *p, const json_t *own_header,
                          const struct text *wrapped, unsigned allowed,
                          const struct crypto_key *key, const uint8_t *dir_key, uint8_t **out,
                          size_t *out_len, struct err *e)
{
    struct joined h = {.parts = {p->header, p->shared, own_header}};
    const char *alg_name, *enc_name;
    int r = refuse_unsupported(&h, e);
    if (r == 0) { r = joined_text(&h, "alg", &alg_name, e); }
    if (r == 0) { r = joined_text(&h, "enc", &enc_name, e); }
    if (r < 0) { return r; }

    enum jwe_alg alg = jwe_alg_of(alg_name);
    if (!alg || !(allowed & JWE_ALLOW(alg))) {
        return err_set(e, ENOTSUP, "JWE header: algorithm \"%.20s\" is not allowed here", alg_name);
    }
    if (!alg_fits(alg, key, dir_key)) {
        return err_set(e, EBADMSG, "JWE header: algorithm %s does not fit our key",
                       algs[alg_index(alg)].name);
    }
    size_t enc = 0;
    while (enc < ARRAY_COUNT(encs) && strcmp(encs[enc].name, enc_name) != 0) { enc++; }
    if (enc == ARRAY_COUNT(encs)) {
        return err_set(e, ENOTSUP, "JWE header: content encryption \"%.20s\" is not supported",
                       enc_name);
    }

    uint8_t cek[CEK_MAX];
    r = open_cek(&h, alg, encs[enc].name, wrapped, key, dir_key, cek, encs[enc].key_len, e);
    if (r == 0) { r = open_content(p, cek, encs[enc].key_len, out, out_len, e); }
    wipe(cek, sizeof cek);
    return r;
}

int jwe_decrypt(const char *text, size_t len, unsigned allowed, const struct crypto_key *key,
                const uint8_t *dir_key, uint8_t **out, size_t *out_len, struct err *e)
{
    auto_parsed p = {0};
    if (key && !crypto_key_is_private(key)) {
        return err_set(e, EINVAL, "JWE: the key given is not a private key");
    }
    int r = parse(text, len, &p, e);
    if (r < 0) { return r; }
    if (!p.recipients) {
        return open_recipient(&p, p.one_header, &p.one, allowed, key, dir_key, out, out_len, e);
    }

    struct err last = {0};
    size_t count = json_array_size(p.recipients);
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(p.recipients, i);
        struct text wrapped;
        last = (struct err){0};
        r = take_text(one, "encrypted_key", false, &wrapped, &last);
        if (r == 0) {
            r = open_recipient(&p, json_object_get(one, "header"), &wrapped, allowed, key, dir_key,
                               out, out_len, &last);
        }
        if (r == 0) { return 0; }
    }
    return err_set(e, EBADMSG, "JWE: none of %zu recipients opens with this key; the last: %s",
                   count, last.text);
}

/* ---- writing */

static int out_of_memory(struct err *e) { return err_set(e, ENOMEM, "JWE: out of memory"); }

static int set_b64u(json_t *obj, const char *name, const void *p, size_t len)
{
    auto_free char *text = malloc(b64u_len(len) + 1);
    if (!text) { return -1; }
    b64u_encode(p, len, text);
    return json_object_set_new(obj, name, json_string_nocheck(text));
}

/*
 * Wrap the content key for one recipient, or agree on one (dir, ECDH-ES); header gets alg and epk.
 */
static int wrap_cek(const struct jwe_recipient *to, json_t *header, uint8_t cek[CEK_MAX],
                    uint8_t *wrapped, size_t *wrapped_len, struct err *e)
{
    size_t i = alg_index(to->alg);
    if (algs[i].alg != to->alg || !alg_fits(to->alg, to->key, to->dir_key)) {
        return err_set(e, EINVAL, "JWE: algorithm %s does not fit the recipient's key",
                       jwe_alg_name(to->alg));
    }
    if (json_object_set_new(header, "alg", json_string(algs[i].name)) != 0) {
        return out_of_memory(e);
    }
    if (to->alg == JWE_DIR) {
        memcpy(cek, to->dir_key, CEK_MAX);
        *wrapped_len = 0;
        return 0;
    }
    if (algs[i].hash) {
        int r = crypto_oaep_encrypt(to->key, algs[i].hash, cek, CEK_MAX, wrapped, wrapped_len);
        return r < 0 ? err_set(e, -r, "JWE: RSA encryption failed") : 0;
    }

    uint8_t z[CRYPTO_COORD_MAX], kek[32];
    size_t z_len;
    json_t *epk_json;
    auto_key epk = NULL;
    int r = crypto_key_generate(crypto_key_type(to->key), 0, &epk);
    if (r == 0) { r = jwk_to_json(epk, NULL, false, &epk_json); }
    if (r < 0) { return err_set(e, -r, "JWE: no ephemeral key"); }
    if (json_object_set_new(header, "epk", epk_json) != 0) { return out_of_memory(e); }
    r = crypto_ecdh(epk, to->key, z, &z_len);
    if (r == 0 && to->alg == JWE_ECDH_ES) {
        r = crypto_concat_kdf(z, z_len, encs[0].name, cek, CEK_MAX);
        *wrapped_len = 0;
    } else if (r == 0) {
        r = crypto_concat_kdf(z, z_len, algs[i].name, kek, algs[i].kek_len);
        if (r == 0) { r = crypto_kw_wrap(kek, algs[i].kek_len, cek, CEK_MAX, wrapped); }
        *wrapped_len = CEK_MAX + 8;
    }
    wipe(z, sizeof z);
    wipe(kek, sizeof kek);
    return r < 0 ? err_set(e, -r, "JWE: key agreement failed") : 0;
}

/*
 * The header as it will be authenticated: compact, names sorted, which is also the order CoCo's
 * client rebuilds.
 */
static int encode_header(const json_t *header, char **out)
{
    auto_free char *text = json_dumps(header, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text) { return -ENOMEM; }
    size_t len = strlen(text);
    char *enc = malloc(b64u_len(len) + 1);
    if (!enc) { return -ENOMEM; }
    b64u_encode(text, len, enc);
    *out = enc;
    return 0;
}

/* iv, ciphertext, tag into obj. */
static int seal_content(json_t *obj, const char *aad, const uint8_t *cek, const void *plain,
                        size_t len, struct err *e)
{
    uint8_t iv[CRYPTO_GCM_IV_SIZE], tag[CRYPTO_GCM_TAG_SIZE];
    auto_free uint8_t *sealed = malloc(len + 1);
    if (!sealed) { return out_of_memory(e); }
    int r = crypto_random(iv, sizeof iv);
    if (r == 0) {
        r = crypto_gcm_seal(cek, CEK_MAX, iv, aad, strlen(aad), plain, len, sealed, tag);
    }
    if (r < 0) { return err_set(e, -r, "JWE: encryption failed"); }
    if (set_b64u(obj, "iv", iv, sizeof iv) != 0 || set_b64u(obj, "ciphertext", sealed, len) != 0 ||
        set_b64u(obj, "tag", tag, sizeof tag) != 0) {
        return out_of_memory(e);
    }
    return 0;
}

static int build_flattened(const struct jwe_recipient *to, const uint8_t *cek_in, json_t **out,
                           const void *plain, size_t len, struct err *e)
{
    uint8_t cek[CEK_MAX], wrapped[CRYPTO_RSA_MAX];
    size_t wrapped_len = sizeof wrapped;
    auto_json header = json_pack("{s:s}", "enc", encs[0].name);
    auto_json obj = json_object();
    auto_free char *aad = NULL;
    if (!header || !obj) { return out_of_memory(e); }
    memcpy(cek, cek_in, sizeof cek);
    int r = wrap_cek(to, header, cek, wrapped, &wrapped_len, e);
    if (r == 0 &&
        (encode_header(header, &aad) < 0 ||
         json_object_set_new(obj, "protected", json_string(aad)) != 0 ||
         (wrapped_len > 0 && set_b64u(obj, "encrypted_key", wrapped, wrapped_len) != 0))) {
        r = out_of_memory(e);
    }
    if (r == 0) { r = seal_content(obj, aad, cek, plain, len, e); }
    wipe(cek, sizeof cek);
    if (r < 0) { return r; }
    *out = steal_ptr(&obj);
    return 0;
}

static int build_general(const struct jwe_recipient *to, size_t to_count, const uint8_t *cek_in,
                         json_t **out, const void *plain, size_t len, struct err *e)
{
    uint8_t cek[CEK_MAX], wrapped[CRYPTO_RSA_MAX];
    auto_json header = json_pack("{s:s}", "enc", encs[0].name);
    auto_json obj = json_object();
    auto_free char *aad = NULL;
    json_t *recipients = json_array();
    if (!header || !obj || encode_header(header, &aad) < 0 ||
        json_object_set_new(obj, "protected", json_string(aad)) != 0 ||
        json_object_set_new(obj, "recipients", recipients) != 0) {
        return out_of_memory(e);
    }
    int r = 0;
    memcpy(cek, cek_in, sizeof cek);
    for (size_t i = 0; r == 0 && i < to_count; i++) {
        size_t wrapped_len = sizeof wrapped;
        json_t *own = json_object(), *one = json_pack("{s:o}", "header", own);
        if (json_array_append_new(recipients, one) != 0) {
            r = out_of_memory(e);
        } else if (to[i].alg == JWE_DIR || to[i].alg == JWE_ECDH_ES) {
            r = err_set(e, EINVAL, "JWE: %s is for one recipient", jwe_alg_name(to[i].alg));
        } else {
            r = wrap_cek(&to[i], own, cek, wrapped, &wrapped_len, e);
        }
        if (r == 0 && set_b64u(one, "encrypted_key", wrapped, wrapped_len) != 0) {
            r = out_of_memory(e);
        }
    }
    if (r == 0) { r = seal_content(obj, aad, cek, plain, len, e); }
    wipe(cek, sizeof cek);
    if (r < 0) { return r; }
    *out = steal_ptr(&obj);
    return 0;
}

static int build(const struct jwe_recipient *to, size_t to_count, const void *plain, size_t len,
                 json_t **out, struct err *e)
{
    uint8_t cek[CEK_MAX];
    if (to_count == 0 || to_count > JWE_RECIPIENTS_MAX) {
        return err_set(e, EINVAL, "JWE: %zu recipients, 1 to %d can be written", to_count,
                       JWE_RECIPIENTS_MAX);
    }
    if (b64u_len(len) > JWE_TEXT_MAX - JWK_TEXT_MAX) {
        return err_set(e, E2BIG, "JWE: %zu bytes are too many", len);
    }
    int r = crypto_random(cek, sizeof cek);
    if (r < 0) { return err_set(e, -r, "JWE: no randomness"); }
    r = to_count == 1 ? build_flattened(to, cek, out, plain, len, e)
                      : build_general(to, to_count, cek, out, plain, len, e);
    wipe(cek, sizeof cek);
    return r;
}

int jwe_encrypt(const struct jwe_recipient *to, size_t to_count, const void *plain, size_t len,
                char **out, struct err *e)
{
    auto_json obj = NULL;
    int r = build(to, to_count, plain, len, &obj, e);
    if (r < 0) { return r; }
    char *text = json_dumps(obj, JSON_COMPACT);
    if (!text) { return out_of_memory(e); }
    *out = text;
    return 0;
}
