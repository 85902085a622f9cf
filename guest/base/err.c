/* SPDX-License-Identifier: Apache-2.0 */
/* The error object (hosted). See err.h. */
#include "guest/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int set(struct err *e, int code, const char *fmt, va_list ap)
{
    if (e->code == 0) {
        e->code = code > 0 ? code : EIO;
        (void)vsnprintf(e->text, sizeof e->text, fmt, ap);
    }
    return -e->code;
}

static int prefix(struct err *e, const char *fmt, va_list ap)
{
    char context[sizeof e->text];

    if (e->code == 0) { e->code = EIO; }
    int want = vsnprintf(context, sizeof context, fmt, ap);
    size_t cause_len = strlen(e->text);
    size_t context_len = want < 0 ? 0 : strlen(context);
    size_t room = sizeof e->text - 1 - cause_len;
    if (room < 3) { return -e->code; }
    if (context_len > room - 2) { context_len = room - 2; }
    memmove(e->text + context_len + 2, e->text, cause_len + 1);
    memcpy(e->text, context, context_len);
    memcpy(e->text + context_len, ": ", 2);
    return -e->code;
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int r = set(e, code, fmt, ap);
    va_end(ap);
    return r;
}

void err_note(struct err *e, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)set(e, code, fmt, ap);
    va_end(ap);
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int r = prefix(e, fmt, ap);
    va_end(ap);
    return r;
}

void err_prefix(struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)prefix(e, fmt, ap);
    va_end(ap);
}
