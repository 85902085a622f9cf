/* SPDX-License-Identifier: Apache-2.0 */
/* Image keys on the host. See keys.h. */
#include "loader/keys.h"

#include "attest/base64.h"
#include "attest/jose.h"
#include "guest/base/ct.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define PEM_MAX 65536

void keys_fini(struct keys *k)
{
    for (size_t i = 0; i < k->private_count; i++) { crypto_key_free(k->private_key[i]); }
    for (size_t i = 0; i < k->public_count; i++) { crypto_key_free(k->public_key[i]); }
    wipe(k, sizeof *k);
}

/* At most size bytes; a longer file is an error. */
static int read_small(const char *path, uint8_t *buf, size_t size, size_t *out_len, struct err *e)
{
    size_t len = 0;
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) { return err_set(e, errno, "%s: %s", path, strerror(errno)); }
    for (;;) {
        uint8_t one;
        ssize_t n = len < size ? read(fd, buf + len, size - len) : read(fd, &one, 1);
        if (n < 0) { return err_set(e, errno, "%s: %s", path, strerror(errno)); }
        if (n == 0) { break; }
        if (len == size) { return err_set(e, EFBIG, "%s: more than %zu bytes", path, size); }
        len += (size_t)n;
    }
    *out_len = len;
    return 0;
}

int keys_add_kek_file(struct keys *k, const char *uri, const char *path, struct err *e)
{
    struct kek *slot = &k->kek[k->kek_count];
    size_t len;

    if (k->kek_count == KEYS_MAX) { return err_set(e, E2BIG, "more than %d keys", KEYS_MAX); }
    if (kek_uri_normalise(uri, slot->uri, e) < 0 ||
        read_small(path, slot->key, KEK_SIZE, &len, e) < 0) {
        return -e->code;
    }
    if (len != KEK_SIZE) {
        return err_set(e, EINVAL, "%s: %zu bytes, a key has %d", path, len, KEK_SIZE);
    }
    if (keys_find_kek(k, slot->uri)) { return err_set(e, EEXIST, "%s is given twice", slot->uri); }
    k->kek_count++;
    return 0;
}

int keys_add_kek(struct keys *k, const char *text, struct err *e)
{
    char uri[KEK_URI_MAX];
    const char *eq = strchr(text, '=');

    if (!eq || (size_t)(eq - text) >= sizeof uri) {
        return err_set(e, EINVAL, "'%.80s' is not kbs:///repository/type/tag=FILE", text);
    }
    memcpy(uri, text, (size_t)(eq - text));
    uri[eq - text] = '\0';
    return keys_add_kek_file(k, uri, eq + 1, e);
}

static int load_pem(const char *path, struct crypto_key **out, struct err *e)
{
    uint8_t pem[PEM_MAX];
    size_t len;

    if (read_small(path, pem, sizeof pem, &len, e) < 0) { return -e->code; }
    int r = crypto_key_from_pem(pem, len, out);
    wipe(pem, sizeof pem);
    return r < 0 ? err_set(e, -r,
                           "%s: not a PEM key we can use (RSA from 2048 bits, P-256, P-384, P-521)",
                           path)
                 : 0;
}

int keys_add_private(struct keys *k, const char *path, struct err *e)
{
    if (k->private_count == KEYS_MAX) { return err_set(e, E2BIG, "more than %d keys", KEYS_MAX); }
    auto_key key = NULL;
    if (load_pem(path, &key, e) < 0) { return -e->code; }
    if (!crypto_key_is_private(key)) {
        return err_set(e, EINVAL, "%s: a public key opens nothing", path);
    }
    k->private_key[k->private_count++] = steal_ptr(&key);
    return 0;
}

static int add_public(struct keys *k, const char *path, struct err *e)
{
    if (k->public_count == KEYS_MAX) {
        return err_set(e, E2BIG, "more than %d recipients", KEYS_MAX);
    }
    auto_key key = NULL;
    if (load_pem(path, &key, e) < 0) { return -e->code; }
    if (crypto_key_type(key) == CRYPTO_ED25519) {
        return err_set(e, EINVAL, "%s: Ed25519 cannot encrypt", path);
    }
    k->public_key[k->public_count++] = steal_ptr(&key);
    return 0;
}

int keys_add_recipient(struct keys *k, const char *text, struct err *e)
{
    if (strncmp(text, "jwe:", 4) == 0) { return add_public(k, text + 4, e); }
    if (strncmp(text, "kbs://", 6) == 0 || strncmp(text, "shares://", 9) == 0) {
        return keys_add_kek(k, text, e);
    }
    return err_set(e, EINVAL, "recipient '%.80s' is neither jwe:PUB.pem nor kbs:///a/b/c=KEKFILE",
                   text);
}

const struct kek *keys_find_kek(const struct keys *k, const char *uri)
{
    for (size_t i = 0; i < k->kek_count; i++) {
        if (strcmp(k->kek[i].uri, uri) == 0) { return &k->kek[i]; }
    }
    return NULL;
}

/* ---- opening */

