/* SPDX-License-Identifier: Apache-2.0 */
/* See transcript.h. [KBS protocol 0.4.0], [RFC 8785]. */
#include "attest/transcript.h"

#include "attest/hex.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define ADDITIONAL_MAX 4096

_Static_assert(sizeof REPORT_FORM_MARK - 1 == TRANSCRIPT_REPORT_DATA - CRYPTO_SHA384_SIZE,
               "the mark fills the rest");

int transcript_tee_key(const json_t *jwk, json_t **out, struct err *e)
{
    static const char *const ec[] = {"kty", "crv", "alg", "x", "y", NULL}, *const rsa[] = {
                                                                               "kty", "alg", "n",
                                                                               "e", NULL};
    const char *kty, *text;
    int r = json_get_text("tee-pubkey", jwk, "kty", &kty, e);
    if (r < 0) { return r; }
    const char *const *names = strcmp(kty, "EC") == 0 ? ec : strcmp(kty, "RSA") == 0 ? rsa : NULL;
    if (!names) { return err_set(e, ENOTSUP, "tee-pubkey: kty \"%.20s\", wanted EC or RSA", kty); }

    auto_json key = json_object();
    if (!key) { return err_set(e, ENOMEM, "tee-pubkey: out of memory"); }
    for (size_t i = 0; names[i]; i++) {
        r = json_get_text("tee-pubkey", jwk, names[i], &text, e);
        if (r < 0) { return r; }
        if (json_object_set(key, names[i], json_object_get(jwk, names[i])) != 0) {
            return err_set(e, ENOMEM, "tee-pubkey: out of memory");
        }
    }
    *out = steal_ptr(&key);
    return 0;
}

static int hash_canonical(const json_t *j, enum crypto_hash h, uint8_t out[TRANSCRIPT_REPORT_DATA],
                          struct err *e)
{
    auto_free char *text = NULL;
    size_t len;
    uint8_t data[TRANSCRIPT_REPORT_DATA] = {0};
    if (!j || json_canonical(j, &text, &len) < 0) {
        return err_set(e, EINVAL, "report data: cannot be formed");
    }
    int r = crypto_digest(h, text, len, data);
    if (r < 0) { return err_set(e, -r, "report data: no such hash"); }
    memcpy(out, data, sizeof data);
    return 0;
}

int transcript_report_data(const char *nonce, const json_t *tee_key, const char *additional,
                           enum crypto_hash h, uint8_t out[TRANSCRIPT_REPORT_DATA], struct err *e)
{
    auto_json j = json_pack("{s:s, s:s, s:O}", "additional-evidence", additional, "nonce", nonce,
                            "tee-pubkey", tee_key);
    return hash_canonical(j, h, out, e);
}

int transcript_device_data(const char *nonce, const json_t *tee_key, enum crypto_hash h,
                           uint8_t out[TRANSCRIPT_REPORT_DATA], struct err *e)
{
    auto_json j = json_pack("{s:s, s:O}", "nonce", nonce, "tee-pubkey", tee_key);
    return hash_canonical(j, h, out, e);
}

int transcript_registers_format(const struct transcript_registers *g, char **out, struct err *e)
{
    auto_json list = json_array();
    for (size_t i = 0; i < REPORT_REGISTERS; i++) {
        char hex[HEX_LEN(REPORT_REGISTER_SIZE)];
        hex_encode(g->value[i], REPORT_REGISTER_SIZE, hex);
        if (json_array_append_new(list, json_string(hex)) != 0) {
            return err_set(e, ENOMEM, "registers: out of memory");
        }
    }
    auto_json j =
        json_pack("{s:I, s:O}", "launch_flags", (json_int_t)g->launch_flags, "registers", list);
    size_t len;
    if (!j || json_canonical(j, out, &len) < 0) {
        return err_set(e, ENOMEM, "registers: out of memory");
    }
    return 0;
}

int transcript_registers_parse(const char *additional, struct transcript_registers *out,
                               bool *out_present, struct err *e)
{
    static const char what[] = "additional evidence";
    struct transcript_registers g = {0};
    auto_json j = NULL;
    if (*additional == '\0') {
        *out = g;
        *out_present = false;
        return 0;
    }
    int r = json_load_strict(what, additional, strlen(additional), ADDITIONAL_MAX, &j, e);
    if (r < 0) { return r; }
    const json_t *list = json_object_get(j, "registers"),
                 *flags = json_object_get(j, "launch_flags");
    if (json_object_size(j) != 2 || json_array_size(list) != REPORT_REGISTERS ||
        !json_is_integer(flags) || json_integer_value(flags) < 0 ||
        json_integer_value(flags) > UINT32_MAX) {
        return err_set(e, EBADMSG, "%s: wanted launch_flags and four registers", what);
    }
    g.launch_flags = (uint32_t)json_integer_value(flags);
    for (size_t i = 0; i < REPORT_REGISTERS; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_string(v) || !hex_decode(json_string_value(v), json_string_length(v),
                                              g.value[i], REPORT_REGISTER_SIZE)) {
            return err_set(e, EBADMSG, "%s: register %zu is not 96 hexadecimal digits", what, i);
        }
    }
    *out = g;
    *out_present = true;
    return 0;
}

void transcript_register_form(const struct transcript_registers *g, bool sealed,
                              const uint8_t data[TRANSCRIPT_REPORT_DATA],
                              uint8_t out[TRANSCRIPT_REPORT_DATA])
{
    uint32_t f = g->launch_flags;
    uint8_t state[5] = {(uint8_t)f, (uint8_t)(f >> 8), (uint8_t)(f >> 16), (uint8_t)(f >> 24),
                        sealed ? 1 : 0};
    uint8_t digest[CRYPTO_SHA384_SIZE];
    struct crypto_sha c;
    (void)!crypto_sha_init(&c, CRYPTO_SHA384);
    crypto_sha_update(&c, REPORT_FORM_PREFIX, sizeof REPORT_FORM_PREFIX - 1);
    crypto_sha_update(&c, state, sizeof state);
    crypto_sha_update(&c, g->value, sizeof g->value);
    crypto_sha_update(&c, data, TRANSCRIPT_REPORT_DATA);
    crypto_sha_final(&c, digest);
    memcpy(out, digest, sizeof digest);
    memcpy(out + sizeof digest, REPORT_FORM_MARK, sizeof REPORT_FORM_MARK - 1);
}

bool transcript_is_register_form(const uint8_t data[TRANSCRIPT_REPORT_DATA])
{
    return memcmp(data + CRYPTO_SHA384_SIZE, REPORT_FORM_MARK, sizeof REPORT_FORM_MARK - 1) == 0;
}
