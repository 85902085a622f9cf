/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error object of hosted code. Fixed size, on the caller's stack: failing needs no memory. The place that notices
 * sets it, once; each layer that knows something the cause does not adds one phrase in front; only main prints.
 */
#ifndef CASEMATE_BASE_ERR_H
#define CASEMATE_BASE_ERR_H

#include "guest/base/cc.h"

struct err {
    int code; /* positive errno; 0 = nothing wrong */
    char text[256];
};

/*
 * First cause. Returns -code. A second call on the same object is a bug of the caller and keeps the first cause.
 * code  positive errno value
 */
MUST_CHECK int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* "context: cause". Returns -code of the cause. When room runs out the context is cut, never the cause. */
MUST_CHECK int err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The same two for functions that return something else than the error. */
void err_note(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
void err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
