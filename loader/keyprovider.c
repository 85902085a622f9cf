/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key provider. A request is
 *   {"op":"keywrap",  "keywrapparams":{"ec":{"Parameters":{NAME:[BYTES…]}},"optsdata":BYTES},…}
 *   {"op":"keyunwrap","keyunwrapparams":{"dc":{"Parameters":{NAME:[BYTES…]}},"annotation":BYTES},…}
 * where BYTES is base64 or an array of numbers. When a provider is given twice the first parameter
 * wins: one request has one answer. The parameter of unwrapping says where a broker is, which we
 * have no use for.
 */
#include "loader/keyprovider.h"

#include "attest/base64.h"
#include "guest/base/ct.h"
#include "loader/image/members.h"

#include <errno.h>
#include <string.h>

#define PROVIDER      "attestation-agent"
#define PARAMETER_MAX 4096

/* ---- BYTES */

static int from_array(const json_t *a, uint8_t *out, size_t cap, size_t *out_len, struct err *e)
{
    size_t n = json_array_size(a);
    if (n > cap) { return err_set(e, EFBIG, "%zu bytes, at most %zu", n, cap); }
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(a, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 255) {
            return err_set(e, EBADMSG, "element %zu is not a byte", i);
        }
        out[i] = (uint8_t)json_integer_value(v);
    }
    *out_len = n;
    return 0;
}

static int bytes(const json_t *v, const char *what, uint8_t *out, size_t cap, size_t *out_len,
                 struct err *e)
{
    if (json_is_array(v)) {
        return from_array(v, out, cap, out_len, e) < 0 ? err_wrap(e, "%s", what) : 0;
    }
    const char *text = json_string_value(v);
    if (!text || b64_decode(text, strlen(text), out, cap, out_len) < 0) {
        return err_set(e, EBADMSG, "%s is not base64 of at most %zu bytes", what, cap);
    }
    return 0;
}

/* {"RESULTS":{"MEMBER":BYTES}} */
static int answer(const char *results, const char *name, const void *p, size_t len, bool int_array,
                  char **out, struct err *e)
{
    const uint8_t *b = p;
    size_t room = strlen(results) + strlen(name) + 16 + (int_array ? 4 * len : b64_len(len)) + 1;
    char *text = malloc(room);
    if (!text) { return err_set(e, ENOMEM, "out of memory"); }
    size_t n =
        (size_t)snprintf(text, room, "{\"%s\":{\"%s\":%s", results, name, int_array ? "[" : "\"");
    if (int_array) {
        for (size_t i = 0; i < len; i++) {
            n += (size_t)snprintf(text + n, room - n, "%s%u", i ? "," : "", b[i]);
        }
    } else {
        b64_encode(p, len, text + n);
        n += b64_len(len);
    }
    (void)snprintf(text + n, room - n, "%s}}", int_array ? "]" : "\"");
    *out = text;
    return 0;
}

/* ---- wrapping */

/* The first parameter of our provider, as text. */
static int first_parameter(const json_t *params, char out[PARAMETER_MAX], struct err *e)
{
    json_t *ec, *map, *list;
    size_t len;

    if (member_object(params, "ec", &ec, e) < 0 || member_object(ec, "Parameters", &map, e) < 0 ||
        member_array(map, PROVIDER, &list, e) < 0) {
        return -e->code;
    }
    if (bytes(json_array_get(list, 0), "parameter", (uint8_t *)out, PARAMETER_MAX - 1, &len, e) <
        0) {
        return -e->code;
    }
    out[len] = '\0';
    return strlen(out) == len ? 0 : err_set(e, EBADMSG, "parameter has a NUL");
}

struct wish {
    const char *keyid, *keypath; /* NULL = not said */
};

/* "keypath=FILE::keyid=URI::algorithm=A256GCM", any subset, or "Enabled". Cuts text into pieces. */
static int parse_parameter(char *text, struct wish *out, struct err *e)
{
    struct wish w = {0};

    if (strcmp(text, "Enabled") == 0) { text = NULL; }
    while (text) {
        char *next = strstr(text, "::");
        if (next) {
            *next = '\0';
            next += 2;
        }
        char *value = strchr(text, '=');
        if (!value) { return err_set(e, EINVAL, "parameter '%.80s' is not NAME=VALUE", text); }
        *value++ = '\0';
        if (strcmp(text, "keyid") == 0) {
            w.keyid = value;
        } else if (strcmp(text, "keypath") == 0) {
            w.keypath = value;
        } else if (strcmp(text, "algorithm") == 0) {
            if (strcmp(value, "A256GCM") != 0) {
                return err_set(e, ENOTSUP, "algorithm '%.40s', wanted A256GCM", value);
            }
        } else {
            return err_set(e, ENOTSUP, "parameter '%.40s' is not supported", text);
        }
        text = next;
    }
    *out = w;
    return 0;
}

