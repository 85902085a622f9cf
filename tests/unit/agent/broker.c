/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole agent, over real TLS, against a broker in a thread of this process: an honest one that
 * verifies what it gets, and dishonest ones. Who could get this wrong: whoever believes an answer
 * before it is authenticated. Who would profit: the host, which carries every byte.
 */
#include "attest/agent/agent.h"
#include "attest/agent/serve.h"
#include "tests/unit/agent/fake_broker.h"

struct result {
    int status;
    char failed[512]; /* text of AGENT_FAILED */
    char resource[2][64];
    unsigned resources;
    char broker[256];
};

static void run_agent(struct broker *b, const char *initdata, unsigned timeout_ms,
                      struct result *out)
{
    struct guest g;
    guest_open(&g, b, initdata);

    int in[2], answers[2];
    cr_assert(pipe(in) == 0 && pipe(answers) == 0);
    struct agent_request q = {.magic = AGENT_REQUEST_MAGIC,
                              .version = 2,
                              .initdata_len = (uint32_t)strlen(initdata),
                              .want_count = 2};
    struct {
        struct agent_want head;
        char uri[20];
    } r[2] = {{{AGENT_WANT_RESOURCE, 20}, "kbs:///default/key/1"},
              {{AGENT_WANT_RESOURCE, 20}, "kbs:///default/key/2"}};
    memset(q.registers[2], 0x22, 48);
    cr_assert(write(in[1], &q, sizeof q) == sizeof q);
    cr_assert(write(in[1], initdata, strlen(initdata)) == (ssize_t)strlen(initdata));
    cr_assert(write(in[1], r, sizeof r) == sizeof r);
    close(in[1]);

    struct agent_env env = guest_env(&g, timeout_ms);
    out->status = agent_serve(&env, in[0], answers[1]);
    close(in[0]);
    close(answers[1]);
    struct agent_answer a;
    while (read(answers[0], &a, sizeof a) == sizeof a) {
        char text[512] = {0};
        cr_assert_eq(a.magic, AGENT_ANSWER_MAGIC);
        cr_assert(a.len < sizeof text && read(answers[0], text, a.len) == (ssize_t)a.len);
        if (a.kind == AGENT_VALUE) {
            cr_assert_eq(a.index, out->resources);
            snprintf(out->resource[out->resources++], 64, "%s", text);
        } else if (a.kind == AGENT_FAILED) {
            snprintf(out->failed, sizeof out->failed, "%s", text);
        }
    }
    close(answers[0]);
    guest_close(&g);
}

static void run(enum manner m, const char *san, struct result *out)
{
    struct broker b = {.manner = m};
    char initdata[INITDATA_TEXT_MAX];
    broker_start(&b, san, "", initdata);
    bool silent = m == SILENT_BEFORE_TLS || m == SILENT_AFTER_AUTH;
    run_agent(&b, initdata, silent ? 200 : 20000, out);
    broker_stop(&b);
    snprintf(out->broker, sizeof out->broker, "%s", b.failure);
}

Test(agent, gets_its_resources_from_an_honest_broker, .timeout = 60)
{
    static const enum manner manners[] = {HONEST, HONEST_CLOSING, HONEST_CHUNKED, HONEST_IMPATIENT};
    for (size_t i = 0; i < 4; i++) {
        struct result r = {0};
        run(manners[i], "IP:127.0.0.1", &r);
        cr_assert_eq(r.status, 0, "%s", r.failed);
        cr_assert_str_eq(r.broker, "");
        cr_assert_eq(r.resources, 2);
        cr_assert_str_eq(r.resource[0], secret);
        cr_assert_str_eq(r.resource[1], secret);
    }
}

Test(agent, registers_are_told_only_to_a_broker_that_takes_them, .timeout = 60)
{
    struct broker b = {.coco = true};
    struct result r = {0};
    char initdata[INITDATA_TEXT_MAX];
    broker_start(&b, "IP:127.0.0.1", "", initdata);
    run_agent(&b, initdata, 20000, &r);
    broker_stop(&b);
    cr_assert_eq(r.status, 0, "%s", r.failed);
    cr_assert_str_eq(b.failure, "");
}

Test(agent, certificate_pinned_itself_needs_no_name, .timeout = 60)
{
    struct result r = {0};
    run(HONEST, "DNS:somewhere.else", &r);
    cr_assert_eq(r.status, 0, "%s", r.failed);
}

