/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets of the key provider "attestation-agent" [CoCo annotation packet v1, v2]: the private
 * options wrapped with a key that a key broker holds. Version 2 adds members for key management
 * services, which we do not speak to.
 */
#include "loader/image/ocicrypt.h"

#include "attest/base64.h"
#include "attest/crypto.h"
#include "guest/base/ct.h"
#include "loader/image/members.h"

#include <errno.h>
#include <string.h>

#define WRAPPED_MAX (PRIVATE_OPTS_MAX + CRYPTO_GCM_TAG_SIZE)

static bool segment_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

int kek_uri_normalise(const char *text, char out[KEK_URI_MAX], struct err *e)
{
    static const char *const schemes[] = {"kbs://", "shares://"};
    const char *scheme = NULL;
    size_t segments = 0;

    for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
        if (strncmp(text, schemes[i], strlen(schemes[i])) == 0) { scheme = schemes[i]; }
    }
    if (!scheme) {
        return err_set(e, EINVAL, "key id '%.80s' does not begin with kbs:// or shares://", text);
    }
    const char *path = strchr(text + strlen(scheme), '/');
    if (!path || strlen(scheme) + strlen(path) >= KEK_URI_MAX) {
        return err_set(e, EINVAL, "key id '%.80s' has no path or is too long", text);
    }
    for (const char *p = path; *p == '/'; segments++) {
        size_t n = 0;
        p++;
        while (segment_char(p[n])) { n++; }
        bool dots = n <= 2 && strspn(p, ".") == n;
        if (n == 0 || dots || (p[n] != '/' && p[n] != '\0')) { break; }
        p += n;
        if (*p == '\0' && segments == 2) {
            memcpy(out, scheme, strlen(scheme));
            memcpy(out + strlen(scheme), path, strlen(path) + 1);
            return 0;
        }
    }
    return err_set(e, EINVAL, "key id '%.80s' is not %s/repository/type/tag", text, scheme);
}

static int parse(const uint8_t *packet, size_t len, json_t **out, char kid[KEK_URI_MAX],
                 struct err *e)
{
    const char *text, *provider;
    auto_json j = members_parse(packet, len, e);

    if (!j || member_text(j, "kid", &text, e) < 0 ||
        member_text_opt(j, "provider", &provider, e) < 0) {
        return err_wrap(e, "key packet");
    }
    if (provider && strcmp(provider, "kbs") != 0) {
        return err_set(e, ENOTSUP, "key packet: provider '%.40s', wanted kbs", provider);
    }
    if (kek_uri_normalise(text, kid, e) < 0) { return err_wrap(e, "key packet"); }
    *out = json_incref(j);
    return 0;
}

int packet_kid(const uint8_t *packet, size_t len, char out[KEK_URI_MAX], struct err *e)
{
    json_t *j;
    if (parse(packet, len, &j, out, e) < 0) { return -e->code; }
    json_decref(j);
    return 0;
}

static int decode(const json_t *j, const char *key, uint8_t *out, size_t cap, size_t *out_len,
                  struct err *e)
{
    const char *text;
    if (member_text(j, key, &text, e) < 0) { return -e->code; }
    if (b64_decode(text, strlen(text), out, cap, out_len) < 0) {
        return err_set(e, EBADMSG, "member '%s' is not base64 of at most %zu bytes", key, cap);
    }
    return 0;
}

static int unwrap(const json_t *j, const struct kek *kek, uint8_t out[PRIVATE_OPTS_MAX],
                  size_t *out_len, struct err *e)
{
    uint8_t wrapped[WRAPPED_MAX], iv[CRYPTO_AES_BLOCK_SIZE];
    size_t len, iv_len;
    const char *type;

    if (member_text(j, "wrap_type", &type, e) < 0 ||
        decode(j, "wrapped_data", wrapped, sizeof wrapped, &len, e) < 0 ||
        decode(j, "iv", iv, sizeof iv, &iv_len, e) < 0) {
        return -e->code;
    }
    if (strcmp(type, "A256GCM") == 0) {
        if (iv_len != CRYPTO_GCM_IV_SIZE || len < CRYPTO_GCM_TAG_SIZE) {
            return err_set(e, EBADMSG, "A256GCM with an IV of %zu and data of %zu bytes", iv_len,
                           len);
        }
        len -= CRYPTO_GCM_TAG_SIZE;
        if (crypto_gcm256_open(kek->key, iv, wrapped, len, wrapped + len, out) < 0) {
            return err_set(e, EBADMSG, "%.80s does not open it", kek->uri);
        }
    } else if (strcmp(type, "A256CTR") == 0) {
        struct crypto_ctr c;
        if (iv_len != CRYPTO_AES_BLOCK_SIZE || len > PRIVATE_OPTS_MAX) {
            return err_set(e, EBADMSG, "A256CTR with an IV of %zu and data of %zu bytes", iv_len,
                           len);
        }
        crypto_ctr_init(&c, kek->key, iv);
        crypto_ctr_xor(&c, wrapped, out, len);
        wipe(&c, sizeof c);
    } else {
        return err_set(e, ENOTSUP, "wrap_type '%.40s', wanted A256GCM or A256CTR", type);
    }
    *out_len = len;
    return 0;
}

int packet_open(const uint8_t *packet, size_t len, const struct kek *kek, size_t kek_count,
                uint8_t out[PRIVATE_OPTS_MAX], size_t *out_len, struct err *e)
{
    char kid[KEK_URI_MAX];
    json_t *raw;

    if (parse(packet, len, &raw, kid, e) < 0) { return -e->code; }
    auto_json j = raw;
    for (size_t i = 0; i < kek_count; i++) {
        if (strcmp(kek[i].uri, kid) != 0) { continue; }
        return unwrap(j, &kek[i], out, out_len, e) < 0 ? err_wrap(e, "key packet") : 0;
    }
    return err_set(e, ENOKEY, "key packet: %.120s is not among the keys given", kid);
}