/* A key given on our command line goes before the file that the request names. */
static int choose(struct keys *k, const struct wish *w, const struct kek **out, struct err *e)
{
    char uri[KEK_URI_MAX];

    if (!w->keyid) {
        if (w->keypath) { return err_set(e, EINVAL, "a keypath needs a keyid"); }
        if (k->kek_count != 1) {
            return err_set(e, EINVAL, "no keyid in the request, and %zu keys held (wanted 1)",
                           k->kek_count);
        }
        *out = &k->kek[0];
        return 0;
    }
    if (kek_uri_normalise(w->keyid, uri, e) < 0) { return -e->code; }
    *out = keys_find_kek(k, uri);
    if (*out) { return 0; }
    if (!w->keypath) {
        return err_set(e, ENOKEY, "no key for %.120s: give --kek or keypath=", uri);
    }
    if (keys_add_kek_file(k, uri, w->keypath, e) < 0) { return -e->code; }
    *out = keys_find_kek(k, uri);
    return 0;
}

static int wrap(struct keys *k, const json_t *j, bool int_array, char **out, struct err *e)
{
    char parameter[PARAMETER_MAX];
    uint8_t opts[PRIVATE_OPTS_MAX];
    auto_free char *packet = NULL;
    const struct kek *kek = NULL;
    struct wish w = {0};
    size_t len;
    json_t *params;

    if (member_object(j, "keywrapparams", &params, e) < 0 ||
        first_parameter(params, parameter, e) < 0 || parse_parameter(parameter, &w, e) < 0 ||
        choose(k, &w, &kek, e) < 0 ||
        bytes(json_object_get(params, "optsdata"), "optsdata", opts, sizeof opts, &len, e) < 0) {
        return err_wrap(e, "keywrap");
    }
    int r = keys_seal_packet(kek, opts, len, &packet, e);
    wipe(opts, sizeof opts);
    if (r < 0) { return err_wrap(e, "keywrap"); }
    return answer("keywrapresults", "annotation", packet, strlen(packet), int_array, out, e);
}

static int unwrap(const struct keys *k, const json_t *j, bool int_array, char **out, struct err *e)
{
    uint8_t opts[PRIVATE_OPTS_MAX];
    auto_free uint8_t *packet = malloc(PACKET_MAX);
    size_t packet_len, len;
    json_t *params;

    if (!packet) { return err_set(e, ENOMEM, "out of memory"); }
    if (member_object(j, "keyunwrapparams", &params, e) < 0 ||
        bytes(json_object_get(params, "annotation"), "annotation", packet, PACKET_MAX, &packet_len,
              e) < 0 ||
        packet_open(packet, packet_len, k->kek, k->kek_count, opts, &len, e) < 0) {
        return err_wrap(e, "keyunwrap");
    }
    int r = answer("keyunwrapresults", "optsdata", opts, len, int_array, out, e);
    wipe(opts, sizeof opts);
    return r;
}

int keyprovider_answer(struct keys *keys, const void *request, size_t len, bool int_array,
                       char **out, struct err *e)
{
    const char *op;
    if (len > KEYPROVIDER_REQUEST_MAX) {
        return err_set(e, EFBIG, "request: %zu bytes, at most %u", len, KEYPROVIDER_REQUEST_MAX);
    }
    auto_json j = members_parse(request, len, e);
    if (!j || member_text(j, "op", &op, e) < 0) { return err_wrap(e, "request"); }
    if (strcmp(op, "keywrap") == 0) { return wrap(keys, j, int_array, out, e); }
    if (strcmp(op, "keyunwrap") == 0) { return unwrap(keys, j, int_array, out, e); }
    return err_set(e, ENOTSUP, "request: op '%.40s', wanted keywrap or keyunwrap", op);
}
