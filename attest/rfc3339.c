/* SPDX-License-Identifier: Apache-2.0 */
/* See rfc3339.h. No time zone, no locale, no library state: the proleptic Gregorian calendar. */
#include "attest/rfc3339.h"

#include <stdio.h>
#include <string.h>

#define DAY      86400
#define TIME_MIN (-62167219200ll) /* 0000-01-01T00:00:00Z */
#define TIME_MAX 253402300799ll   /* 9999-12-31T23:59:59Z */

/*
 * Days from 1970-01-01 to a date. Years are counted from March, so that the leap day is the last of
 * its year; an era is the 400 years after which the calendar repeats (146097 days).
 */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static int64_t month_days(int64_t year, int64_t month)
{
    return month == 12 ? 31 : days_of(year, month + 1, 1) - days_of(year, month, 1);
}

bool rfc3339_parse(const char *text, size_t len, int64_t *out)
{
    static const char shape[] = "0000-00-00T00:00:00Z";
    int64_t v[6] = {0};
    size_t field = 0;
    if (len != sizeof shape - 1) { return false; }
    for (size_t i = 0; i < len; i++) {
        if (shape[i] == '0') {
            if (text[i] < '0' || text[i] > '9') { return false; }
            v[field] = v[field] * 10 + (text[i] - '0');
        } else {
            if (text[i] != shape[i]) { return false; }
            field++;
        }
    }
    if (v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > month_days(v[0], v[1]) || v[3] > 23 ||
        v[4] > 59 || v[5] > 59) {
        return false;
    }
    *out = days_of(v[0], v[1], v[2]) * DAY + v[3] * 3600 + v[4] * 60 + v[5];
    return true;
}

void rfc3339_format(int64_t t, char out[RFC3339_SIZE])
{
    if (t < TIME_MIN) { t = TIME_MIN; }
    if (t > TIME_MAX) { t = TIME_MAX; }
    int64_t days = (t - TIME_MIN) / DAY - 719528, rest = (t - TIME_MIN) % DAY;
    int64_t year = 1970 + days / (days < 0 ? 365 : 366) - 1, month = 1; /* never too late */
    while (days >= days_of(year + 1, 1, 1)) { year++; }
    while (month < 12 && days >= days_of(year, month + 1, 1)) { month++; }
    int64_t day = days - days_of(year, month, 1) + 1;
    (void)snprintf(out, RFC3339_SIZE, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)(year % 10000),
                   (unsigned)(month % 100), (unsigned)(day % 100), (unsigned)(rest / 3600 % 100),
                   (unsigned)(rest / 60 % 60), (unsigned)(rest % 60));
}
