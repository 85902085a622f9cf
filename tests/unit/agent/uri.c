/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of brokers and resources. */
#include "attest/agent/uri.h"

#include "tests/unit/attest/vectors.h"

#include <errno.h>

Test(uri, resources_are_named_as_the_vectors_say_but_for_plugins_and_queries)
{
    json_t *all = vector_json("coco/uri/resource-uri.json"), *c;
    size_t i, good = 0, bad = 0;
    json_array_foreach (all, i, c) {
        char path[URI_PATH_MAX];
        struct err e = {0};
        bool ours =
            json_is_true(json_object_get(c, "ok")) && strcmp(member(c, "plugin"), "resource") == 0;
        int r = resource_uri_parse(member(c, "uri"), path, &e);
        cr_assert_eq(r == 0, ours, "%s: %s", member(c, "uri"), e.text);
        if (ours) { cr_assert_str_eq(path, member(c, "path")); }
        good += ours;
        bad += !ours;
    }
    cr_assert_eq(good, 4);
    cr_assert_eq(bad, 7);
    json_decref(all);
}

Test(uri, resource_paths_have_three_plain_segments)
{
    json_t *all = vector_json("coco/uri/resource-path.json"), *c;
    size_t i, seen = 0;
    json_array_foreach (all, i, c) {
        char uri[512], path[URI_PATH_MAX];
        struct err e = {0};
        snprintf(uri, sizeof uri, "kbs:///%s", member(c, "path"));
        int r = resource_uri_parse(uri, path, &e);
        cr_assert_eq(r == 0, json_is_true(json_object_get(c, "ok")), "%s: %s", uri, e.text);
        seen++;
    }
    cr_assert_geq(seen, 19);
    json_decref(all);
}

Test(uri, broker_addresses)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {{"https://kbs.example:8080", "kbs.example", 8080},
                {"https://kbs.example", "kbs.example", 443},
                {"HTTPS://127.0.0.1:1/", "127.0.0.1", 1},
                {"https://[::1]:8080", "::1", 8080},
                {"https://a-b.c:65535", "a-b.c", 65535}};
    static const char *const bad[] = {"http://kbs.example",    "https://",         "https://a:0",
                                      "https://a:65536",       "https://a:1/path", "https://u@a",
                                      "https://[::1",          "https://a b",      "https://a:",
                                      "kbs.example:8080",      "https://[::1]x",   "https://a?x=1",
                                      "https://a:8080\r\nX: y"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct broker_url u;
        struct err e = {0};
        cr_assert_eq(broker_url_parse(good[i].text, &u, &e), 0, "%s", e.text);
        cr_assert_str_eq(u.host, good[i].host);
        cr_assert_eq(u.port, good[i].port);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct broker_url u;
        struct err e = {0};
        cr_assert_eq(broker_url_parse(bad[i], &u, &e), -EINVAL, "%s was taken", bad[i]);
    }
}
