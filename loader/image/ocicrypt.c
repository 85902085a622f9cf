/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypted layers: the cipher, the options, the search for a wrapped copy that opens. See
 * ocicrypt.h.
 *
 * Order of decryption: options checked, layer key found, HMAC over the whole ciphertext compared,
 * and only then is the first byte decrypted. The nonce is taken from the private options alone and
 * must be 16 bytes: other readers look into the public ones first, or make one up.
 */
#include "loader/image/ocicrypt.h"

#include "attest/base64.h"
#include "attest/crypto.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"
#include "loader/image/members.h"

#include <errno.h>
#include <string.h>

#define CIPHER      "AES_256_CTR_HMAC_SHA256"
#define HMAC_SIZE   32
#define PUBOPTS_MAX 4096
#define PACKETS_MAX 64 /* wrapped copies tried for one layer */

/* ---- options */

/* A base64 member of exactly size bytes. The text is a view into j. */
static int member_bytes(const json_t *j, const char *key, uint8_t *out, size_t size, struct err *e)
{
    const char *text;
    uint8_t bytes[64];
    size_t len;

    if (member_text(j, key, &text, e) < 0) { return -e->code; }
    if (b64_decode(text, strlen(text), bytes, sizeof bytes, &len) < 0 || len != size) {
        wipe(bytes, sizeof bytes);
        return err_set(e, EBADMSG, "member '%s' is not base64 of %zu bytes", key, size);
    }
    memcpy(out, bytes, size);
    wipe(bytes, sizeof bytes);
    return 0;
}

static int parse_pubopts(const char *text, uint8_t hmac[HMAC_SIZE], struct err *e)
{
    uint8_t json[PUBOPTS_MAX];
    const char *cipher;
    size_t len;

    if (b64_decode(text, strlen(text), json, sizeof json, &len) < 0) {
        return err_set(e, EBADMSG, "public options are not base64 of at most %d bytes",
                       PUBOPTS_MAX);
    }
    auto_json j = members_parse(json, len, e);
    if (!j || member_text(j, "cipher", &cipher, e) < 0) { return err_wrap(e, "public options"); }
    if (strcmp(cipher, CIPHER) != 0) {
        return err_set(e, ENOTSUP, "public options: cipher '%.60s', wanted " CIPHER, cipher);
    }
    if (member_bytes(j, "hmac", hmac, HMAC_SIZE, e) < 0) { return err_wrap(e, "public options"); }
    return 0;
}

int ocicrypt_parse_private_opts(const uint8_t *p, size_t len, struct layer_secret *out,
                                struct err *e)
{
    struct layer_secret s;
    json_t *cipher_opts;

    auto_json j = members_parse(p, len, e);
    if (!j || member_bytes(j, "symkey", s.key, sizeof s.key, e) < 0 ||
        member_object(j, "cipheroptions", &cipher_opts, e) < 0 ||
        member_bytes(cipher_opts, "nonce", s.nonce, sizeof s.nonce, e) < 0) {
        wipe(&s, sizeof s);
        return err_wrap(e, "private options");
    }
    *out = s;
    wipe(&s, sizeof s);
    return 0;
}

int ocicrypt_private_opts(const struct layer_secret *s, const struct digest *digest, char **out,
                          struct err *e)
{
    char key[64], nonce[32], text[DIGEST_TEXT_SIZE];

    b64_encode(s->key, sizeof s->key, key);
    b64_encode(s->nonce, sizeof s->nonce, nonce);
    digest_text(digest, text);
    int n =
        asprintf(out, "{\"symkey\":\"%s\",\"digest\":\"%s\",\"cipheroptions\":{\"nonce\":\"%s\"}}",
                 key, text, nonce);
    wipe(key, sizeof key);
    wipe(nonce, sizeof nonce);
    return n < 0 ? err_set(e, ENOMEM, "out of memory") : 0;
}

/* ---- wrapped copies */

struct search {
    const struct ocicrypt_keys *keys;
    struct layer_secret *out;
    size_t tried;
    struct err last; /* why the latest copy did not open */
};

typedef int (*open_fn)(struct search *s, const uint8_t *packet, size_t len,
                       uint8_t opts[PRIVATE_OPTS_MAX], size_t *out_len);

static int open_jwe(struct search *s, const uint8_t *packet, size_t len,
                    uint8_t opts[PRIVATE_OPTS_MAX], size_t *out_len)
{
    if (!s->keys->open_jwe) { return err_set(&s->last, ENOKEY, "no private key for a JWE packet"); }
    int r = s->keys->open_jwe(s->keys->ctx, (const char *)packet, len, opts, out_len);
    return r < 0 ? err_set(&s->last, -r, "no private key given opens the JWE packet") : 0;
}

static int open_provider(struct search *s, const uint8_t *packet, size_t len,
                         uint8_t opts[PRIVATE_OPTS_MAX], size_t *out_len)
{
    return packet_open(packet, len, s->keys->kek, s->keys->kek_count, opts, out_len, &s->last);
}

/* One base64 text of the comma-separated list. Fails into s->last. */
static int try_one(struct search *s, const char *text, size_t len, open_fn open)
{
    uint8_t opts[PRIVATE_OPTS_MAX];
    size_t packet_len, opts_len = 0;
    auto_free uint8_t *packet = malloc(PACKET_MAX);

    s->last = (struct err){0};
    s->tried++;
    if (!packet) { return err_set(&s->last, ENOMEM, "out of memory"); }
    if (b64_decode(text, len, packet, PACKET_MAX, &packet_len) < 0) {
        return err_set(&s->last, EBADMSG, "a packet is not base64 of at most %d bytes", PACKET_MAX);
    }
    int r = open(s, packet, packet_len, opts, &opts_len);
    if (r == 0) { r = ocicrypt_parse_private_opts(opts, opts_len, s->out, &s->last); }
    wipe(opts, sizeof opts);
    return r;
}

