/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges recorded from CoCo's own broker, asked again of ours: same status and same type of error, except where the
 * table below says why not. Handshakes, reference values and paths; what a record cannot say again (a session, an
 * administrator's signature) is remade.
 */
#include "tests/unit/attest/vectors.h"
#include "tests/unit/kbs/bench.h"

#include <dirent.h>

/* Where we answer otherwise on purpose. status 0 = not asked, because the record cannot be remade here. */
static const struct {
    const char *prefix;
    int status;
    const char *type, *why;
} otherwise[] = {
    {"auth-10-", 401, "AttestationError", "a TEE without a verifier is refused at once"},
    {"auth-52-array", 401, "AttestationError", "a request is an object"},
    {"auth-72-", 0, "", "the record is cut"},
    {"auth-73-", 0, "", "the record is cut; the server's test has the ceiling"},
    {"auth-74-", 0, "", "the server's ceiling, not the broker's"},
    {"auth-75-", 501, "", "no transfer codings"},
    {"auth-76-", 501, "", "no transfer codings"},
    {"auth-77-", 0, "", "no content codings"},
    {"auth-80-", 0, "", "two answers in one record; the server's test has it"},
    {"auth-83-", 0, "", "no content codings"},
    {"resource-60-11-", 401, "PluginInternalError", "percent escapes are refused"},
    {"resource-60-12-", 401, "PluginInternalError", "percent escapes are refused"},
    {"resource-60-3", 0, "", "upper case and long names: whether they exist is the store's answer"},
    {"rv-06-", 0, "", "the record is not UTF-8"},
    {"rv-07-", 0, "", "the record is not UTF-8"},
};

static struct bench b;
static struct guest g;

/* Takes any evidence: what is recorded is the protocol around it. */
static void anything(void *ctx, const struct evidence *ev, struct claims *out, struct verdict *v)
{
    (void)ctx, (void)ev;
    memset(out->initdata, 0x11, 32);
    out->initdata_len = 32;
    out->phase = CLAIMS_PHASE_INIT;
    verdict_close(v);
}

static void begin(void)
{
    static struct verifier sample = {.name = "sample", .kind = "sim", .verify = anything};
    bench_init(&b);
    broker_free(b.broker);
    b.setup.verifiers = &sample;
    bench_start(&b);
    guest_init(&g);
    auto_answer policy = policy_upload(
        &b,
        "{\"version\":1,\"rules\":[{\"name\":\"all\",\"resources\":[\"*/*/"
        "*\"],\"tee\":[\"sim\"],\"initdata\":"
        "[\"1111111111111111111111111111111111111111111111111111111111111111\"],\"measurement\":"
        "[\"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "000000000\"]}]}");
    cr_assert_eq(policy.status, 200, "%s", policy.detail);
    admin_ok(&b, "POST", "/kbs/v0/resource/default/key/1", "value");
}
static void end(void)
{
    crypto_key_free(g.key);
    bench_fini(&b);
}
TestSuite(recorded, .init = begin, .fini = end);

/* A session that has proved itself, as the records had one. */
static void sample_handshake(void)
{
    auto_answer a = ask(&b, "POST", "/kbs/v0/auth", "",
                        "{\"version\":\"0.4.0\",\"tee\":\"sample\",\"extra-params\":\"\"}");
    json_t *doc = json_loads(a.body, 0, NULL);
    (void)snprintf(g.nonce, sizeof g.nonce, "%s", member(doc, "nonce"));
    (void)snprintf(g.cookie, sizeof g.cookie, "Cookie: %.*s\r\n", (int)strcspn(a.cookie, ";"),
                   a.cookie);
    json_decref(doc);
    auto_answer attest = guest_attest(&b, &g);
    cr_assert_eq(attest.status, 200, "%s", attest.detail);
}

/* The record's request, its session and administrator replaced by ours; status and type of the answer. */
static int ask_again(const json_t *rq, char type[static 64])
{
    static char head[200000];
    const char *body = member(rq, "body");
    size_t n = (size_t)snprintf(head, sizeof head, "%s %s %s\r\n", member(rq, "method"),
                                member(rq, "path"), member(rq, "version")),
           i;
    json_t *h;
    json_array_foreach (json_object_get(rq, "headers"), i, h) {
        const char *name = json_string_value(json_array_get(h, 0)),
                   *value = json_string_value(json_array_get(h, 1));
        if (strcmp(name, "cookie") == 0) {
            n += (size_t)snprintf(head + n, sizeof head - n, "%s", g.cookie);
        } else if (strcmp(name, "authorization") == 0) {
            n += (size_t)snprintf(head + n, sizeof head - n, "%s", b.admin_token);
        } else {
            n += (size_t)snprintf(head + n, sizeof head - n, "%s: %s\r\n", name, value);
        }
        cr_assert_lt(n, sizeof head);
    }
    n += (size_t)snprintf(head + n, sizeof head - n, "\r\n");
    struct http_request parsed;
    struct http_response rs = {0};
    struct err e = {0};
    type[0] = '\0';
    int rc = http_head_read((const uint8_t *)head, n, &parsed, &e);
    if (rc < 0) { return http_status_of(rc); }
    parsed.body = (struct view){.p = (const uint8_t *)body, .len = strlen(body)};
    broker_handle(b.broker, &parsed, "192.0.2.1", NOW, &rs);
    json_t *doc = json_loadb((const char *)rs.body, rs.body_len, 0, NULL);
    const char *full = json_string_value(json_object_get(doc, "type"));
    if (full) { (void)snprintf(type, 64, "%s", strrchr(full, '/') + 1); }
    int status = rs.status;
    json_decref(doc);
    http_response_fini(&rs);
    return status;
}

static void compare(const char *file)
{
    char path[300], found_type[64], wanted_type[64] = "";
    (void)snprintf(path, sizeof path, "coco/kbs-recorded/%.255s", file);
    json_t *doc = vector_json(path), *rs = json_object_get(doc, "response");
    int wanted = (int)json_integer_value(json_object_get(rs, "status"));
    json_t *error = json_loads(member(rs, "body"), 0, NULL);
    const char *full = json_string_value(json_object_get(error, "type"));
    if (full) { (void)snprintf(wanted_type, sizeof wanted_type, "%s", strrchr(full, '/') + 1); }
    json_decref(error);
    bool ask_it = true;
    for (size_t i = 0; i < ARRAY_COUNT(otherwise); i++) {
        if (strncmp(file, otherwise[i].prefix, strlen(otherwise[i].prefix)) != 0) { continue; }
        ask_it = otherwise[i].status != 0;
        wanted = otherwise[i].status;
        (void)snprintf(wanted_type, sizeof wanted_type, "%s", otherwise[i].type);
    }
    if (ask_it) {
        int found = ask_again(json_object_get(doc, "request"), found_type);
        cr_expect(found == wanted && strcmp(found_type, wanted_type) == 0,
                  "%s (%s): found %d %s, wanted %d %s", file, member(doc, "what"), found,
                  found_type, wanted, wanted_type);
    }
    json_decref(doc);
}

/* Asks every record of that prefix, in order: some depend on what an earlier one stored. */
static void replay(const char *prefix, size_t at_least)
{
    char dir[PATH_MAX];
    struct dirent **names;
    vector_find("coco/kbs-recorded", dir);
    int n = scandir(dir, &names, NULL, alphasort);
    cr_assert_geq(n, 0, "%s", dir);
    size_t asked = 0;
    for (int i = 0; i < n; i++) {
        if (strncmp(names[i]->d_name, prefix, strlen(prefix)) == 0) {
            compare(names[i]->d_name);
            asked++;
        }
        free(names[i]);
    }
    free(names);
    cr_assert_geq(asked, at_least);
}

Test(recorded, handshakes) { replay("auth-", 70); }
Test(recorded, reference_values)
{
    replay("rv-0", 5), replay("rv-1", 5), replay("rv-2", 9), replay("rv-4", 2);
}
Test(recorded, paths)
{
    sample_handshake();
    replay("resource-60-", 30);
}
