/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded formatting: %s %d %u %x %c %% with l, ll, z; width, 0 and - flags; .* or .N for strings.
 * The result is always terminated when size > 0 and is cut when room runs out; the return value is
 * the length that was written. Log lines are built here and leave through log_line(), which the
 * platform supplies.
 */
#include "guest/fmt.h"

#include <stdarg.h>

struct out {
    char *p;
    size_t size, len;
};

struct spec {
    bool left, zero;
    size_t width, precision; /* precision SIZE_MAX: none */
    int longs;
};

static void put(struct out *o, char c)
{
    if (o->len + 1 < o->size) { o->p[o->len++] = c; }
}

static void put_padded(struct out *o, const struct spec *s, const char *text, size_t len,
                       bool negative)
{
    size_t total = len + negative;
    size_t pad = s->width > total ? s->width - total : 0;
    bool zero = s->zero && !s->left;

    for (size_t i = 0; !s->left && !zero && i < pad; i++) { put(o, ' '); }
    if (negative) { put(o, '-'); }
    for (size_t i = 0; zero && i < pad; i++) { put(o, '0'); }
    for (size_t i = 0; i < len; i++) { put(o, text[i]); }
    for (size_t i = 0; s->left && i < pad; i++) { put(o, ' '); }
}

static void put_number(struct out *o, const struct spec *s, uint64_t v, unsigned base,
                       bool negative)
{
    char digits[20]; /* 2^64 has 20 decimal digits */
    size_t at = sizeof digits;

    do {
        digits[--at] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v != 0);
    put_padded(o, s, digits + at, sizeof digits - at, negative);
}

static const char *read_spec(const char *f, struct spec *s, va_list *ap)
{
    *s = (struct spec){.precision = SIZE_MAX};
    for (;; f++) {
        if (*f == '-') {
            s->left = true;
        } else if (*f == '0') {
            s->zero = true;
        } else {
            break;
        }
    }
    if (*f == '*') {
        int w = va_arg(*ap, int);
        s->left = s->left || w < 0;
        s->width = (size_t)(w < 0 ? -(int64_t)w : w);
        f++;
    }
    for (; *f >= '0' && *f <= '9'; f++) { s->width = s->width * 10 + (size_t)(*f - '0'); }
    if (*f == '.') {
        f++;
        s->precision = 0;
        if (*f == '*') {
            int n = va_arg(*ap, int);
            s->precision = n < 0 ? SIZE_MAX : (size_t)n;
            f++;
        }
        for (; *f >= '0' && *f <= '9'; f++) {
            s->precision = s->precision * 10 + (size_t)(*f - '0');
        }
    }
    for (; *f == 'l' || *f == 'z'; f++) { s->longs++; }
    return f;
}

size_t fmt_va(char *buf, size_t size, const char *f, va_list list)
{
    struct out o = {.p = buf, .size = size};
    va_list ap;

    va_copy(ap, list);
    for (; *f != 0; f++) {
        if (*f != '%') {
            put(&o, *f);
            continue;
        }
        struct spec s;
        f = read_spec(f + 1, &s, &ap);
        if (*f == 'd') {
            int64_t v = s.longs != 0 ? va_arg(ap, int64_t) : va_arg(ap, int);
            put_number(&o, &s, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, v < 0);
        } else if (*f == 'u' || *f == 'x' || *f == 'o') {
            uint64_t v = s.longs != 0 ? va_arg(ap, uint64_t) : va_arg(ap, unsigned);
            put_number(&o, &s, v, *f == 'u' ? 10 : *f == 'x' ? 16 : 8, false);
        } else if (*f == 's') {
            const char *text = va_arg(ap, const char *);
            put_padded(&o, &s, text, strnlen(text, s.precision), false);
        } else if (*f == 'c') {
            char c = (char)va_arg(ap, int);
            put_padded(&o, &s, &c, 1, false);
        } else if (*f == '%') {
            put(&o, '%');
        } else {
            break; /* the compiler's format check refuses this */
        }
    }
    va_end(ap);
    if (size > 0) { buf[o.len] = 0; }
    return o.len;
}

size_t fmt(char *buf, size_t size, const char *f, ...)
{
    va_list ap;
    va_start(ap, f);
    size_t n = fmt_va(buf, size, f, ap);
    va_end(ap);
    return n;
}

static void log_va(const char *level, const char *f, va_list ap)
{
    char line[LOG_LINE_MAX];
    size_t n = fmt(line, sizeof line, "%s", level);
    n += fmt_va(line + n, sizeof line - n, f, ap);
    log_line(line, n);
}

void log_info(const char *f, ...)
{
    va_list ap;
    va_start(ap, f);
    log_va("", f, ap);
    va_end(ap);
}

void log_warn(const char *f, ...)
{
    va_list ap;
    va_start(ap, f);
    log_va("warning: ", f, ap);
    va_end(ap);
}
