/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See toml.h. Reads bytes of strangers (initdata passes through the host). One pass, one struct;
 * what may still be added to a table depends on how it came to be, so every table has one of four
 * origins:
 *
 *   T1  `implied` tables (parents of a header) may be opened once by a header
 *   T2  `header` tables may get sub-tables by header, never a second header
 *   T3  `dotted` tables grow only by dotted keys of the table they stand in, and get sub-tables by
 *       header
 *   T4  `inline` tables and plain arrays never change once closed
 */
#include "attest/toml.h"

#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

enum origin { ORIGIN_IMPLIED = 1, ORIGIN_HEADER, ORIGIN_DOTTED, ORIGIN_INLINE, ORIGIN_TABLES };

struct known {
    const json_t *node; /* borrowed; stays where it is as long as the root lives */
    enum origin origin;
};

struct reader {
    const char *what;
    const char *p, *end;
    unsigned line;
    json_t *current; /* table that key lines go to; borrowed from the root */
    struct known *origins;
    size_t origin_count;
    struct err *e;
};

/* A key: its parts, copied out. */
struct key {
    char part[TOML_DEPTH_MAX][TOML_KEY_MAX + 1];
    size_t count;
};

#define FAIL(r, fmt, ...)                                                                          \
    err_set((r)->e, EBADMSG, "%s: line %u: " fmt, (r)->what, (r)->line, ##__VA_ARGS__)
static int out_of_memory(struct reader *r)
{
    return err_set(r->e, ENOMEM, "%s: out of memory", r->what);
}

/* ---- origins */

static int origin_set(struct reader *r, const json_t *node, enum origin o)
{
    for (size_t i = 0; i < r->origin_count; i++) {
        if (r->origins[i].node == node) {
            r->origins[i].origin = o;
            return 0;
        }
    }
    if (r->origin_count == TOML_TABLES_MAX) {
        return FAIL(r, "more than %d tables", TOML_TABLES_MAX);
    }
    r->origins[r->origin_count].node = node;
    r->origins[r->origin_count].origin = o;
    r->origin_count++;
    return 0;
}

/* A node that nobody recorded is a plain value. */
static enum origin origin_of(const struct reader *r, const json_t *node)
{
    for (size_t i = 0; i < r->origin_count; i++) {
        if (r->origins[i].node == node) { return r->origins[i].origin; }
    }
    return ORIGIN_INLINE;
}

/* ---- characters */

/* NUL is the end: inside the text it was refused first. */
static char peek(const struct reader *r) { return r->p < r->end ? *r->p : '\0'; }

static bool take(struct reader *r, const char *lit)
{
    size_t n = strlen(lit);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, lit, n) != 0) { return false; }
    r->p += n;
    return true;
}

static void skip_blanks(struct reader *r)
{
    while (peek(r) == ' ' || peek(r) == '\t') { r->p++; }
}

static void skip_comment(struct reader *r)
{
    if (peek(r) != '#') { return; }
    while (r->p < r->end && *r->p != '\n') { r->p++; }
}

static bool take_newline(struct reader *r)
{
    if (!take(r, "\n") && !take(r, "\r\n")) { return false; }
    r->line++;
    return true;
}

/* White space, line ends and comments, as allowed inside arrays. */
static void skip_lines(struct reader *r)
{
    do {
        skip_blanks(r);
        skip_comment(r);
    } while (take_newline(r));
}

