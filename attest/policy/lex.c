/* SPDX-License-Identifier: Apache-2.0 */
/* See lex.h. Strings are decoded here, so that nobody behind it sees an escape or broken UTF-8. */
#include "attest/policy/lex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 40 /* characters */

static int peek(const struct lexer *l, size_t ahead)
{
    return ahead < l->c.left ? l->c.p[ahead] : -1;
}

static bool is_digit(int c) { return c >= '0' && c <= '9'; }
static bool is_letter(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static void skip_blank(struct lexer *l, struct token *t)
{
    for (;;) {
        int c = peek(l, 0);
        if (c == '\n') {
            l->line++;
            t->first = true;
        } else if (c == '#') {
            while (peek(l, 0) >= 0 && peek(l, 0) != '\n') { cur_skip(&l->c, 1); }
            continue;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return;
        }
        t->glued = false;
        cur_skip(&l->c, 1);
    }
}

/* ---- strings --------------------------------------------------------------------------------- */

/* Bytes of the well-formed UTF-8 sequence at p, or 0 [RFC 3629 §4]. */
static size_t utf8_len(const uint8_t *p, size_t left)
{
    static const struct {
        uint8_t first, last, second_min, second_max, len;
    } forms[] = {
        {0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        size_t n = forms[i].len;
        if (p[0] < forms[i].first || p[0] > forms[i].last || n > left) { continue; }
        if (n > 1 && (p[1] < forms[i].second_min || p[1] > forms[i].second_max)) { continue; }
        for (size_t k = 2; k < n; k++) {
            if ((p[k] & 0xc0) != 0x80) { return 0; }
        }
        return n;
    }
    return 0;
}

static size_t utf8_put(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6) { out[i] = (char)(0x80 | (c & 0x3f)); }
    out[0] = (char)(lead[n] | c);
    return n;
}

/* Four hex digits; false when they are not. */
static bool hex4(struct lexer *l, uint32_t *out)
{
    const uint8_t *p = cur_take(&l->c, 4);
    uint32_t v = 0;
    for (size_t i = 0; p && i < 4; i++) {
        int c = p[i] | 0x20;
        if (!is_digit(p[i]) && (c < 'a' || c > 'f')) { return false; }
        v = v << 4 | (uint32_t)(is_digit(p[i]) ? p[i] - '0' : c - 'a' + 10);
    }
    *out = v;
    return p != NULL;
}

/* Behind \u: one character, or a pair of surrogates. */
static bool unicode(struct lexer *l, uint32_t *out)
{
    uint32_t low;
    if (!hex4(l, out) || *out == 0 || (*out >= 0xdc00 && *out <= 0xdfff)) { return false; }
    if (*out < 0xd800 || *out > 0xdbff) { return true; }
    const uint8_t *p = cur_take(&l->c, 2);
    if (!p || p[0] != '\\' || p[1] != 'u' || !hex4(l, &low) || low < 0xdc00 || low > 0xdfff) {
        return false;
    }
    *out = 0x10000 + ((*out - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

/* Behind a backslash. Bytes written to out, at most 4; 0 = no such escape. */
static size_t escape(struct lexer *l, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint32_t c;
    int kind = cur_u8(&l->c);
    if (kind == 'u') { return unicode(l, &c) ? utf8_put(c, out) : 0; }
    const char *at = kind ? strchr(from, kind) : NULL;
    if (!at) { return 0; }
    *out = to[at - from];
    return 1;
}

/* Bytes up to the closing quote, or to the end. */
static size_t string_len(const struct lexer *l, uint8_t quote)
{
    size_t n = 0;
    while (n < l->c.left && l->c.p[n] != quote) { n += l->c.p[n] == '\\' && quote == '"' ? 2 : 1; }
    return n < l->c.left ? n : l->c.left;
}

/* The opening quote has been read. What an escape stands for is never longer than the escape. */
static int string(struct lexer *l, struct token *t, uint8_t quote, struct err *e)
{
    size_t n = 0;
    char *out = arena_alloc(l->arena, string_len(l, quote) + 1);
    if (!out) { return err_set(e, ENOMEM, "line %u: no memory left for this policy", l->line); }
    while (peek(l, 0) >= 0 && peek(l, 0) != quote) {
        int c = peek(l, 0);
        size_t k = utf8_len(l->c.p, l->c.left);
        if (k == 0 || (quote == '"' && c < ' ')) {
            return err_set(e, EINVAL, "line %u: a string with %s", l->line,
                           k == 0 ? "bytes that are not UTF-8" : "a control character in it");
        }
        if (c == '\n') { l->line++; }
        const uint8_t *p = cur_take(&l->c, k);
        if (c == '\\' && quote == '"') {
            k = escape(l, out + n);
            if (k == 0) {
                return err_set(e, EINVAL, "line %u: no such escape in a string", l->line);
            }
        } else {
            memcpy(out + n, p, k);
        }
        n += k;
    }
    if (peek(l, 0) != quote) {
        return err_set(e, EINVAL, "line %u: a string without end", t->line);
    }
    cur_skip(&l->c, 1);
    t->kind = TOKEN_STRING;
    t->value = value_text(l->arena, out, n);
    return t->value ? 0 : err_set(e, ENOMEM, "line %u: no memory left for this policy", l->line);
}

/* ---- numbers, signs -------------------------------------------------------------------------- */

static size_t digits(const struct lexer *l, size_t at)
{
    size_t n = 0;
    while (is_digit(peek(l, at + n))) { n++; }
    return n;
}

/* JSON's form of a number, without its minus. */
static int number(struct lexer *l, struct token *t, struct err *e)
{
    char text[NUMBER_MAX + 1];
    size_t n = digits(l, 0);
    bool real = false, bad = n > 1 && peek(l, 0) == '0';
    if (peek(l, n) == '.' && is_digit(peek(l, n + 1))) {
        n += 1 + digits(l, n + 1);
        real = true;
    }
    if ((peek(l, n) | 0x20) == 'e') {
        size_t sign = peek(l, n + 1) == '-' || peek(l, n + 1) == '+';
        size_t k = digits(l, n + 1 + sign);
        bad |= k == 0;
        n += 1 + sign + k;
        real = true;
    }
    if (bad || n > NUMBER_MAX || is_letter(peek(l, n)) || n > l->c.left) {
        return err_set(e, EINVAL, "line %u: not a number", l->line);
    }
    memcpy(text, cur_take(&l->c, n), n);
    text[n] = '\0';
    errno = 0;
    t->kind = TOKEN_NUMBER;
    long long whole = real ? 0 : strtoll(text, NULL, 10);
    double d = real ? strtod(text, NULL) : 0;
    if (errno) {
        return err_set(e, EINVAL, "line %u: the number %s is too large to be kept exactly", l->line,
                       text);
    }
    t->value = real ? value_real(l->arena, d) : value_int(l->arena, whole);
    return t->value ? 0 : err_set(e, ENOMEM, "line %u: no memory left for this policy", l->line);
}

static int sign(struct lexer *l, struct token *t, struct err *e)
{
    static const char two[][3] = {":=", "==", "!=", "<=", ">="};
    int c = peek(l, 0);
    size_t n = 1;
    for (size_t i = 0; i < ARRAY_COUNT(two); i++) {
        if (c == two[i][0] && peek(l, 1) == two[i][1]) { n = 2; }
    }
    if (n == 1 && (c <= ' ' || c > '~' || !strchr("<>=+-*/%&|()[]{},;:.", c))) {
        return c > ' ' && c <= '~'
                   ? err_set(e, EINVAL, "line %u: the character %c has no meaning here", l->line, c)
                   : err_set(e, EINVAL, "line %u: the byte 0x%02x has no meaning here", l->line,
                             (unsigned)c);
    }
    cur_skip(&l->c, n);
    t->kind = TOKEN_SIGN;
    return 0;
}

int lex_next(struct lexer *l, struct token *out, struct err *e)
{
    struct token t = {.kind = TOKEN_END, .glued = true};
    int rc = 0;
    skip_blank(l, &t);
    t.line = l->line;
    const uint8_t *start = l->c.p;
    int c = peek(l, 0);
    if (c == '"' || c == '`') {
        cur_skip(&l->c, 1);
        rc = string(l, &t, (uint8_t)c, e);
    } else if (is_digit(c)) {
        rc = number(l, &t, e);
    } else if (is_letter(c)) {
        while (is_letter(peek(l, 0)) || is_digit(peek(l, 0))) { cur_skip(&l->c, 1); }
        t.kind = TOKEN_NAME;
    } else if (c >= 0) {
        rc = sign(l, &t, e);
    }
    if (rc < 0) { return rc; }
    t.text = (struct view){.p = start, .len = (size_t)(l->c.p - start)};
    *out = t;
    return 0;
}
