/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What initdata tell the agent. Who could get this wrong: whoever skips what he does not know. Who
 * would profit: nobody on purpose; an owner's misspelt restriction would vanish.
 */
#include "attest/agent/settings.h"

#include "attest/initdata.h"
#include "tests/unit/attest/vectors.h"

#include <errno.h>

static int read_files(const char *aa, const char *cdh, const char *own, struct agent_settings *out,
                      struct err *e)
{
    char text[4096];
    snprintf(text, sizeof text,
             "version = \"0.1.0\"\nalgorithm = \"sha256\"\n[data]\n\"aa.toml\" = '''\n%s'''\n"
             "\"cdh.toml\" = '''\n%s'''\n\"casemate.toml\" = '''\n%s'''\n",
             aa, cdh, own);
    return agent_settings_read(text, strlen(text), out, e);
}

#define FOLDER "/run/confidential-containers/cdh/sealed-secret/"

Test(settings, all_that_is_understood)
{
    auto_settings s = {0};
    struct err e = {0};
    int r = read_files(
        "[token_configs.kbs]\nurl = \"https://a\"\ncert = \"C\"\n[token_configs.coco_as]\n"
        "url = \"http://as\"\n[eventlog_config]\ninit_pcr = 17\nenable_eventlog = true\n"
        "[log]\nlevel = \"info\"\n",
        "socket = \"x\"\nskip_sealed_secret_verification = false\n"
        "[kbc]\nname = \"cc_kbc\"\nurl = \"https://a\"\nkbs_cert = \"C\"\n"
        "[[credentials]]\nresource_uri = \"kbs:///a/b/c\"\npath = \"" FOLDER "one\"\n"
        "[image]\nwork_dir = \"/x\"\n[image.image_pull_proxy]\nhttps_proxy = \"x\"\n",
        "version = 1\n[agent]\nrest = \"all\"\ninsecure_unsigned_secrets = true\n", &s, &e);
    cr_assert_eq(r, 0, "%s", e.text);
    cr_assert_str_eq(s.broker.url, "https://a");
    cr_assert_str_eq(s.broker.cert, "C");
    cr_assert(s.event_log && s.rest_resource && s.rest_attestation && s.insecure_unsigned_secrets);
    cr_assert_eq(s.credential_count, 1);
    cr_assert_str_eq(s.credentials[0].name, "one");
    cr_assert_str_eq(s.credentials[0].uri, "kbs:///a/b/c");
}

Test(settings, nothing_said_means_nothing_allowed)
{
    auto_settings s = {0};
    struct err e = {0};
    cr_assert_eq(read_files("", "", "version = 1\n", &s, &e), 0, "%s", e.text);
    cr_assert_null(s.broker.url);
    cr_assert_not(s.event_log || s.rest_resource || s.rest_attestation ||
                  s.insecure_unsigned_secrets);
}

Test(settings, the_halves_of_the_service_are_asked_for_by_name)
{
    auto_settings r = {0}, a = {0};
    struct err e = {0};
    cr_assert_eq(read_files("", "", "agent.rest = \"resource\"\n", &r, &e), 0, "%s", e.text);
    cr_assert(r.rest_resource && !r.rest_attestation);
    cr_assert_eq(read_files("", "", "agent.rest = \"attestation\"\n", &a, &e), 0, "%s", e.text);
    cr_assert(!a.rest_resource && a.rest_attestation);
}

