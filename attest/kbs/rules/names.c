/* SPDX-License-Identifier: Apache-2.0 */
/* See names.h. What a name may consist of is said once, so that what is uploaded, stored and named is one text. */
#include "attest/kbs/rules/names.h"

#include <string.h>

#define SEGMENT_MAX 255

static bool segment_ok(const char *p, size_t len)
{
    if (len == 0 || len > SEGMENT_MAX || p[0] == '.') { return false; }
    for (size_t i = 0; i < len; i++) {
        char c = p[i];
        bool ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
        if (!ok) { return false; }
    }
    return true;
}

/* Calls ok() for each of exactly three segments. */
static bool three_segments(const char *p, size_t len, bool (*ok)(const char *p, size_t len))
{
    size_t segments = 0;
    for (;;) {
        const char *slash = len ? memchr(p, '/', len) : NULL;
        size_t n = slash ? (size_t)(slash - p) : len;
        if (!ok(p, n)) { return false; }
        segments++;
        if (!slash) { return segments == 3; }
        p += n + 1;
        len -= n + 1;
    }
}

bool resource_path_ok(struct view path)
{
    return three_segments((const char *)path.p, path.len, segment_ok);
}

static bool pattern_segment_ok(const char *p, size_t len)
{
    return (len == 1 && p[0] == '*') || segment_ok(p, len);
}

bool resource_pattern_ok(const char *pattern)
{
    return three_segments(pattern, strlen(pattern), pattern_segment_ok);
}

bool resource_pattern_matches(const char *pattern, const char *path)
{
    for (;;) {
        size_t pn = strcspn(pattern, "/"), n = strcspn(path, "/");
        bool any = pn == 1 && pattern[0] == '*';
        if (!any && (pn != n || memcmp(pattern, path, n) != 0)) { return false; }
        if (path[n] == '\0' || pattern[pn] == '\0') { return path[n] == pattern[pn]; }
        pattern += pn + 1;
        path += n + 1;
    }
}

bool approver_name_ok(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n < APPROVER_SIZE && name[0] != '.' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == n;
}
