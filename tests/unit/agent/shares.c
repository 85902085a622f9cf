/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secret in shares at three brokers, joined by the agent. Who could get this wrong: whoever takes
 * what a broker gives for a share. Who would profit: a broker's operator.
 */
#include "attest/agent/release.h"
#include "tests/unit/agent/fake_broker.h"

#define BROKERS 3

static const char whole[] = "the key of all three";
static struct broker brokers[BROKERS];
static struct guest g;
static struct agent_env env;
static struct agent_settings settings;
static struct kbs_guest guest;
static char initdata[65536];
static uint8_t shares[BROKERS][SHARE_SIZE(sizeof whole - 1)];

static void begin(void)
{
    struct err e = {0};
    char own[INITDATA_TEXT_MAX], table[INITDATA_TEXT_MAX];
    cr_assert_eq(shares_split(whole, strlen(whole), 2, BROKERS, crypto_random, shares[0], &e), 0,
                 "%s", e.text);
    size_t n = (size_t)snprintf(initdata, sizeof initdata,
                                "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n"
                                "\"brokers.toml\" = '''\n");
    for (size_t i = 0; i < BROKERS; i++) {
        brokers[i] = (struct broker){.value = {.p = shares[i], .len = sizeof shares[i]}};
        broker_start(&brokers[i], "IP:127.0.0.1", "", own);
        snprintf(table, sizeof table,
                 "[brokers.b%zu]\nurl = \"https://127.0.0.1:%u\"\ncert = \"\"\"\n%s\"\"\"\n", i,
                 brokers[i].port, brokers[i].id.pem);
        n += (size_t)snprintf(initdata + n, sizeof initdata - n, "%s", table);
    }
    snprintf(initdata + n, sizeof initdata - n, "'''\n");
    guest_open(&g, &brokers[0], initdata);
    for (size_t i = 0; i < BROKERS; i++) {
        brokers[i].signer = g.signer;
        brokers[i].initdata = initdata;
    }
    env = guest_env(&g, 20000);
    guest = (struct kbs_guest){
        .initdata = initdata, .initdata_len = strlen(initdata), .registers = g.registers};
    cr_assert_eq(agent_settings_read(initdata, strlen(initdata), &settings, &e), 0, "%s", e.text);
}

static void end(void)
{
    agent_settings_fini(&settings);
    for (size_t i = 0; i < BROKERS; i++) {
        broker_stop(&brokers[i]);
        cr_expect_str_eq(brokers[i].failure, "");
    }
    guest_close(&g);
}

TestSuite(shares, .init = begin, .fini = end, .timeout = 60);

static char *fetch(struct err *e)
{
    auto_release r = {.env = &env, .settings = &settings, .guest = &guest};
    uint8_t *out;
    size_t len;
    if (release_resource(&r, "shares:///default/key/1", &out, &len, e) < 0) { return NULL; }
    cr_assert_eq(len, strlen(whole));
    return (char *)out;
}

Test(shares, as_many_brokers_as_are_wanted_are_asked_and_no_more)
{
    struct err e = {0};
    char *out = fetch(&e);
    cr_assert(out, "%s", e.text);
    cr_assert_str_eq(out, whole);
    cr_assert(brokers[0].served == 1 && brokers[1].served == 1 && brokers[2].served == 0);
    free(out);
}

Test(shares, each_broker_sees_a_key_of_its_own)
{
    struct err e = {0};
    free(fetch(&e));
    cr_assert_not(json_equal(brokers[0].tee_key, brokers[1].tee_key));
}

Test(shares, one_broker_of_three_may_refuse)
{
    for (int manner = 0; manner < 3; manner++) {
        static const enum manner manners[] = {ATTEST_REFUSES, RESOURCE_REFUSED, CLOSES_AT_ONCE};
        struct err e = {0};
        brokers[0].manner = manners[manner];
        char *out = fetch(&e);
        cr_assert(out, "%s", e.text);
        cr_assert_str_eq(out, whole);
        free(out);
    }
}

Test(shares, two_that_refuse_are_too_many_and_the_last_is_named)
{
    struct err e = {0};
    brokers[0].manner = brokers[2].manner = RESOURCE_REFUSED;
    cr_assert_null(fetch(&e));
    cr_assert(strstr(e.text, "1 shares came, 2 wanted: broker b2: broker refused"), "%s", e.text);
}

Test(shares, more_shares_than_brokers_is_said)
{
    struct err e = {0};
    struct agent_settings one = settings;
    uint8_t *out;
    size_t len;
    one.share_broker_count = 1;
    auto_release r = {.env = &env, .settings = &one, .guest = &guest};
    cr_assert_lt(release_resource(&r, "shares:///default/key/1", &out, &len, &e), 0);
    cr_assert_str_eq(e.text,
                     "shares:///default/key/1: 1 shares came, 2 wanted: initdata name 1 brokers");
}

Test(shares, what_is_no_share_is_passed_over)
{
    struct err e = {0};
    brokers[0].value = (struct view){0};
    char *out = fetch(&e);
    cr_assert(out, "%s", e.text);
    cr_assert_str_eq(out, whole);
    free(out);
}

Test(shares, a_share_of_another_secret_joins_to_nothing)
{
    static uint8_t other[BROKERS][SHARE_SIZE(sizeof whole - 1)];
    struct err e = {0};
    char text[sizeof whole];
    memset(text, 'x', sizeof text);
    cr_assert_eq(shares_split(text, strlen(whole), 2, BROKERS, crypto_random, other[0], &e), 0);
    brokers[1].value = (struct view){.p = other[1], .len = sizeof other[1]};
    cr_assert_null(fetch(&e));
    cr_assert(strstr(e.text, "shares:///default/key/1"), "%s", e.text);
}

Test(shares, only_plain_names_and_only_where_brokers_are_named)
{
    static const char *const bad[] = {"shares://host/a/b/c", "shares:///a/b", "shares:///../b/c",
                                      "shares:/a/b/c"};
    struct err e = {0};
    uint8_t *out;
    size_t len;
    auto_release r = {.env = &env, .settings = &settings, .guest = &guest};
    for (size_t i = 0; i < 4; i++) {
        struct err why = {0};
        cr_expect_lt(release_resource(&r, bad[i], &out, &len, &why), 0, "%s", bad[i]);
    }
    static const struct agent_settings none;
    auto_release nowhere = {.env = &env, .settings = &none, .guest = &guest};
    cr_assert_lt(release_resource(&nowhere, "shares:///a/b/c", &out, &len, &e), 0);
    cr_assert(strstr(e.text, "brokers.toml"), "%s", e.text);
}
