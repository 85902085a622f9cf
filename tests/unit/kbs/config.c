/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: what init makes loads; one wrong line does not, and the error names it. */
#include "attest/kbs/config/config.h"
#include "attest/kbs/desk/setup.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/kbs-config-XXXXXX";
static char path[96], other[96];
static char text[4096];

static void begin(void)
{
    cr_assert_not_null(mkdtemp(dir));
    struct setup_options o = {.dir = dir, .listen = "127.0.0.1:0", .now = 1800000000};
    struct err e = {0};
    cr_assert_eq(setup_run(&o, &e), 0, "%s", e.text);
    (void)snprintf(path, sizeof path, "%s/kbs.toml", dir);
    (void)snprintf(other, sizeof other, "%s/other.toml", dir);
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    (void)fclose(f);
}

static void end(void)
{
    static const char *const names[] = {SETUP_CONFIG,      SETUP_TLS_CERT,    SETUP_TLS_KEY,
                                        SETUP_STORAGE_KEY, SETUP_TOKEN_KEY,   SETUP_ADMIN_KEY,
                                        SETUP_ADMIN_PUB,   SETUP_ADMIN_TOKEN, "other.toml"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char p[128];
        (void)snprintf(p, sizeof p, "%s/%s", dir, names[i]);
        (void)unlink(p);
    }
    (void)rmdir(dir);
}
TestSuite(config, .init = begin, .fini = end);

