/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See json.h. Reads bytes of strangers; the depth is counted before jansson, which recurses, sees
 * the text.
 */
#include "attest/json.h"

#include "guest/base/hosted.h"
#include "guest/base/printable.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/*
 * Deepest nesting of brackets outside strings. Text that is not JSON gets some number; jansson
 * refuses it later.
 */
static size_t depth_of(const char *text, size_t len)
{
    size_t depth = 0, max = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
            if (depth > max) { max = depth; }
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return max;
}

int json_load_strict(const char *what, const void *text, size_t len, size_t max, json_t **out,
                     struct err *e)
{
    if (len > max) {
        return err_set(e, E2BIG, "%s: %zu bytes of JSON, at most %zu are read", what, len, max);
    }
    if (depth_of(text, len) > JSON_DEPTH_CEILING) {
        return err_set(e, EBADMSG, "%s: JSON nested deeper than %d", what, JSON_DEPTH_CEILING);
    }
    json_error_t je;
    json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
    if (!j) {
        make_printable(je.text); /* it quotes what it stumbled over */
        return err_set(e, EBADMSG, "%s: not JSON: %s (line %d, column %d)", what, je.text, je.line,
                       je.column);
    }
    *out = j;
    return 0;
}

int json_get_text(const char *what, const json_t *obj, const char *name, const char **out,
                  struct err *e)
{
    const json_t *j = json_object_get(obj, name);
    if (!j) { return err_set(e, EBADMSG, "%s: member \"%s\" is missing", what, name); }
    if (!json_is_string(j)) {
        return err_set(e, EBADMSG, "%s: member \"%s\" is not a string", what, name);
    }
    *out = json_string_value(j);
    return 0;
}

int json_get_object(const char *what, const json_t *obj, const char *name, json_t **out,
                    struct err *e)
{
    json_t *j = json_object_get(obj, name);
    if (!j) { return err_set(e, EBADMSG, "%s: member \"%s\" is missing", what, name); }
    if (!json_is_object(j)) {
        return err_set(e, EBADMSG, "%s: member \"%s\" is not an object", what, name);
    }
    *out = j;
    return 0;
}

json_t *json_at(const json_t *obj, const char *path)
{
    char name[64];
    for (;;) {
        size_t n = strcspn(path, "/");
        if (n >= sizeof name) { return NULL; }
        memcpy(name, path, n);
        name[n] = '\0';
        json_t *next = json_object_get(obj, name);
        if (!path[n] || !next) { return next; }
        obj = next;
        path += n + 1;
    }
}

/* ---- a member as it stands. The text is well-formed, so that brackets and quotes are in pairs. */

static size_t skip_space(const char *text, size_t len, size_t i)
{
    while (i < len && strchr(" \t\r\n", text[i]) && text[i] != '\0') { i++; }
    return i;
}

/* Behind the string that begins at i. */
static size_t skip_string(const char *text, size_t len, size_t i)
{
    for (i++; i < len && text[i] != '"'; i++) {
        if (text[i] == '\\') { i++; }
    }
    return i < len ? i + 1 : len;
}

/* Behind the value that begins at i. */
static size_t skip_value(const char *text, size_t len, size_t i)
{
    size_t depth = 0;
    while (i < len) {
        char c = text[i];
        if (c == '"') {
            i = skip_string(text, len, i);
            if (depth == 0) { return i; }
            continue;
        }
        if (depth == 0 && strchr(",]} \t\r\n", c)) { return i; } /* behind a number or a word */
        if (c == '{' || c == '[') { depth++; }
        i++;
        if ((c == '}' || c == ']') && --depth == 0) { return i; }
    }
    return len;
}