static const struct {
    enum manner manner;
    const char *text; /* part of the one message */
} dishonest[] = {
    {SILENT_BEFORE_TLS, "no answer in time"},
    {SILENT_AFTER_AUTH, "no answer in time"},
    {NOT_TLS, "TLS with 127.0.0.1: handshake: "},
    {CLOSES_AT_ONCE, "TLS with 127.0.0.1: handshake: "},
    {OTHER_CERTIFICATE, "not the certificate that initdata names"},
    {AUTH_NOT_JSON, "challenge: not JSON"},
    {AUTH_DUPLICATE_NONCE, "challenge: not JSON: duplicate object key"},
    {AUTH_NO_NONCE, "challenge: member \"nonce\" is missing"},
    {AUTH_WEAK_HASH, "challenge selects a hash we did not offer"},
    {AUTH_REFUSES, "broker refused /kbs/v0/auth: Attest?[1mError: tee: not ?[31m here"},
    {ATTEST_REFUSES,
     "broker refused /kbs/v0/attest: AttestationError: measurement: found 4d4d4d4d4d4d4d4d4d4d4d4d..., wanted 4e4e4e4e4e4e4e4e4e4e4e4e..."},
    {ATTEST_NO_TOKEN, "attestation answer: member \"token\" is missing"},
    {RESOURCE_REFUSED,
     "broker refused /kbs/v0/resource/default/key/1: PolicyDeny: rule 3: measurement differs"},
    {RESOURCE_OVERSIZED, "answer of 99999999 bytes"},
    {RESOURCE_CUT_SHORT, "answer cut short"},
    {RESOURCE_PLAINTEXT, "resource default/key/1: JWE: "},
    {RESOURCE_TO_OTHER_KEY,
     "resource default/key/1: JWE: the content key does not open with this key"},
    {RESOURCE_BIT_FLIPPED, "resource default/key/1: JWE: the content does not authenticate"},
    {REDIRECTS, "broker refused /kbs/v0/auth with status 307"},
};

Test(agent, dishonest_broker_gives_one_clear_error_and_no_resource, .timeout = 120)
{
    for (size_t i = 0; i < sizeof dishonest / sizeof dishonest[0]; i++) {
        struct result r = {0};
        run(dishonest[i].manner, "IP:127.0.0.1", &r);
        cr_expect_eq(r.status, 1);
        cr_expect_eq(r.resources, 0);
        cr_expect(strstr(r.failed, dishonest[i].text), "wanted \"%s\", found \"%s\"",
                  dishonest[i].text, r.failed);
    }
}

/* ---- what initdata may say */

static void fails_with(const char *data, const char *text)
{
    struct broker b = {.manner = HONEST};
    struct result r = {0};
    char initdata[1024];
    snprintf(initdata, sizeof initdata, "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n%s",
             data);
    run_agent(&b, initdata, 1000, &r);
    cr_expect_eq(r.status, 1);
    cr_expect(strstr(r.failed, text), "wanted \"%s\", found \"%s\"", text, r.failed);
}

Test(agent, initdata_that_does_not_say_which_broker_is_refused_before_connecting, .timeout = 60)
{
    fails_with("", "initdata names no broker");
    fails_with("\"aa.toml\" = '''\n[token_configs.kbs]\nurl = \"https://a\"\n'''\n",
               "names no certificate");
    fails_with("\"aa.toml\" = '''\n[token_configs.kbs]\nurl = \"http://a\"\ncert = \"x\"\n'''\n",
               "plain http");
    fails_with("\"aa.toml\" = '''\n[token_configs.kbs]\nurl = \"https://a\"\n'''\n"
               "\"cdh.toml\" = '''\n[kbc]\nurl = \"https://b\"\n'''\n",
               "\"url\" differs from aa.toml's");
    fails_with("\"aa.toml\" = 'x'\n", "initdata aa.toml: line 1");
    fails_with("\"aa.toml\" = 7\n", "is not a string");
}

/* ---- what init may send */

Test(agent, request_that_is_no_request_is_refused, .timeout = 60)
{
    static const struct agent_request good = {
        .magic = AGENT_REQUEST_MAGIC, .version = 2, .initdata_len = 4, .want_count = 1};
    struct {
        struct agent_request q;
        char initdata[4];
        struct agent_want want;
        char text[4];
    } bad[9];
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        memcpy(&bad[i].q, &good, sizeof good);
        memset(bad[i].initdata, 'x', 4);
        bad[i].want = (struct agent_want){AGENT_WANT_RESOURCE, 4};
        memset(bad[i].text, 'x', 4);
    }
    bad[0].q.magic ^= 1;
    bad[1].q.version = 1;
    bad[2].q.initdata_len = AGENT_INITDATA_MAX + 1;
    bad[3].q.want_count = 0;
    bad[4].q.mode = 2;
    bad[5].q.initdata_len = 4096; /* more than follows */
    bad[6].q.mode = AGENT_MODE_SERVE;
    bad[7].want.kind = 2;
    bad[8].initdata[3] = '\0';
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct agent_env env = {0};
        struct agent_answer a;
        char text[AGENT_TEXT_MAX + 1] = {0};
        int in[2], out[2];
        cr_assert(pipe(in) == 0 && pipe(out) == 0);
        cr_assert(write(in[1], &bad[i], sizeof bad[i]) == sizeof bad[i]);
        close(in[1]);
        cr_assert_eq(agent_serve(&env, in[0], out[1]), 1);
        cr_assert(read(out[0], &a, sizeof a) == sizeof a);
        cr_assert_eq(a.kind, AGENT_FAILED);
        cr_assert(read(out[0], text, a.len) == (ssize_t)a.len);
        cr_expect(strncmp(text, "request: ", 9) == 0, "case %zu: %s", i, text);
        close(in[0]), close(out[0]), close(out[1]);
    }
}
