/* SPDX-License-Identifier: Apache-2.0 */
/* libs: rego jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/*
 * A pattern up to the first zero byte, and the text behind it: what compiles matches within its
 * cost, and says the same twice.
 */
#include <stdlib.h>
#include <string.h>

#include "attest/policy/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *pattern = (const char *)data, *end = pattern + size;
    size_t len = strnlen(pattern, size);
    const char *text = len < size ? pattern + len + 1 : end;
    auto_arena a = {.max = REGEX_MEMORY_MAX};
    struct regex *re = NULL;
    struct err e = {0};
    bool first = false, second = true;
    if (regex_compile(&a, pattern, len, &re, &e) < 0) {
        if (re || e.text[0] == '\0') { abort(); }
        return 0;
    }
    if (regex_cost(re, (size_t)(end - text)) > 50u * 1000 * 1000) { return 0; }
    if (regex_match(&a, re, text, (size_t)(end - text), &first) < 0 ||
        regex_match(&a, re, text, (size_t)(end - text), &second) < 0) {
        return 0;
    }
    if (first != second) { abort(); }
    return 0;
}
