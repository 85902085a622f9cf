/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Behind los.h's fmt() and log_*(): the va_list form, and the one function by which a line leaves
 * the library OS.
 */
#ifndef CASEMATE_GUEST_FMT_H
#define CASEMATE_GUEST_FMT_H

#include <stdarg.h>

#include "guest/los.h"

#define LOG_LINE_MAX 256

size_t fmt_va(char *buf, size_t size, const char *f, va_list ap);

/*
 * One line without its newline, for the host's log. The platform's: streams in the guest, stderr
 * in the stand-in.
 */
void log_line(const char *line, size_t len);

#endif
