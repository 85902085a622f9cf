/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#11 through libp11, whose keys look like OpenSSL's: the other place, beside the server's TLS, where OpenSSL is used
 * directly. What leaves this file is bytes and an errno.
 */
#include "attest/kbs/config/hsm.h"

#include "attest/crypto.h"
#include "guest/base/ct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libp11.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

/* A module that is loaded and logged in to. */
struct module {
    PKCS11_CTX *ctx;
    PKCS11_SLOT *slots;
    unsigned slot_count;
    bool loaded;
};

static void module_close(struct module *m)
{
    if (m->slots) { PKCS11_release_all_slots(m->ctx, m->slots, m->slot_count); }
    if (m->loaded) { PKCS11_CTX_unload(m->ctx); }
    if (m->ctx) { PKCS11_CTX_free(m->ctx); }
    ERR_clear_error();
}
#define auto_module __attribute__((cleanup(module_close))) struct module

static int hsm_error(struct err *e, const struct hsm *h, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return err_set(e, EIO, "hsm %s: %s: %s", h->module, what, reason ? reason : "failed");
}

static PKCS11_SLOT *slot_find(struct module *m, const char *label)
{
    PKCS11_SLOT *found = NULL;
    for (unsigned i = 0; i < m->slot_count; i++) {
        const PKCS11_TOKEN *t = m->slots[i].token;
        if (!t || !t->label || strcmp(t->label, label) != 0) { continue; }
        if (found) { return NULL; } /* two of one name: nobody knows which is meant */
        found = &m->slots[i];
    }
    return found;
}

static PKCS11_KEY *key_find(PKCS11_SLOT *slot, const char *label)
{
    PKCS11_KEY *keys = NULL, *found = NULL;
    unsigned n = 0;
    if (PKCS11_enumerate_keys(slot->token, &keys, &n) != 0) { return NULL; }
    for (unsigned i = 0; i < n; i++) {
        if (!keys[i].label || strcmp(keys[i].label, label) != 0) { continue; }
        if (found) { return NULL; }
        found = &keys[i];
    }
    return found;
}

/* The module owns the key. */
static int module_open(const struct hsm *h, struct module *m, PKCS11_KEY **out, struct err *e)
{
    m->ctx = PKCS11_CTX_new();
    if (!m->ctx || PKCS11_CTX_load(m->ctx, h->module) != 0) {
        return hsm_error(e, h, "cannot be loaded");
    }
    m->loaded = true;
    if (PKCS11_enumerate_slots(m->ctx, &m->slots, &m->slot_count) != 0) {
        return hsm_error(e, h, "slots");
    }
    PKCS11_SLOT *slot = slot_find(m, h->token);
    if (!slot) {
        return err_set(e, ENOENT, "hsm %s: wanted one token named %s", h->module, h->token);
    }
    if (PKCS11_login(slot, 0, h->pin) != 0) { return hsm_error(e, h, "log in"); }
    *out = key_find(slot, h->key);
    if (!*out) {
        return err_set(e, ENOENT, "hsm %s: wanted one private key named %s in token %s", h->module,
                       h->key, h->token);
    }
    return 0;
}

static bool oaep_init(EVP_PKEY_CTX *c)
{
    return c && EVP_PKEY_decrypt_init(c) == 1 &&
           EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_OAEP_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_oaep_md(c, EVP_sha1()) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(c, EVP_sha1()) == 1;
}

int hsm_unwrap(const struct hsm *h, const uint8_t *wrapped, size_t wrapped_len, uint8_t *out_key,
               size_t key_len, struct err *e)
{
    auto_module m = {0};
    PKCS11_KEY *key = NULL;
    uint8_t plain[HSM_WRAPPED_MAX];
    size_t len = sizeof plain;
    int rc = module_open(h, &m, &key, e);
    if (rc < 0) { return rc; }
    EVP_PKEY *k = PKCS11_get_private_key(key);
    if (!k || EVP_PKEY_base_id(k) != EVP_PKEY_RSA) {
        EVP_PKEY_free(k);
        return err_set(e, EINVAL, "hsm %s: %s is not an RSA key", h->module, h->key);
    }
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k, NULL);
    bool good = oaep_init(c) && EVP_PKEY_decrypt(c, plain, &len, wrapped, wrapped_len) == 1 &&
                len == key_len;
    if (good) { memcpy(out_key, plain, key_len); }
    wipe(plain, sizeof plain);
    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(k);
    return good ? 0
                : err_set(e, EKEYREJECTED,
                          "hsm %s: the wrapped storage key was not made for key %s of token %s",
                          h->module, h->key, h->token);
}

int hsm_wrap(const struct hsm *h, const uint8_t *key, size_t key_len, uint8_t *out, size_t *out_len,
             struct err *e)
{
    auto_module m = {0};
    auto_key public = NULL;
    PKCS11_KEY *pair = NULL;
    unsigned char *der = NULL;
    int rc = module_open(h, &m, &pair, e);
    if (rc < 0) { return rc; }
    EVP_PKEY *k = PKCS11_get_public_key(pair);
    int n = k ? i2d_PUBKEY(k, &der) : -1;
    EVP_PKEY_free(k);
    rc = n > 0 ? crypto_key_from_der(der, (size_t)n, &public) : -EINVAL;
    OPENSSL_free(der);
    if (rc < 0 || crypto_key_type(public) != CRYPTO_RSA) {
        return err_set(e, EINVAL, "hsm %s: %s is not an RSA key of 2048 bits or more", h->module,
                       h->key);
    }
    rc = crypto_oaep_encrypt(public, CRYPTO_SHA1, key, key_len, out, out_len);
    return rc < 0 ? err_set(e, -rc, "hsm %s: wrapping failed", h->module) : 0;
}
