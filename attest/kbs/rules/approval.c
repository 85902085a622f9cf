/* SPDX-License-Identifier: Apache-2.0 */
/* See approval.h. Reads texts of approvers, who are strangers until their key has verified. */
#include "attest/kbs/rules/approval.h"

#include "attest/jose.h"
#include "attest/kbs/rules/names.h"
#include "attest/rfc3339.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define TYPE          "casemate-approval"
#define ALGORITHMS    (JWS_ALLOW_EC | JWS_ALLOW(JWS_EDDSA))
#define SHA256_PREFIX "sha256:"

static const char what[] = "approval";

void approval_name(const struct approval *a, char out[APPROVAL_NAME_SIZE])
{
    (void)snprintf(out, APPROVAL_NAME_SIZE, "%s/%s", a->approver, a->id);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int bad(struct err *e, const char *member, const char *found, const char *wanted)
{
    return err_set(e, EBADMSG, "%s: %s: found %.140s, wanted %s", what, member, found, wanted);
}

static int header_read(const json_t *header, struct approval *a, struct err *e)
{
    const char *typ, *kid;
    int rc = json_get_text(what, header, "typ", &typ, e);
    if (rc == 0 && strcmp(typ, TYPE) != 0) { return bad(e, "typ", typ, TYPE); }
    if (rc == 0) { rc = json_get_text(what, header, "kid", &kid, e); }
    if (rc == 0 && !approver_name_ok(kid)) { return bad(e, "kid", kid, "an approver's name"); }
    if (rc == 0) { memcpy(a->approver, kid, strlen(kid) + 1); }
    return rc;
}

static int initdata_read(const json_t *p, struct approval *a, struct err *e)
{
    static const size_t sizes[] = {32, 48, 64};
    const char *text;
    int rc = json_get_text(what, p, "initdata", &text, e);
    for (size_t i = 0; rc == 0 && i < ARRAY_COUNT(sizes); i++) {
        if (hex_decode(text, strlen(text), a->initdata, sizes[i])) {
            a->initdata_len = sizes[i];
            return 0;
        }
    }
    return rc < 0 ? rc : bad(e, "initdata", text, "32, 48 or 64 bytes in lower-case hex");
}

static int guest_read(const json_t *p, struct approval *a, struct err *e)
{
    const char *measurement, *image;
    size_t skip = sizeof SHA256_PREFIX - 1;
    int rc = initdata_read(p, a, e);
    if (rc == 0) { rc = json_get_text(what, p, "measurement", &measurement, e); }
    if (rc == 0) { rc = json_get_text(what, p, "image", &image, e); }
    if (rc < 0) { return rc; }
    a->any_measurement = strcmp(measurement, "any") == 0;
    a->any_image = strcmp(image, "any") == 0;
    if (!a->any_measurement &&
        !hex_decode(measurement, strlen(measurement), a->measurement, sizeof a->measurement)) {
        return bad(e, "measurement", measurement, "any, or 48 bytes in lower-case hex");
    }
    if (!a->any_image &&
        (strncmp(image, SHA256_PREFIX, skip) != 0 ||
         !hex_decode(image + skip, strlen(image + skip), a->image, sizeof a->image))) {
        return bad(e, "image", image, "any, or sha256: and 64 digits of lower-case hex");
    }
    return 0;
}

static int limits_read(const json_t *p, struct approval *a, struct err *e)
{
    const char *expires;
    const json_t *count = json_object_get(p, "count");
    int rc = json_get_text(what, p, "expires", &expires, e);
    if (rc < 0) { return rc; }
    if (!rfc3339_parse(expires, strlen(expires), &a->expires)) {
        return bad(e, "expires", expires, "a time like 2026-12-31T00:00:00Z");
    }
    json_int_t n = json_is_integer(count) ? json_integer_value(count) : 0;
    if (n < 1 || n > APPROVAL_COUNT_MAX) {
        return err_set(e, EBADMSG, "%s: count: wanted a number from 1 to %u", what,
                       APPROVAL_COUNT_MAX);
    }
    a->count = (uint64_t)n;
    return 0;
}

static int payload_read(const json_t *p, struct approval *a, struct err *e)
{
    static const char *const known[] = {"version",     "id",    "resource", "initdata",
                                        "measurement", "image", "expires",  "count"};
    const json_t *version = json_object_get(p, "version");
    const char *id, *resource;
    uint8_t bytes[16];
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        if (!json_object_get(p, known[i])) { return bad(e, known[i], "nothing", "it there"); }
    }
    if (json_object_size(p) != ARRAY_COUNT(known)) {
        return err_set(e, EBADMSG, "%s: a member that an approval does not have", what);
    }
    if (!json_is_integer(version) || json_integer_value(version) != 1) {
        return err_set(e, EBADMSG, "%s: version is not 1", what);
    }
    int rc = json_get_text(what, p, "id", &id, e);
    if (rc == 0) { rc = json_get_text(what, p, "resource", &resource, e); }
    if (rc < 0) { return rc; }
    if (!hex_decode(id, strlen(id), bytes, sizeof bytes)) {
        return bad(e, "id", id, "32 digits of lower-case hex");
    }
    if (!resource_pattern_ok(resource)) {
        return bad(e, "resource", resource, "repository/type/tag, a segment may be *");
    }
    memcpy(a->id, id, sizeof a->id);
    memcpy(a->resource, resource, strlen(resource) + 1);
    rc = guest_read(p, a, e);
    return rc < 0 ? rc : limits_read(p, a, e);
}