static const struct {
    const char *aa, *cdh, *own, *says;
} refused[] = {
    {"[token_configs.kbs]\nurl = 1\n", "", "", "\"url\" is not a text"},
    {"[token_configs.kbs]\nurls = \"x\"\n", "", "", "unknown key \"urls\""},
    {"[token_config]\n", "", "", "unknown key \"token_config\""},
    {"token_configs = 1\n", "", "", "\"token_configs\" is not a table"},
    {"[eventlog_config]\nenable_eventlog = \"yes\"\n", "", "", "is not true or false"},
    {"", "[kbc]\nname = \"offline_fs_kbc\"\n", "", "wanted \"cc_kbc\""},
    {"", "[kbc]\nurl = \"https://a\"\ncert = \"x\"\n", "", "unknown key \"cert\""},
    {"[token_configs.kbs]\ncert = \"a\"\n", "[kbc]\nkbs_cert = \"b\"\n", "",
     "\"kbs_cert\" differs"},
    {"", "skip_sealed_secret_verification = true\n", "", "insecure_unsigned_secrets"},
    {"", "[image]\nimage_security_policy_uri = \"kbs:///a/b/c\"\n", "", "would be ignored"},
    {"", "[image]\nimage_security_policy = \"{}\"\n", "", "would be ignored"},
    {"", "credentials = [1]\n", "", "is not a list of tables"},
    {"", "[[credentials]]\nresource_uri = \"kbs:///a/b/c\"\n", "", "path are wanted"},
    {"", "[[credentials]]\nresource_uri = \"kbs:///a/b/c\"\npath = \"/etc/x\"\n", "", "[[file]]"},
    {"", "[[credentials]]\nresource_uri = \"kbs:///a/b/c\"\npath = \"" FOLDER "../x\"\n", "",
     "wanted " FOLDER},
    {"", "[[credentials]]\nresource_uri = \"x\"\npath = \"" FOLDER "x\"\n", "", "credentials"},
    {"", "", "agent = 1\n", "not a table"},
    {"", "", "agent.rest = true\n", "not a text"},
    {"", "", "agent.rest = \"none\"\n", "rest = \"none\""},
    {"", "", "agent.attestation = true\n", "unknown key"},
};

Test(settings, what_is_not_understood_is_refused_with_its_name)
{
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        auto_settings s = {0};
        struct err e = {0};
        int r = read_files(refused[i].aa, refused[i].cdh, refused[i].own, &s, &e);
        cr_expect_lt(r, 0, "case %zu", i);
        cr_expect(strstr(e.text, refused[i].says), "case %zu: wanted \"%s\", found \"%s\"", i,
                  refused[i].says, e.text);
    }
}

Test(settings, brokers_of_shares_are_two_or_more_with_url_and_certificate)
{
    static const struct {
        const char *toml, *says;
    } cases[] = {
        {"[brokers.a]\nurl = \"u\"\ncert = \"c\"\n", "1 brokers, wanted two or more"},
        {"[brokers.a]\nurl = \"u\"\n", "[brokers.a]: url and cert are wanted"},
        {"[brokers]\na = 1\nb = 2\n", "[brokers.a] is not a table"},
        {"[brokers.a]\nuri = \"u\"\n", "unknown key \"uri\""},
        {"[broker.a]\n", "unknown key \"broker\""},
        {"[brokers.a]\nurl = \"u\"\ncert = \"c\"\n[brokers.b]\nurl = \"v\"\ncert = \"d\"\n", NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        auto_settings s = {0};
        struct err e = {0};
        char text[512];
        snprintf(
            text, sizeof text,
            "version = \"0.1.0\"\nalgorithm = \"sha256\"\n[data]\n\"brokers.toml\" = '''\n%s'''\n",
            cases[i].toml);
        int r = agent_settings_read(text, strlen(text), &s, &e);
        cr_expect_eq(r == 0, cases[i].says == NULL, "case %zu: %s", i, e.text);
        if (r == 0) {
            cr_expect_eq(s.share_broker_count, 2);
        } else {
            cr_expect(strstr(e.text, cases[i].says), "case %zu: %s", i, e.text);
        }
    }
}

Test(settings, initdata_of_the_vectors)
{
    static const char *const bad[] = {"bad-algorithm", "bad-no-data", "bad-nonstring",
                                      "bad-version"};
    char name[64];
    size_t len;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        auto_settings s = {0};
        struct err e = {0};
        snprintf(name, sizeof name, "coco/initdata/%s.toml", bad[i]);
        char *text = vector_bytes(name, &len);
        cr_expect_lt(agent_settings_read(text, len, &s, &e), 0, "%s", name);
        free(text);
    }
    auto_settings s = {0};
    struct err e = {0};
    char *text = vector_bytes("coco/initdata/initdata-sha384.toml", &len);
    cr_assert_eq(agent_settings_read(text, len, &s, &e), -ENOTSUP);
    cr_assert(strstr(e.text, "image_security_policy_uri"), "an image policy is not ignored: %s",
              e.text);
    free(text);
}
