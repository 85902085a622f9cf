/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON of images: attest/json.h's strictness (one object, no member twice, depth) with the
 * ceilings of an image:
 *   size   4 MiB, what registries accept (IMAGE_JSON_MAX)
 *   count  65 536 values: each costs some 100 bytes, so a 4 MiB text cannot become 400 MiB of tree
 *          in a small guest
 */
#ifndef CASEMATE_LOADER_MEMBERS_H
#define CASEMATE_LOADER_MEMBERS_H

#include "attest/json.h"
#include "guest/base/err.h"

#define MEMBERS_COUNT_MAX 65536

/* NULL on failure. The result is an object; free with json_decref(). */
MUST_CHECK json_t *members_parse(const void *p, size_t len, struct err *e);

/*
 * Members by type; one of another type is an error that names it. Results are views into obj. The
 * _opt forms give NULL for a member that is absent or null, the others refuse that.
 */
MUST_CHECK int member_text_opt(const json_t *obj, const char *key, const char **out, struct err *e);
MUST_CHECK int member_object_opt(const json_t *obj, const char *key, json_t **out, struct err *e);
MUST_CHECK int member_array_opt(const json_t *obj, const char *key, json_t **out, struct err *e);
MUST_CHECK int member_text(const json_t *obj, const char *key, const char **out, struct err *e);
MUST_CHECK int member_object(const json_t *obj, const char *key, json_t **out, struct err *e);
MUST_CHECK int member_array(const json_t *obj, const char *key, json_t **out, struct err *e);
MUST_CHECK int member_size(const json_t *obj, const char *key, uint64_t *out, struct err *e);

/*
 * An array of texts as a NULL-terminated list of views, itself from malloc(). Absent gives an empty
 * list.
 * max  ceiling on the number of elements
 */
MUST_CHECK int member_texts_opt(const json_t *obj, const char *key, size_t max, const char ***out,
                                struct err *e);

/* Are all members of obj among the names (NULL-terminated)? */
MUST_CHECK int members_only(const json_t *obj, const char *const *names, struct err *e);

#endif