static int open_jwe(void *ctx, const char *packet, size_t len, uint8_t out[PRIVATE_OPTS_MAX],
                    size_t *out_len)
{
    const struct keys *k = ctx;
    int r = -ENOKEY;

    for (size_t i = 0; i < k->private_count; i++) {
        struct err ignored = {0}; /* the next key may fit; the caller says that none did */
        uint8_t *plain;
        size_t plain_len;
        r = jwe_decrypt(packet, len, JWE_ALLOW_OCICRYPT, k->private_key[i], NULL, &plain,
                        &plain_len, &ignored);
        if (r < 0) { continue; }
        r = plain_len <= PRIVATE_OPTS_MAX ? 0 : -EFBIG;
        if (r == 0) {
            memcpy(out, plain, plain_len);
            *out_len = plain_len;
        }
        wipe(plain, plain_len);
        free(plain);
        if (r == 0) { return 0; }
    }
    return r;
}

struct ocicrypt_keys keys_for_ocicrypt(struct keys *k)
{
    return (struct ocicrypt_keys){
        .kek = k->kek, .kek_count = k->kek_count, .open_jwe = open_jwe, .ctx = k};
}

/* ---- wrapping */

int keys_seal_packet(const struct kek *kek, const void *plain, size_t len, char **out,
                     struct err *e)
{
    uint8_t iv[CRYPTO_GCM_IV_SIZE], wrapped[PRIVATE_OPTS_MAX + CRYPTO_GCM_TAG_SIZE];
    char iv_text[24];

    if (len > PRIVATE_OPTS_MAX) {
        return err_set(e, EFBIG, "%zu bytes to wrap, at most %d", len, PRIVATE_OPTS_MAX);
    }
    if (crypto_random(iv, sizeof iv) < 0) { return err_set(e, EIO, "no random bytes"); }
    int r =
        crypto_gcm_seal(kek->key, sizeof kek->key, iv, NULL, 0, plain, len, wrapped, wrapped + len);
    if (r < 0) { return err_set(e, -r, "AES-256-GCM failed"); }
    auto_free char *wrapped_text = malloc(b64_len(len + CRYPTO_GCM_TAG_SIZE) + 1);
    if (!wrapped_text) { return err_set(e, ENOMEM, "out of memory"); }
    b64_encode(wrapped, len + CRYPTO_GCM_TAG_SIZE, wrapped_text);
    b64_encode(iv, sizeof iv, iv_text);
    if (asprintf(out,
                 "{\"kid\":\"%s\",\"wrapped_data\":\"%s\",\"iv\":\"%s\",\"wrap_type\":\"A256GCM\"}",
                 kek->uri, wrapped_text, iv_text) < 0) {
        return err_set(e, ENOMEM, "out of memory");
    }
    return 0;
}

static enum jwe_alg alg_for(const struct crypto_key *k)
{
    return crypto_key_type(k) == CRYPTO_RSA ? JWE_RSA_OAEP
                                            : JWE_ECDH_ES_A256KW; /* what ocicrypt itself writes */
}

static int base64_text(const char *text, char **out, struct err *e)
{
    size_t len = strlen(text);
    *out = malloc(b64_len(len) + 1);
    if (!*out) { return err_set(e, ENOMEM, "out of memory"); }
    b64_encode(text, len, *out);
    return 0;
}

static int wrap_jwe(const struct keys *k, const char *opts, char **out, struct err *e)
{
    struct jwe_recipient to[KEYS_MAX];
    char *text;

    for (size_t i = 0; i < k->public_count; i++) {
        to[i] = (struct jwe_recipient){.alg = alg_for(k->public_key[i]), .key = k->public_key[i]};
    }
    if (jwe_encrypt(to, k->public_count, opts, strlen(opts), &text, e) < 0) { return -e->code; }
    int r = base64_text(text, out, e);
    free(text);
    return r;
}

/* One packet per key, comma between them. */
static int wrap_provider(const struct keys *k, const char *opts, char **out, struct err *e)
{
    auto_free char *list = NULL;

    for (size_t i = 0; i < k->kek_count; i++) {
        auto_free char *packet = NULL;
        auto_free char *encoded = NULL;
        char *longer;
        if (keys_seal_packet(&k->kek[i], opts, strlen(opts), &packet, e) < 0 ||
            base64_text(packet, &encoded, e) < 0) {
            return -e->code;
        }
        if (asprintf(&longer, "%s%s%s", list ? list : "", list ? "," : "", encoded) < 0) {
            return err_set(e, ENOMEM, "out of memory");
        }
        free(list);
        list = longer;
    }
    *out = steal_ptr(&list);
    return 0;
}

int keys_wrap(const struct keys *k, const char *private_opts, char **out_jwe, char **out_provider,
              struct err *e)
{
    auto_free char *jwe = NULL;
    auto_free char *provider = NULL;

    if (k->public_count > 0 && wrap_jwe(k, private_opts, &jwe, e) < 0) { return -e->code; }
    if (k->kek_count > 0 && wrap_provider(k, private_opts, &provider, e) < 0) { return -e->code; }
    *out_jwe = steal_ptr(&jwe);
    *out_provider = steal_ptr(&provider);
    return 0;
}
