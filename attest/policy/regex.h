/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions for policies: RE2's syntax as far as rules need it, matched without
 * backtracking, so that no text of a stranger makes a pattern slow.
 *
 *   characters, \. and other escaped signs, \n \r \t, . (anything but a line break), [a-z] [^a-z]
 *   \d \D \w \W \s \S also in brackets, ( ) (?: ), |, * + ? {n} {n,} {n,m} also with a ? behind
 *   (which changes nothing here), ^ and $ at the ends of the text
 *
 * Everything else is refused: other escapes, flags, named groups, \b, [:classes:], back references.
 * As in the language at large a pattern matches when it matches anywhere.
 */
#ifndef CASEMATE_ATTEST_POLICY_REGEX_H
#define CASEMATE_ATTEST_POLICY_REGEX_H

#include "attest/policy/arena.h"
#include "guest/base/err.h"

#define REGEX_TEXT_MAX    2048u /* bytes of a pattern */
#define REGEX_PROGRAM_MAX 4096u /* instructions; a repeat counts as often as it repeats */
#define REGEX_WORK_MAX                                                                             \
    65536u /* instructions made on the way there: a repeat of a repeat makes again */
#define REGEX_REPEAT_MAX 1000u
#define REGEX_MEMORY_MAX (1u << 20)

struct regex;

/* -EINVAL with what was found, -ENOMEM. */
MUST_CHECK int regex_compile(struct arena *a, const char *pattern, size_t len, struct regex **out,
                             struct err *e);
/* Steps that compiling it took, at most REGEX_WORK_MAX. */
uint64_t regex_work(const struct regex *re);
/* Steps that matching a text of len bytes takes at most. */
uint64_t regex_cost(const struct regex *re, size_t len);
/* Uses the arena; -ENOMEM when it is full. text is UTF-8, of which broken bytes match nothing. */
MUST_CHECK int regex_match(struct arena *a, const struct regex *re, const char *text, size_t len,
                           bool *out);

#endif