bool json_member_text(const char *text, size_t len, const char *name, struct view *out)
{
    size_t n = strlen(name), i = skip_space(text, len, 0);
    while (i < len && text[i] != '}') {
        size_t key = skip_space(text, len, i + 1); /* behind the bracket or a comma */
        size_t colon = skip_space(text, len, skip_string(text, len, key));
        size_t value = skip_space(text, len, colon + 1);
        size_t end = skip_value(text, len, value);
        if (value >= len) { return false; }
        if (len - key > n + 1 && memcmp(text + key + 1, name, n) == 0 && text[key + 1 + n] == '"') {
            *out = (struct view){.p = (const uint8_t *)text + value, .len = end - value};
            return true;
        }
        i = skip_space(text, len, end);
    }
    return false;
}

/* ---- canonical text [RFC 8785]. jansson's own dump differs: it writes \u001F, the RFC \u001f. */

static void put_string(FILE *f, const char *s, size_t len)
{
    (void)fputc('"', f);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        switch (c) {
        case '"': (void)fputs("\\\"", f); break;
        case '\\': (void)fputs("\\\\", f); break;
        case '\b': (void)fputs("\\b", f); break;
        case '\t': (void)fputs("\\t", f); break;
        case '\n': (void)fputs("\\n", f); break;
        case '\f': (void)fputs("\\f", f); break;
        case '\r': (void)fputs("\\r", f); break;
        default:
            if (c < 0x20) {
                (void)fprintf(f, "\\u%04x", c);
            } else {
                (void)fputc(c, f);
            }
        }
    }
    (void)fputc('"', f);
}

static int by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static int put_value(FILE *f, const json_t *j, int depth);

static int put_object(FILE *f, const json_t *j, int depth)
{
    size_t count = json_object_size(j), i = 0;
    auto_free const char **names = calloc(count + 1, sizeof *names);
    const char *name;
    json_t *unused;
    if (!names) { return -ENOMEM; }
    json_object_foreach ((json_t *)(uintptr_t)j, name, unused) {
        (void)unused;
        for (const char *c = name; *c; c++) {
            /* The order by UTF-16 units is that of bytes for ASCII alone. */
            if ((unsigned char)*c >= 0x80) { return -EINVAL; }
        }
        names[i++] = name;
    }
    qsort(names, count, sizeof *names, by_name);

    (void)fputc('{', f);
    for (i = 0; i < count; i++) {
        if (i > 0) { (void)fputc(',', f); }
        put_string(f, names[i], strlen(names[i]));
        (void)fputc(':', f);
        int r = put_value(f, json_object_get(j, names[i]), depth);
        if (r < 0) { return r; }
    }
    (void)fputc('}', f);
    return 0;
}

static int put_value(FILE *f, const json_t *j, int depth)
{
    if (depth > JSON_DEPTH_CEILING) { return -EINVAL; }
    switch (json_typeof(j)) {
    case JSON_OBJECT: return put_object(f, j, depth + 1);
    case JSON_ARRAY:
        (void)fputc('[', f);
        for (size_t i = 0; i < json_array_size(j); i++) {
            if (i > 0) { (void)fputc(',', f); }
            int r = put_value(f, json_array_get(j, i), depth + 1);
            if (r < 0) { return r; }
        }
        (void)fputc(']', f);
        return 0;
    case JSON_STRING: put_string(f, json_string_value(j), json_string_length(j)); return 0;
    case JSON_INTEGER: (void)fprintf(f, "%" JSON_INTEGER_FORMAT, json_integer_value(j)); return 0;
    case JSON_TRUE: (void)fputs("true", f); return 0;
    case JSON_FALSE: (void)fputs("false", f); return 0;
    case JSON_NULL: (void)fputs("null", f); return 0;
    case JSON_REAL: return -EINVAL;
    }
    return -EINVAL;
}

json_t *json_printable(const char *text)
{
    auto_free char *copy = strdup(text);
    if (!copy) { return NULL; }
    make_printable(copy);
    return json_string(copy);
}

int json_canonical(const json_t *j, char **out, size_t *out_len)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (!f) { return -ENOMEM; }
    int r = put_value(f, j, 0);
    if (fclose(f) != 0 && r == 0) { r = -ENOMEM; } /* only now do text and len hold */
    if (r < 0) {
        free(text);
        return r;
    }
    *out = text;
    *out_len = len;
    return 0;
}
