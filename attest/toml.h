/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict subset of TOML 1.0, read into a JSON tree: initdata and every configuration file of
 * ours.
 *
 * Read: comments, bare, quoted and dotted keys, [tables], [[arrays of tables]], all four kinds of
 * string, decimal and hexadecimal integers, booleans, arrays, inline tables. Refused with the line
 * number: floating-point numbers, dates and times (nothing we read has one), anything defined
 * twice, control characters, text that is not UTF-8, more than the ceilings below. Unknown keys are
 * the caller's to refuse: it has the tree.
 *
 * Source: [TOML 1.0.0].
 */
#ifndef CASEMATE_ATTEST_TOML_H
#define CASEMATE_ATTEST_TOML_H

#include "attest/json.h"

#define TOML_DEPTH_MAX  16  /* nesting of arrays and inline tables, and parts of a dotted key */
#define TOML_KEY_MAX    128 /* bytes of one part of a key */
#define TOML_TABLES_MAX 256 /* tables in one text */

/*
 * what  names the text in errors
 * max   bytes; longer text is refused before it is read
 * out   an object, a new reference
 */
MUST_CHECK int toml_load(const char *what, const void *text, size_t len, size_t max, json_t **out,
                         struct err *e);

/* Is every member of obj named in known (NULL-terminated)? -EINVAL naming the first that is not. */
MUST_CHECK int toml_only_known(const char *what, const json_t *obj, const char *const *known,
                               struct err *e);

#endif