/* True when one of the list opened. */
static bool try_list(struct search *s, const char *list, open_fn open)
{
    while (list && s->tried < PACKETS_MAX) {
        size_t len = strcspn(list, ",");
        if (try_one(s, list, len, open) == 0) { return true; }
        list = list[len] == ',' ? list + len + 1 : NULL;
    }
    return false;
}

int ocicrypt_unwrap(const struct image_layer *l, const struct ocicrypt_keys *keys,
                    struct layer_secret *out, struct err *e)
{
    struct search s = {.keys = keys, .out = out};

    if (!keys) { return err_set(e, ENOKEY, "layer is encrypted and no key was given"); }
    if (try_list(&s, l->jwe, open_jwe)) { return 0; }
    for (size_t i = 0; i < l->provider_count; i++) {
        if (try_list(&s, l->provider[i], open_provider)) { return 0; }
    }
    if (s.tried == 0) {
        return err_set(e, ENOKEY, "layer is encrypted but carries no key packet we know");
    }
    return err_set(e, ENOKEY, "no key opens the layer (%zu packets tried): %.160s", s.tried,
                   s.last.text);
}

int ocicrypt_key_uris(const struct image *img, char (*out)[KEK_URI_MAX], size_t *out_count,
                      struct err *e)
{
    size_t room = *out_count, count = 0;
    auto_free uint8_t *packet = malloc(PACKET_MAX);

    if (!packet) { return err_set(e, ENOMEM, "out of memory"); }
    for (size_t i = 0; i < img->layer_count; i++) {
        const struct image_layer *l = &img->layers[i];
        for (size_t k = 0; l->encrypted && k < l->provider_count; k++) {
            for (const char *p = l->provider[k]; p;) {
                size_t len = strcspn(p, ","), n = 0, packet_len;
                char uri[KEK_URI_MAX];
                struct err ignored = {
                    0}; /* what cannot be read cannot be asked for; unwrapping says so */
                if (b64_decode(p, len, packet, PACKET_MAX, &packet_len) == 0 &&
                    packet_kid(packet, packet_len, uri, &ignored) == 0) {
                    while (n < count && strcmp(out[n], uri) != 0) { n++; }
                    if (n == room) {
                        return err_set(e, ENOSPC, "image names more than %zu keys", room);
                    }
                    if (n == count) { memcpy(out[count++], uri, sizeof uri); }
                }
                p = p[len] == ',' ? p + len + 1 : NULL;
            }
        }
    }
    *out_count = count;
    return 0;
}

/* ---- the cipher */

static void hmac_of(const uint8_t key[LAYER_KEY_SIZE], const uint8_t *p, size_t len,
                    uint8_t out[HMAC_SIZE])
{
    struct crypto_hmac h;
    crypto_hmac_init(&h, key, LAYER_KEY_SIZE);
    crypto_hmac_update(&h, p, len);
    crypto_hmac_final(&h, out);
}

static void ctr_in_place(const struct layer_secret *s, uint8_t *p, size_t len)
{
    struct crypto_ctr c;
    crypto_ctr_init(&c, s->key, s->nonce);
    crypto_ctr_xor(&c, p, p, len);
    wipe(&c, sizeof c);
}

int ocicrypt_open(const struct image_layer *l, const struct layer_secret *s, uint8_t *blob,
                  size_t len, struct err *e)
{
    uint8_t want[HMAC_SIZE], found[HMAC_SIZE];

    if (parse_pubopts(l->pubopts, want, e) < 0) { return -e->code; }
    hmac_of(s->key, blob, len, found);
    if (!ct_eq(want, found, sizeof want)) {
        return err_set(e, EBADMSG,
                       "HMAC of the encrypted layer does not match: layer or key is wrong");
    }
    ctr_in_place(s, blob, len);
    return 0;
}

int ocicrypt_decrypt(const struct image_layer *l, const struct ocicrypt_keys *keys, uint8_t *blob,
                     size_t len, struct err *e)
{
    struct layer_secret s;
    int r = ocicrypt_unwrap(l, keys, &s, e);
    if (r == 0) { r = ocicrypt_open(l, &s, blob, len, e); }
    wipe(&s, sizeof s);
    return r;
}

int ocicrypt_encrypt(uint8_t *blob, size_t len, struct layer_secret *out, char **out_pubopts,
                     struct err *e)
{
    uint8_t hmac[HMAC_SIZE];
    char hmac_text[64], json[256];

    if (crypto_random(out, sizeof *out) < 0) { return err_set(e, EIO, "no random bytes"); }
    ctr_in_place(out, blob, len);
    hmac_of(out->key, blob, len, hmac);
    b64_encode(hmac, sizeof hmac, hmac_text);
    int n = snprintf(json, sizeof json,
                     "{\"cipher\":\"" CIPHER "\",\"hmac\":\"%s\",\"cipheroptions\":{}}", hmac_text);
    char *text = malloc(b64_len((size_t)n) + 1);
    if (!text) { return err_set(e, ENOMEM, "out of memory"); }
    b64_encode(json, (size_t)n, text);
    *out_pubopts = text;
    return 0;
}
