/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's target as a policy sees it: pure functions of a stranger's bytes. A path is never unescaped, since what a
 * policy names and what is stored are one text; a query is, since it names nothing of ours. [coco §4.3, §17.3]
 */
#ifndef CASEMATE_ATTEST_KBS_TARGET_H
#define CASEMATE_ATTEST_KBS_TARGET_H

#include "attest/json.h"
#include "guest/base/cur.h"

/* "a/b/c" -> ["a", "b", "c"]; empty segments stay. Printable ASCII, as http.h promises. NULL without memory. */
json_t *target_path(struct view path);

/*
 * The query as an object of texts: %XX and + as forms write them, and what is no escape stays as it is; of a name given
 * twice the last counts; what is not UTF-8 is left out. NULL without memory.
 */
json_t *target_query(struct view target);

#endif
