/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON from strangers, by jansson, with what it leaves open closed: a ceiling on size and depth,
 * duplicate names refused, and members fetched together with their type so that a missing one and a
 * wrong one both say so.
 */
#ifndef CASEMATE_ATTEST_JSON_H
#define CASEMATE_ATTEST_JSON_H

#include "guest/base/cur.h"
#include "guest/base/err.h"

#include <jansson.h>

static inline void json_cleanup(json_t **j) { json_decref(*j); }
#define auto_json __attribute__((cleanup(json_cleanup))) json_t *

#define JSON_DEPTH_CEILING 32 /* evidence inside a token inside a set nests 9 deep */

/*
 * what  names the text in errors
 * max   bytes; longer text is refused before it is read
 * out   an object or an array, a new reference
 */
MUST_CHECK int json_load_strict(const char *what, const void *text, size_t len, size_t max,
                                json_t **out, struct err *e);

/* A member that must be a string; a view into obj. */
MUST_CHECK int json_get_text(const char *what, const json_t *obj, const char *name,
                             const char **out, struct err *e);
/* A member that must be an object; borrowed. */
MUST_CHECK int json_get_object(const char *what, const json_t *obj, const char *name, json_t **out,
                               struct err *e);
/*
 * Down a path of names with slashes between them, each shorter than 64 bytes; borrowed. NULL when it
 * ends early.
 */
json_t *json_at(const json_t *obj, const char *path);

/*
 * The text of a member's value exactly as it stands in the text of an object, for signatures over
 * such a text. false when the object has no such member.
 * text  has been read by json_load_strict() as an object; name has no characters that JSON escapes
 */
MUST_CHECK bool json_member_text(const char *text, size_t len, const char *name, struct view *out);

/*
 * A text for people and logs that quotes strangers and may be cut anywhere: what is not printable ASCII becomes a
 * question mark, so there is always something to write. A new reference; NULL without memory.
 */
json_t *json_printable(const char *text);

/*
 * The canonical text of a value [RFC 8785]: names sorted, no white space, minimal escapes. Strings,
 * integers, booleans, null, arrays and objects with ASCII names; a real number is refused with
 * -EINVAL, nothing we hash has one. Heap text, freed by the caller.
 */
MUST_CHECK int json_canonical(const json_t *j, char **out, size_t *out_len);

#endif
