/* SPDX-License-Identifier: Apache-2.0 */
/* Known answers made outside this code, and small readers for them. */
#ifndef CASEMATE_TESTS_ATTEST_VECTORS_H
#define CASEMATE_TESTS_ATTEST_VECTORS_H

#include "tests/vectors.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Heap bytes with a NUL behind them; skips the running test when the file is not there. */
static inline char *vector_bytes(const char *name, size_t *out_len)
{
    char path[PATH_MAX];
    vector_find(name, path);
    FILE *f = fopen(path, "rb");
    cr_assert(f, "%s", path);
    fseek(f, 0, SEEK_END);
    long len = ftell(f);
    rewind(f);
    char *p = malloc((size_t)len + 1);
    cr_assert(p && fread(p, 1, (size_t)len, f) == (size_t)len);
    fclose(f);
    p[len] = '\0';
    if (out_len) { *out_len = (size_t)len; }
    return p;
}

static inline json_t *vector_json(const char *name)
{
    size_t len;
    char *text = vector_bytes(name, &len);
    json_t *j = json_loadb(text, len, 0, NULL);
    free(text);
    cr_assert(j, "%s is not JSON", name);
    return j;
}

static inline const char *member(const json_t *obj, const char *name)
{
    const char *s = json_string_value(json_object_get(obj, name));
    return s ? s : "";
}

/* Bytes from hex; returns their number. */
static inline size_t unhex(const char *hex, uint8_t *out, size_t cap)
{
    size_t n = strlen(hex) / 2;
    cr_assert(n <= cap);
    for (size_t i = 0; i < n; i++) {
        unsigned v;
        cr_assert(sscanf(hex + 2 * i, "%2x", &v) == 1);
        out[i] = (uint8_t)v;
    }
    return n;
}

static inline void hex_of(const uint8_t *p, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) { snprintf(out + 2 * i, 3, "%02x", p[i]); }
    out[2 * n] = '\0';
}

#endif