int approval_parse(const char *text, size_t len, struct approval *out, struct err *e)
{
    auto_jws s = {0};
    auto_json payload = NULL;
    struct approval a = {0};
    if (len > APPROVAL_TEXT_MAX) {
        return err_set(e, E2BIG, "%s: %zu bytes, at most %u", what, len, APPROVAL_TEXT_MAX);
    }
    int rc = jws_parse(text, len, &s, e);
    if (rc == 0) { rc = header_read(s.header, &a, e); }
    if (rc == 0) {
        rc = json_load_strict(what, s.payload_raw, s.payload_len, APPROVAL_TEXT_MAX, &payload, e);
    }
    if (rc == 0 && !json_is_object(payload)) { return err_set(e, EBADMSG, "%s: no object", what); }
    if (rc == 0) { rc = payload_read(payload, &a, e); }
    if (rc == 0) { *out = a; }
    return rc;
}

int approval_verify(const char *text, size_t len, const struct crypto_key *key, struct err *e)
{
    auto_jws s = {0};
    int rc = jws_parse(text, len, &s, e);
    return rc < 0 ? rc : jws_verify(&s, key, ALGORITHMS, e);
}

/* ---- writing --------------------------------------------------------------------------------- */

static int id_make(const struct approval *a, char out[APPROVAL_ID_SIZE], struct err *e)
{
    uint8_t bytes[16];
    if (a->id[0]) {
        memcpy(out, a->id, APPROVAL_ID_SIZE);
        return 0;
    }
    int rc = crypto_random(bytes, sizeof bytes);
    if (rc < 0) { return err_set(e, -rc, "%s: no random bytes", what); }
    hex_encode(bytes, sizeof bytes, out);
    return 0;
}

int approval_sign(const struct approval *a, const struct crypto_key *key, char **out, struct err *e)
{
    char id[APPROVAL_ID_SIZE], initdata[HEX_LEN(CLAIMS_INITDATA_MAX)];
    char measurement[HEX_LEN(CLAIMS_MEASUREMENT)] = "any";
    char image[sizeof SHA256_PREFIX + 64] = "any", expires[RFC3339_SIZE];
    int rc = id_make(a, id, e);
    if (rc < 0) { return rc; }
    hex_encode(a->initdata, a->initdata_len, initdata);
    if (!a->any_measurement) { hex_encode(a->measurement, sizeof a->measurement, measurement); }
    if (!a->any_image) {
        memcpy(image, SHA256_PREFIX, sizeof SHA256_PREFIX);
        hex_encode(a->image, sizeof a->image, image + sizeof SHA256_PREFIX - 1);
    }
    rfc3339_format(a->expires, expires);
    auto_json header = json_pack("{s:s, s:s}", "typ", TYPE, "kid", a->approver);
    auto_json payload =
        json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "version", 1, "id", id, "resource",
                  a->resource, "initdata", initdata, "measurement", measurement, "image", image,
                  "expires", expires, "count", (json_int_t)a->count);
    auto_free char *text = payload ? json_dumps(payload, JSON_COMPACT) : NULL;
    if (!header || !text) { return err_set(e, ENOMEM, "%s: out of memory", what); }
    struct approval again;
    rc = jws_sign(key, header, text, strlen(text), out, e);
    if (rc < 0) { return rc; }
    rc = approval_parse(*out, strlen(*out), &again, e); /* nothing leaves that could not come in */
    if (rc < 0) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

/* ---- applying -------------------------------------------------------------------------------- */

bool approval_covers(const struct approval *a, const struct claims *c, const char *resource,
                     int64_t now, const char **out_why)
{
    uint8_t image[CLAIMS_REGISTER] = {0};
    memcpy(image, a->image, sizeof a->image);
    *out_why = NULL;
    if (!resource_pattern_matches(a->resource, resource)) {
        *out_why = "resource";
    } else if (now >= a->expires) {
        *out_why = "expires";
    } else if (a->initdata_len > c->initdata_len ||
               memcmp(a->initdata, c->initdata, a->initdata_len) != 0) { /* public data */
        *out_why = "initdata";
    } else if (!a->any_measurement &&
               memcmp(a->measurement, c->measurement, sizeof a->measurement) != 0) {
        *out_why = "measurement";
    } else if (!a->any_image &&
               (!c->has_registers || memcmp(image, c->registers[1], sizeof image) != 0)) {
        *out_why = "image";
    }
    return *out_why == NULL;
}
