/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The patterns of the launch policy. A pattern matches a whole text: '*' stands for any bytes, also
 * none; '\' takes the next byte as it is; everything else stands for itself.
 */
#ifndef CASEMATE_BASE_GLOB_H
#define CASEMATE_BASE_GLOB_H

#include "guest/base/cc.h"

/*
 * Greedy with one point of return: the last '*' seen. Linear in practice, |pattern| * |text| at
 * worst.
 */
MUST_CHECK static inline bool glob_matches(const char *pattern, const char *text)
{
    const char *star = NULL, *resume = NULL;

    for (;;) {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
            continue;
        }
        const char *literal = *pattern == '\\' && pattern[1] ? pattern + 1 : pattern;
        if (*text && *literal == *text) {
            pattern = literal + 1;
            text++;
            continue;
        }
        if (!*text && !*pattern) { return true; }
        if (!star || !*resume) { return false; }
        pattern = star + 1;
        text = ++resume;
    }
}

/* Does it match one text alone? */
MUST_CHECK static inline bool glob_is_literal(const char *pattern)
{
    for (; *pattern; pattern++) {
        if (*pattern == '*') { return false; }
        if (*pattern == '\\' && pattern[1]) { pattern++; }
    }
    return true;
}

#endif
