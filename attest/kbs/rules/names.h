/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that rules and approvals are made of: resources, patterns of them, and approvers. Pure functions of texts.
 */
#ifndef CASEMATE_ATTEST_KBS_RULES_NAMES_H
#define CASEMATE_ATTEST_KBS_RULES_NAMES_H

#include "guest/base/cur.h"

/*
 * "a/b/c": exactly three segments of [A-Za-z0-9_-][A-Za-z0-9_.-]*, at most 255 characters each.
 * [coco §4.1]
 */
bool resource_path_ok(struct view path);
/* The same where a segment may be *; and does a path fit such a pattern? */
bool resource_pattern_ok(const char *pattern);
bool resource_pattern_matches(const char *pattern, const char *path);

#define APPROVER_SIZE 64
/* [A-Za-z0-9_-][A-Za-z0-9_.-]*, at most 63 characters. */
bool approver_name_ok(const char *name);

#endif
