/* SPDX-License-Identifier: Apache-2.0 */
/* The error object (hosted). See err.h. */
#include "guest/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, int code, const char *fmt, ...)
{
    if (code <= 0) { code = EIO; }
    if (e->code == 0) {
        va_list ap;
        e->code = code;
        va_start(ap, fmt);
        (void)vsnprintf(e->text, sizeof e->text, fmt, ap);
        va_end(ap);
    }
    return -e->code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    char context[sizeof e->text];
    va_list ap;

    if (e->code == 0) { e->code = EIO; }
    va_start(ap, fmt);
    int want = vsnprintf(context, sizeof context, fmt, ap);
    va_end(ap);

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
