/* SPDX-License-Identifier: Apache-2.0 */
/* See target.h. */
#include "attest/kbs/target.h"

#include "attest/hex.h"
#include "attest/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool escape_read(const uint8_t *p, size_t len, char *out)
{
    uint8_t hi, lo;
    if (len < 3 || p[0] != '%' || !hex_nibble((char)tolower(p[1]), &hi) ||
        !hex_nibble((char)tolower(p[2]), &lo)) {
        return false;
    }
    *out = (char)(hi << 4 | lo);
    return true;
}

/* %XX and + as forms write them; what is no escape stays as it is. */
static json_t *form_text(const uint8_t *p, size_t len)
{
    char *text = malloc(len + 1);
    size_t n = 0;
    for (size_t i = 0; text && i < len; n++) {
        bool escape = escape_read(p + i, len - i, &text[n]);
        if (!escape) { text[n] = p[i] == '+' ? ' ' : (char)p[i]; }
        i += escape ? 3 : 1;
    }
    json_t *out = text ? json_stringn(text, n) : NULL; /* NULL for what is not UTF-8, too */
    free(text);
    return out;
}

static int query_member(json_t *out, const uint8_t *p, size_t len)
{
    const uint8_t *equals = memchr(p, '=', len);
    size_t n = equals ? (size_t)(equals - p) : len;
    auto_json name = form_text(p, n);
    json_t *value = form_text(equals ? equals + 1 : p + n, equals ? len - n - 1 : 0);
    if (!name || !value) { /* a policy cannot ask for what is no text */
        json_decref(value);
        return 0;
    }
    return json_object_setn_new(out, json_string_value(name), json_string_length(name), value);
}

/* Of names given twice the last counts. [coco §17.3] */
static int query_read(struct view target, json_t *out)
{
    const uint8_t *hash = target.len ? memchr(target.p, '#', target.len) : NULL;
    size_t len = hash ? (size_t)(hash - target.p) : target.len;
    const uint8_t *p = len ? memchr(target.p, '?', len) : NULL;
    if (!p) { return 0; }
    len -= (size_t)(p + 1 - target.p);
    p++;
    while (len) {
        const uint8_t *amp = memchr(p, '&', len);
        size_t n = amp ? (size_t)(amp - p) : len;
        if (n && query_member(out, p, n) < 0) { return -ENOMEM; }
        p += amp ? n + 1 : n;
        len -= amp ? n + 1 : n;
    }
    return 0;
}

json_t *target_path(struct view path)
{
    json_t *out = json_array();
    for (;;) {
        const uint8_t *slash = path.len ? memchr(path.p, '/', path.len) : NULL;
        size_t n = slash ? (size_t)(slash - path.p) : path.len;
        if (json_array_append_new(out, json_stringn(path.p ? (const char *)path.p : "", n)) < 0) {
            json_decref(out);
            return NULL;
        }
        if (!slash) { return out; }
        path = (struct view){.p = slash + 1, .len = path.len - n - 1};
    }
}

json_t *target_query(struct view target)
{
    json_t *out = json_object();
    if (out && query_read(target, out) == 0) { return out; }
    json_decref(out);
    return NULL;
}