static bool is_bare(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/*
 * For the whole text: control characters but tab and line ends, a carriage return that ends no
 * line, and what is not UTF-8 are refused.
 */
static int check_text(struct reader *r)
{
    auto_json utf8 = json_stringn(r->p, (size_t)(r->end - r->p));
    if (!utf8) { return err_set(r->e, EBADMSG, "%s: not UTF-8", r->what); }
    for (const char *p = r->p; p < r->end; p++) {
        unsigned char c = (unsigned char)*p;
        bool crlf = c == '\r' && p + 1 < r->end && p[1] == '\n';
        if ((c < 0x20 && c != '\t' && c != '\n' && !crlf) || c == 0x7f) {
            return FAIL(r, "control character 0x%02x", c);
        }
        if (c == '\n') { r->line++; }
    }
    r->line = 1;
    return 0;
}

/* ---- strings: decoded into a buffer no longer than what is left of the text */

struct buffer {
    char *p;
    size_t len;
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') { return c - '0'; }
    if (c >= 'a' && c <= 'f') { return c - 'a' + 10; }
    if (c >= 'A' && c <= 'F') { return c - 'A' + 10; }
    return -1;
}

static int put_code_point(struct reader *r, struct buffer *b, int digits)
{
    uint32_t v = 0;
    for (int i = 0; i < digits; i++) {
        int d = hex_digit(peek(r));
        if (d < 0) { return FAIL(r, "escape wants %d hexadecimal digits", digits); }
        v = v << 4 | (uint32_t)d;
        r->p++;
    }
    if (v == 0 || v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) {
        return FAIL(r, "escape is not a character");
    }
    /* UTF-8 is never longer than the escape it stands for. */
    if (v < 0x80) {
        b->p[b->len++] = (char)v;
    } else if (v < 0x800) {
        b->p[b->len++] = (char)(0xc0 | v >> 6);
        b->p[b->len++] = (char)(0x80 | (v & 0x3f));
    } else if (v < 0x10000) {
        b->p[b->len++] = (char)(0xe0 | v >> 12);
        b->p[b->len++] = (char)(0x80 | (v >> 6 & 0x3f));
        b->p[b->len++] = (char)(0x80 | (v & 0x3f));
    } else {
        b->p[b->len++] = (char)(0xf0 | v >> 18);
        b->p[b->len++] = (char)(0x80 | (v >> 12 & 0x3f));
        b->p[b->len++] = (char)(0x80 | (v >> 6 & 0x3f));
        b->p[b->len++] = (char)(0x80 | (v & 0x3f));
    }
    return 0;
}

/* Behind the backslash. */
static int put_escape(struct reader *r, struct buffer *b, bool multi)
{
    static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
    char c = peek(r);
    const char *hit = c ? strchr(from, c) : NULL;
    if (hit) {
        b->p[b->len++] = to[hit - from];
        r->p++;
        return 0;
    }
    if (take(r, "u")) { return put_code_point(r, b, 4); }
    if (take(r, "U")) { return put_code_point(r, b, 8); }
    if (multi) { /* a backslash at the end of a line takes the white space that follows with it */
        skip_blanks(r);
        if (take_newline(r)) {
            do {
                skip_blanks(r);
            } while (take_newline(r));
            return 0;
        }
    }
    return FAIL(r, "unknown escape in a string");
}

/* At a closing delimiter of a multi-line string: up to two quotes more belong to the content. */
static bool close_multi(struct reader *r, char quote, struct buffer *b)
{
    size_t n = 0;
    while (n < 5 && r->p + n < r->end && r->p[n] == quote) { n++; }
    if (n < 3) { return false; }
    for (size_t i = 0; i < n - 3; i++) { b->p[b->len++] = quote; }
    r->p += n;
    return true;
}

static int read_string_body(struct reader *r, char quote, bool multi, struct buffer *b)
{
    if (multi) { (void)take_newline(r); } /* a line end right behind the opening is not content */
    for (;;) {
        char c = peek(r);
        if (r->p == r->end || (c == '\n' && !multi) || (c == '\r' && !multi)) {
            return FAIL(r, "string without an end");
        }
        if (c == quote && !multi) {
            r->p++;
            return 0;
        }
        if (c == quote && close_multi(r, quote, b)) { return 0; }
        r->p++;
        if (c == '\\' && quote == '"') {
            int rc = put_escape(r, b, multi);
            if (rc < 0) { return rc; }
            continue;
        }
        if (c == '\n') { r->line++; }
        b->p[b->len++] = c;
    }
}

/* At a quote; b->p is heap. */
static int read_string(struct reader *r, bool multi_ok, struct buffer *b)
{
    char quote = peek(r);
    bool multi = take(r, quote == '"' ? "\"\"\"" : "'''");
    if (multi && !multi_ok) { return FAIL(r, "a key cannot be a multi-line string"); }
    if (!multi) { r->p++; }
    b->p = malloc((size_t)(r->end - r->p) + 1);
    b->len = 0;
    if (!b->p) { return out_of_memory(r); }
    return read_string_body(r, quote, multi, b);
}

/* ---- keys */

static int read_key_part(struct reader *r, char out[TOML_KEY_MAX + 1])
{
    struct buffer b = {NULL, 0};
    int rc = 0;
    if (peek(r) == '"' || peek(r) == '\'') {
        rc = read_string(r, false, &b);
    } else {
        const char *start = r->p;
        while (is_bare(peek(r))) { r->p++; }
        b.len = (size_t)(r->p - start);
        if (b.len == 0) { return FAIL(r, "a key is missing"); }
        b.p = malloc(b.len);
        if (!b.p) { return out_of_memory(r); }
        memcpy(b.p, start, b.len);
    }
    if (rc == 0 && b.len > TOML_KEY_MAX) { rc = FAIL(r, "key longer than %d bytes", TOML_KEY_MAX); }
    if (rc == 0) {
        memcpy(out, b.p, b.len);
        out[b.len] = '\0';
    }
    free(b.p);
    return rc;
}

static int read_key(struct reader *r, struct key *k)
{
    k->count = 0;
    do {
        skip_blanks(r);
        if (k->count == TOML_DEPTH_MAX) {
            return FAIL(r, "key of more than %d parts", TOML_DEPTH_MAX);
        }
        int rc = read_key_part(r, k->part[k->count]);
        if (rc < 0) { return rc; }
        k->count++;
        skip_blanks(r);
    } while (take(r, "."));
    return 0;
}

/* ---- values */

static int read_value(struct reader *r, int depth, json_t **out);

static int read_number(struct reader *r, json_t **out)
{
    bool negative = peek(r) == '-';
    if (peek(r) == '-' || peek(r) == '+') { r->p++; }
    bool hex = !negative && r->p[-1] != '+' && take(r, "0x");
    uint64_t v = 0, limit = (uint64_t)INT64_MAX + (negative ? 1 : 0), base = hex ? 16 : 10;
    size_t digits = 0;
    const char *start = r->p;
    for (;; r->p++) {
        int d = hex_digit(peek(r));
        if (peek(r) == '_' && digits > 0 && r->p[-1] != '_') { continue; }
        if (d < 0 || (uint64_t)d >= base) { break; }
        if (v > (limit - (uint64_t)d) / base) { return FAIL(r, "integer does not fit in 64 bits"); }
        v = v * base + (uint64_t)d;
        digits++;
    }
    char next = peek(r);
    if (digits > 0 && (next == '.' || next == 'e' || next == 'E' || next == ':' || next == '-')) {
        return FAIL(r, "floating-point numbers and dates are not read here");
    }
    if (digits == 0 || r->p[-1] == '_' || is_bare(next)) { return FAIL(r, "not a value"); }
    if (!hex && digits > 1 && *start == '0') { return FAIL(r, "integer with a leading zero"); }
    *out = json_integer(negative ? (json_int_t)(0 - v) : (json_int_t)v);
    return *out ? 0 : out_of_memory(r);
}

static int read_array(struct reader *r, int depth, json_t **out)
{
    auto_json a = json_array();
    if (!a) { return out_of_memory(r); }
    r->p++;
    for (;;) {
        json_t *v;
        skip_lines(r);
        if (take(r, "]")) { break; }
        int rc = read_value(r, depth + 1, &v);
        if (rc < 0) { return rc; }
        if (json_array_append_new(a, v) != 0) { return out_of_memory(r); }
        skip_lines(r);
        if (!take(r, ",") && peek(r) != ']') {
            return FAIL(r, "array: found neither \",\" nor \"]\"");
        }
    }
    *out = steal_ptr(&a);
    return 0;
}

static int set_dotted(struct reader *r, json_t *table, const struct key *k, json_t *take_value);

static int read_inline_table(struct reader *r, int depth, json_t **out)
{
    auto_json t = json_object();
    if (!t) { return out_of_memory(r); }
    r->p++;
    skip_blanks(r);
    if (!take(r, "}")) {
        do {
            struct key k;
            json_t *v;
            int rc = read_key(r, &k);
            if (rc < 0) { return rc; }
            if (!take(r, "=")) {
                return FAIL(r, "inline table: \"=\" is missing behind \"%.40s\"", k.part[0]);
            }
            rc = read_value(r, depth + 1, &v);
            if (rc == 0) { rc = set_dotted(r, t, &k, v); }
            if (rc < 0) { return rc; }
            skip_blanks(r);
        } while (take(r, ","));
        if (!take(r, "}")) { return FAIL(r, "inline table: found neither \",\" nor \"}\""); }
    }
    *out = steal_ptr(&t);
    return 0;
}

static int read_text(struct reader *r, json_t **out)
{
    struct buffer b = {NULL, 0};
    int rc = read_string(r, true, &b);
    if (rc == 0) {
        *out = json_stringn(b.p, b.len);
        if (!*out) { rc = out_of_memory(r); }
    }
    free(b.p);
    return rc;
}

static int read_value(struct reader *r, int depth, json_t **out)
{
    skip_blanks(r);
    char c = peek(r);
    if (depth > TOML_DEPTH_MAX) { return FAIL(r, "nested deeper than %d", TOML_DEPTH_MAX); }
    if (c == '"' || c == '\'') { return read_text(r, out); }
    if (c == '[') { return read_array(r, depth, out); }
    if (c == '{') { return read_inline_table(r, depth, out); }
    if (take(r, "true") || take(r, "false")) {
        if (is_bare(peek(r))) { return FAIL(r, "not a value"); }
        *out = json_boolean(c == 't');
        return 0;
    }
    return read_number(r, out);
}

/* ---- the tree */

/*
 * table.k = value; parents of a dotted key are made on the way (T3). Takes value over, also on
 * failure.
 */
static int set_dotted(struct reader *r, json_t *table, const struct key *k, json_t *take_value)
{
    auto_json v = take_value;
    for (size_t i = 0; i + 1 < k->count; i++) {
        json_t *next = json_object_get(table, k->part[i]);
        if (!next) {
            next = json_object();
            if (json_object_set_new(table, k->part[i], next) != 0) { return out_of_memory(r); }
            int rc = origin_set(r, next, ORIGIN_DOTTED);
            if (rc < 0) { return rc; }
        } else if (!json_is_object(next) || origin_of(r, next) != ORIGIN_DOTTED) {
            return FAIL(r, "\"%.40s\" is defined already", k->part[i]);
        }
        table = next;
    }
    const char *last = k->part[k->count - 1];
    if (json_object_get(table, last)) { return FAIL(r, "\"%.40s\" is defined already", last); }
    if (json_object_set_new(table, last, steal_ptr(&v)) != 0) { return out_of_memory(r); }
    return 0;
}

/* From the root to the table that holds the last part of a header's key. */
static int walk_header(struct reader *r, json_t *root, const struct key *k, json_t **out)
{
    json_t *t = root;
    for (size_t i = 0; i + 1 < k->count; i++) {
        json_t *next = json_object_get(t, k->part[i]);
        if (!next) {
            next = json_object();
            if (json_object_set_new(t, k->part[i], next) != 0) { return out_of_memory(r); }
            int rc = origin_set(r, next, ORIGIN_IMPLIED);
            if (rc < 0) { return rc; }
        } else if (origin_of(r, next) == ORIGIN_TABLES) {
            next = json_array_get(next, json_array_size(next) - 1);
        } else if (origin_of(r, next) == ORIGIN_INLINE) {
            return FAIL(r, "\"%.40s\" is a value, not a table", k->part[i]);
        }
        t = next;
    }
    *out = t;
    return 0;
}

static int open_table(struct reader *r, json_t *parent, const char *name)
{
    json_t *t = json_object_get(parent, name);
    if (t && origin_of(r, t) != ORIGIN_IMPLIED) {
        return FAIL(r, "\"%.40s\" is defined already", name);
    }
    if (!t) {
        t = json_object();
        if (json_object_set_new(parent, name, t) != 0) { return out_of_memory(r); }
    }
    r->current = t;
    return origin_set(r, t, ORIGIN_HEADER);
}

static int open_array_table(struct reader *r, json_t *parent, const char *name)
{
    json_t *a = json_object_get(parent, name), *t;
    if (a && origin_of(r, a) != ORIGIN_TABLES) {
        return FAIL(r, "\"%.40s\" is defined already", name);
    }
    if (!a) {
        a = json_array();
        if (json_object_set_new(parent, name, a) != 0) { return out_of_memory(r); }
        int rc = origin_set(r, a, ORIGIN_TABLES);
        if (rc < 0) { return rc; }
    }
    t = json_object();
    if (json_array_append_new(a, t) != 0) { return out_of_memory(r); }
    r->current = t;
    return origin_set(r, t, ORIGIN_HEADER);
}

static int read_header(struct reader *r, json_t *root)
{
    struct key k;
    json_t *parent = NULL;
    bool array = take(r, "[[");
    if (!array) { r->p++; }
    int rc = read_key(r, &k);
    if (rc < 0) { return rc; }
    if (!take(r, array ? "]]" : "]")) { return FAIL(r, "table header without an end"); }
    rc = walk_header(r, root, &k, &parent);
    if (rc < 0) { return rc; }
    return array ? open_array_table(r, parent, k.part[k.count - 1])
                 : open_table(r, parent, k.part[k.count - 1]);
}

static int read_pair(struct reader *r)
{
    struct key k;
    json_t *v;
    int rc = read_key(r, &k);
    if (rc < 0) { return rc; }
    if (!take(r, "=")) { return FAIL(r, "\"=\" is missing behind \"%.40s\"", k.part[k.count - 1]); }
    rc = read_value(r, 0, &v);
    return rc < 0 ? rc : set_dotted(r, r->current, &k, v);
}

static int read_all(struct reader *r, json_t *root)
{
    int rc = check_text(r);
    r->current = root;
    while (rc == 0) {
        skip_lines(r);
        if (r->p == r->end) { break; }
        rc = peek(r) == '[' ? read_header(r, root) : read_pair(r);
        if (rc < 0) { break; }
        skip_blanks(r);
        skip_comment(r);
        if (r->p < r->end && !take_newline(r)) { rc = FAIL(r, "something follows the value"); }
    }
    return rc;
}

int toml_load(const char *what, const void *text, size_t len, size_t max, json_t **out,
              struct err *e)
{
    if (len > max) {
        return err_set(e, E2BIG, "%s: %zu bytes of TOML, at most %zu are read", what, len, max);
    }
    struct reader r = {.what = what, .p = text, .end = (const char *)text + len, .line = 1, .e = e};
    auto_json root = json_object();
    r.origins = calloc(TOML_TABLES_MAX, sizeof *r.origins);
    int rc = root && r.origins ? read_all(&r, root) : out_of_memory(&r);
    free(r.origins);
    if (rc < 0) { return rc; }
    *out = steal_ptr(&root);
    return 0;
}

int toml_only_known(const char *what, const json_t *obj, const char *const *known, struct err *e)
{
    const char *name;
    json_t *unused;
    json_object_foreach ((json_t *)(uintptr_t)obj, name, unused) {
        (void)unused;
        size_t i = 0;
        while (known[i] && strcmp(known[i], name) != 0) { i++; }
        if (!known[i]) { return err_set(e, EINVAL, "%s: unknown key \"%.60s\"", what, name); }
    }
    return 0;
}
