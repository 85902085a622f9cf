/* SPDX-License-Identifier: Apache-2.0 */
/* See time.h. The date is attest/rfc3339.h's; here are what that leaves out, fractions and offsets. */
#include "attest/policy/time.h"

#include "attest/rfc3339.h"
#include "guest/base/ovf.h"

#include <string.h>

#define SECONDS_LEN 19 /* 2026-03-01T09:00:00 */

/* Two digits at *p below max, or -1. */
static int two(const char **p, const char *end, int max)
{
    if (end - *p < 2 || (*p)[0] < '0' || (*p)[0] > '9' || (*p)[1] < '0' || (*p)[1] > '9') {
        return -1;
    }
    int v = 10 * ((*p)[0] - '0') + ((*p)[1] - '0');
    *p += 2;
    return v < max ? v : -1;
}

static bool sign(const char **p, const char *end, char c)
{
    bool there = *p < end && **p == c;
    if (there) { (*p)++; }
    return there;
}

/* One to nine digits behind a dot, or nothing. */
static bool fraction(const char **p, const char *end, int64_t *out_ns)
{
    int64_t unit = 100000000;
    *out_ns = 0;
    if (!sign(p, end, '.')) { return true; }
    if (*p == end || **p < '0' || **p > '9') { return false; }
    for (; *p < end && **p >= '0' && **p <= '9'; (*p)++, unit /= 10) {
        if (unit == 0) { return false; }
        *out_ns += unit * (**p - '0');
    }
    return true;
}

static bool offset(const char **p, const char *end, int64_t *out_seconds)
{
    *out_seconds = 0;
    if (sign(p, end, 'Z')) { return true; }
    int direction = sign(p, end, '+') ? 1 : sign(p, end, '-') ? -1 : 0;
    int h = two(p, end, 24);
    bool colon = sign(p, end, ':');
    int m = two(p, end, 60);
    *out_seconds = direction * 60 * (60 * h + m);
    return direction && colon && h >= 0 && m >= 0;
}

bool time_parse_ns(const char *text, size_t len, int64_t *out)
{
    char utc[RFC3339_SIZE];
    const char *p = text + SECONDS_LEN, *end = text + len;
    int64_t seconds, ns, away;
    if (len <= SECONDS_LEN) { return false; }
    memcpy(utc, text, SECONDS_LEN);
    memcpy(utc + SECONDS_LEN, "Z", 2);
    if (!rfc3339_parse(utc, SECONDS_LEN + 1, &seconds) || !fraction(&p, end, &ns) ||
        !offset(&p, end, &away) || p != end) {
        return false;
    }
    return sub_i64_ok(seconds, away, &seconds) &&
           mul_i64_ok(seconds, INT64_C(1000000000), &seconds) && add_i64_ok(seconds, ns, out);
}
