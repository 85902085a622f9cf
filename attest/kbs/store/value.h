/* SPDX-License-Identifier: Apache-2.0 */
/* The value of an item: bytes that may be a secret. */
#ifndef CASEMATE_ATTEST_KBS_STORE_VALUE_H
#define CASEMATE_ATTEST_KBS_STORE_VALUE_H

#include "guest/base/cc.h"
#include "guest/base/err.h"

/* Wiped by store_value_fini(); the zero value is none. */
struct store_value {
    uint8_t *p; /* len bytes and a zero byte behind them */
    size_t len;
};
void store_value_fini(struct store_value *v);
#define auto_store_value __attribute__((cleanup(store_value_fini))) struct store_value

/* A value of its own memory. */
MUST_CHECK int store_value_copy(const void *p, size_t len, struct store_value *out, struct err *e);

/* One of several that are written together; borrowed. */
struct store_item {
    const char *name;
    const void *value;
    size_t len;
};

#endif
