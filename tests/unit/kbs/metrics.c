/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers for monitoring: counted under names of ours alone, in a form that adds up. */
#include "attest/kbs/http/metrics.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void count(struct metrics *m, const char *path, int status, uint64_t us)
{
    struct http_request rq = {.path = {.p = (const uint8_t *)path, .len = strlen(path)}};
    metrics_request(m, &rq, status, us);
}

static void assert_line(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    cr_assert(at && (at == text || at[-1] == '\n') && at[strlen(line)] == '\n', "%s in:\n%s", line,
              text);
}

Test(metrics, counts_by_route_and_status)
{
    struct metrics m = {0};
    count(&m, "/kbs/v0/auth", 200, 50);
    count(&m, "/kbs/v0/resource/a/b/c", 401, 50);
    count(&m, "/kbs/v0/resource/d/e/f", 401, 50);
    count(&m, "/kbs/v0/wanted\"} 1", 404, 50);
    count(&m, "/casemate/v0/policy", 200, 50);
    count(&m, "/casemate/v0/more", 200, 50);
    count(&m, "/.well-known/jwks.json", 200, 50);
    count(&m, "/healthz", 200, 50);
    count(&m, "", 404, 50);
    count(&m, "/kbs/v0/auth", 299, 50);
    metrics_request(&m, NULL, 400, 0);
    char *t = metrics_text(&m, NULL, 0);
    assert_line(t, "cc_kbs_requests_total{route=\"auth\",status=\"200\"} 1");
    assert_line(t, "cc_kbs_requests_total{route=\"auth\",status=\"0\"} 1");
    assert_line(t, "cc_kbs_requests_total{route=\"resource\",status=\"401\"} 2");
    assert_line(t, "cc_kbs_requests_total{route=\"other\",status=\"404\"} 2");
    assert_line(t, "cc_kbs_requests_total{route=\"policy\",status=\"200\"} 1");
    assert_line(t, "cc_kbs_requests_total{route=\"admin\",status=\"200\"} 1");
    assert_line(t, "cc_kbs_requests_total{route=\"jwks\",status=\"200\"} 1");
    assert_line(t, "cc_kbs_requests_total{route=\"healthz\",status=\"200\"} 1");
    assert_line(t, "cc_kbs_requests_total{route=\"unreadable\",status=\"400\"} 1");
    cr_assert_null(strstr(t, "wanted"), "no text of a stranger's");
    free(t);
}

Test(metrics, a_histogram_accumulates)
{
    struct metrics m = {0};
    count(&m, "/kbs/v0/attest", 200, 100);
    count(&m, "/kbs/v0/attest", 200, 101);
    count(&m, "/kbs/v0/attest", 401, 3000);
    count(&m, "/kbs/v0/attest", 200, 60000000);
    char *t = metrics_text(&m, NULL, 0);
    assert_line(t, "# TYPE cc_kbs_request_seconds histogram");
    assert_line(t, "cc_kbs_request_seconds_bucket{route=\"attest\",le=\"0.0001\"} 1");
    assert_line(t, "cc_kbs_request_seconds_bucket{route=\"attest\",le=\"0.00025\"} 2");
    assert_line(t, "cc_kbs_request_seconds_bucket{route=\"attest\",le=\"0.0025\"} 2");
    assert_line(t, "cc_kbs_request_seconds_bucket{route=\"attest\",le=\"0.005\"} 3");
    assert_line(t, "cc_kbs_request_seconds_bucket{route=\"attest\",le=\"5\"} 3");
    assert_line(t, "cc_kbs_request_seconds_bucket{route=\"attest\",le=\"+Inf\"} 4");
    assert_line(t, "cc_kbs_request_seconds_sum{route=\"attest\"} 60.003201");
    assert_line(t, "cc_kbs_request_seconds_count{route=\"attest\"} 4");
    free(t);
}

Test(metrics, prints_numbers_of_others)
{
    struct metrics m = {0};
    struct metrics_value v[] = {{"sessions", "Sessions now.", false, 7},
                                {"audit_lost_total", "Lines lost.", true, UINT64_MAX}};
    char *t = metrics_text(&m, v, 2);
    assert_line(t, "# TYPE cc_kbs_sessions gauge");
    assert_line(t, "cc_kbs_sessions 7");
    assert_line(t, "# TYPE cc_kbs_audit_lost_total counter");
    assert_line(t, "cc_kbs_audit_lost_total 18446744073709551615");
    free(t);
}