/* Loads what init made with one piece of text replaced. */
static int load_with(const char *from, const char *to, struct config *c, struct err *e)
{
    const char *at = strstr(text, from);
    cr_assert_not_null(at, "%s", from);
    FILE *f = fopen(other, "w");
    (void)fprintf(f, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    (void)fclose(f);
    *e = (struct err){0};
    return config_load(other, NULL, c, e);
}

Test(config, loads_what_init_made_with_the_stated_defaults)
{
    struct config c = {0};
    struct err e = {0};
    cr_assert_eq(config_load(path, NULL, &c, &e), 0, "%s", e.text);
    cr_assert_str_eq(c.listen, "127.0.0.1:0");
    cr_assert_str_eq(c.admin_issuer, "cc-kbs");
    cr_assert_eq(c.max_connections, 1024);
    cr_assert_eq(c.max_body, 2097152);
    cr_assert_eq(c.max_sessions, 10000);
    cr_assert_eq(c.session_seconds, 300);
    cr_assert_eq(c.admin_keys.count, 1);
    cr_assert_eq(c.insecure_sim_keys.count, 0, "sim is refused unless asked for");
    config_fini(&c);
}

Test(config, refuses_one_wrong_line)
{
    static const struct {
        const char *from, *to, *why;
    } cases[] = {
        {"listen =", "listne =", "listne"},
        {"[token]", "[tokens]", "tokens"},
        {"[audit]", "[audit]\nlevel = 1", "level"},
        {"listen = \"127.0.0.1:0\"", "listen = 8080", "listen is not a text"},
        {"listen = \"127.0.0.1:0\"\n", "", "listen is missing"},
        {"[storage]", "max_body = 1\n[storage]", "max_body: found 1, wanted 4096 to 67108864"},
        {"[storage]", "max_connections = 0\n[storage]",
         "max_connections: found 0, wanted 1 to 1000000"},
        {"[storage]", "max_connections = \"9\"\n[storage]", "max_connections is not a number"},
        {"[audit]", "[sessions]\nseconds = 0\n[audit]", "seconds: found 0, wanted 1 to 86400"},
        {"[\"admin.pub\"]", "[]", "public_keys is not a list of 1 to 16 files"},
        {"[\"admin.pub\"]", "\"admin.pub\"", "public_keys is not a list"},
        {"[\"admin.pub\"]", "[\"nothing.pub\"]", "nothing.pub: No such file"},
        {"[\"admin.pub\"]", "[\"kbs.toml\"]", "not a PEM key"},
        {"\"token.key\"", "\"admin.key\"", "not a private P-256, P-384 or P-521 key"},
        {"\"token.key\"", "\"admin.pub\"", "others may read or write it"},
        {"\"storage.key\"", "\"server.key\"", "hexadecimal digits"},
        {"\"server.key\"", "\"server.crt\"", "others may read or write it"},
        {"[audit]", "[insecure_sim]\ntrusted_keys = [\"admin.pub\"]\n[audit]",
         "wanted a P-384 key"},
        {"[audit]", "[insecure_sim]\n[audit]", "trusted_keys is not a list"},
        {"[audit]", "[admin.roles]\nci = []\n[audit]", "ci is not a list of operations"},
        {"[audit]", "[admin.roles]\nci = [\"set-everything\"]\n[audit]",
         "no operation is named set-everything"},
        {"[audit]", "[admin.roles]\nadmin = [\"set-policy\"]\n[audit]", "`admin` is not one"},
        {"[audit]", "[insecure_coco]\nsample = 1\n[audit]", "sample is neither true nor false"},
        {"[audit]", "[insecure_coco]\nsamples = true\n[audit]", "samples"},
        {"\"token.key\"", "\"token.key\"\nchain = \"server.crt\"", "chain is about another key"},
        {"\"token.key\"", "\"token.key\"\ntrusted_certs = [\"admin.pub\"]",
         "not 1 to 16 PEM certificates"},
        {"\"token.key\"", "\"token.key\"\ntrusted_jwks = [\"admin.pub\"]", "JWK set"},
        {"[audit]", "[audit", "line"},
        {"database = \"kbs.sqlite\"\n", "", "wants one of database (a file) and url"},
        {"[token]", "url = \"postgresql://h/d\"\n[token]",
         "wants one of database (a file) and url"},
        {"database = \"kbs.sqlite\"", "url = \"mysql://h/d\"", "wanted postgresql://"},
        {"database = \"kbs.sqlite\"", "url = \"postgresql://me:secret@h/d\"", "found a password"},
        {"database = \"kbs.sqlite\"", "url = \"postgresql://h/d?password=x\"", "found a password"},
        {"key_file = \"storage.key\"\n", "", "wants one of key_file and key_env"},
        {"[token]", "key_env = \"K\"\n[token]", "wants one of key_file and key_env"},
        {"key_file = \"storage.key\"", "key_env = \"KBS_TEST_NOT_SET\"",
         "no environment variable KBS_TEST_NOT_SET"},
        {"[token]", "[storage.pkcs11]\n[token]", "has a key beside [storage.pkcs11]"},
        {"key_file = \"storage.key\"", "[storage.pkcs11]\nslot = 1", "unknown key slot"},
        {"[audit]", "[limits]\nburst = 0\n[audit]", "burst: found 0, wanted 1 to 1000000"},
        {"[audit]", "[limits]\nper_minute = 3\n[audit]", "[limits] unknown key per_minute"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct config c = {0};
        struct err e;
        cr_expect_lt(load_with(cases[i].from, cases[i].to, &c, &e), 0, "%s", cases[i].to);
        cr_expect(strstr(e.text, cases[i].why), "%s: %s", cases[i].to, e.text);
    }
}

/* What stands in a CoCo broker's file says what it is called here. [coco §11.1] */
Test(config, names_of_coco_are_told_apart_from_typing_errors)
{
    static const struct {
        const char *from, *to, *why;
    } cases[] = {
        {"[server]", "[http_server]", "http_server is a name of CoCo's; here it is [server]"},
        {"[token]", "[attestation_token]",
         "attestation_token is a name of CoCo's; here it is [token]"},
        {"[audit]", "[attestation_service]\n[audit]", "attestation_service is a name of CoCo's"},
        {"[audit]", "[[plugins]]\nname = \"resource\"\n[audit]", "resources are built in"},
        {"listen =", "sockets =", "[server] sockets is a name of CoCo's; here it is listen"},
        {"tls_key =", "private_key =", "here it is tls_key"},
        {"[storage]", "payload_request_size = 2\n[storage]", "here it is max_body, in bytes"},
        {"public_keys", "auth_public_key", "here it is public_keys"},
        {"[audit]", "[sessions]\ntimeout = 5\n[audit]", "here it is seconds"},
        {"[admin]", "insecure_key = true\n[admin]", "here it is [insecure_coco] header_jwk"},
        {"public_keys", "authorization_mode = \"InsecureAllowAll\"\npublic_keys",
         "administrators always show a token"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct config c = {0};
        struct err e;
        cr_expect_eq(load_with(cases[i].from, cases[i].to, &c, &e), -EINVAL, "%s", cases[i].to);
        cr_expect(strstr(e.text, cases[i].why), "%s: %s", cases[i].to, e.text);
    }
}

Test(config, takes_the_storage_key_out_of_the_environment_and_wipes_it)
{
    struct config c = {0};
    struct err e;
    static const char hex[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    cr_assert_eq(setenv("KBS_TEST_KEY", hex, 1), 0);
    const char *there = getenv("KBS_TEST_KEY");
    cr_assert_eq(load_with("key_file = \"storage.key\"", "key_env = \"KBS_TEST_KEY\"", &c, &e), 0,
                 "%s", e.text);
    cr_assert_eq(c.storage_key[31], 0x1f);
    cr_assert_null(getenv("KBS_TEST_KEY"));
    cr_assert_eq(there[0], 0, "nor in the memory that /proc shows");
    config_fini(&c);
}

/* A reload: the key may have been in an environment that was wiped. */
Test(config, a_reload_keeps_storage_and_reads_the_rest)
{
    struct config old = {0}, c = {0};
    struct err e = {0};
    cr_assert_eq(config_load(path, NULL, &old, &e), 0, "%s", e.text);
    cr_assert_lt(load_with("key_file = \"storage.key\"", "key_env = \"KBS_TEST_NOT_SET\"", &c, &e),
                 0);
    e = (struct err){0};
    cr_assert_eq(config_load(other, &old, &c, &e), 0, "%s", e.text);
    cr_assert_arr_eq(c.storage_key, old.storage_key, STORE_KEY_SIZE);
    cr_assert_str_eq(c.database, old.database);
    cr_assert_eq(c.admin_keys.count, 1);
    config_fini(&c);
    config_fini(&old);
}

Test(config, a_database_by_url_and_limits)
{
    struct config c = {0};
    struct err e;
    cr_assert_eq(load_with("database = \"kbs.sqlite\"",
                           "url = \"postgresql://kbs@db/kbs?passfile=/etc/p\"", &c, &e),
                 0, "%s", e.text);
    cr_assert_str_eq(c.database, "postgresql://kbs@db/kbs?passfile=/etc/p");
    cr_assert_eq(c.limits.per_second, 200);
    cr_assert_eq(c.limits.burst, 2000);
    cr_assert_null(c.ops_listen);
    config_fini(&c);
    cr_assert_eq(load_with("[storage]",
                           "ops_listen = \"127.0.0.1:9\"\n[limits]\nrequests_per_second = 0\n"
                           "clients = 99\n[storage]",
                           &c, &e),
                 0, "%s", e.text);
    cr_assert_eq(c.limits.per_second, 0);
    cr_assert_eq(c.limits.clients, 99);
    cr_assert_str_eq(c.ops_listen, "127.0.0.1:9");
    config_fini(&c);
}

Test(config, init_replaces_no_file_and_makes_secrets_private)
{
    struct setup_options o = {.dir = dir, .listen = "127.0.0.1:0", .now = 1800000000};
    struct err e = {0};
    cr_assert_eq(setup_run(&o, &e), -EEXIST);
    static const char *const secrets[] = {SETUP_TLS_KEY, SETUP_STORAGE_KEY, SETUP_TOKEN_KEY,
                                          SETUP_ADMIN_KEY, SETUP_ADMIN_TOKEN};
    for (size_t i = 0; i < ARRAY_COUNT(secrets); i++) {
        char p[128];
        struct stat sb;
        (void)snprintf(p, sizeof p, "%s/%s", dir, secrets[i]);
        cr_assert_eq(stat(p, &sb), 0);
        cr_assert_eq(sb.st_mode & 0777, 0600, "%s", secrets[i]);
    }
}

Test(config, certificates_refuse_names_with_a_syntax_of_their_own)
{
    static const char *const names[] = {"a,DNS:evil", "", "a b", "@file", "dirName:x=y,z"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char *key, *cert;
        struct err e = {0};
        cr_assert_eq(setup_self_signed(&names[i], 1, 1800000000, &key, &cert, &e), -EINVAL, "%s",
                     names[i]);
    }
}
