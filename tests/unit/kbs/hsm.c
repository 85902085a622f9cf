/* SPDX-License-Identifier: Apache-2.0 */
/* The storage key under a key of a security module: SoftHSM, with a token and key pair made for the test. */
#include "attest/kbs/config/config.h"
#include "attest/kbs/config/hsm.h"
#include "attest/kbs/desk/setup.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODULE "/usr/lib/softhsm/libsofthsm2.so"

static char dir[] = "/tmp/kbs-hsm-XXXXXX";
static char path[96];

static void run(const char *what)
{
    char line[512];
    (void)snprintf(line, sizeof line, "%s >%s/out 2>&1", what, dir);
    cr_assert_eq(system(line), 0, "%s", what);
}

static void put(const char *name, const char *text)
{
    char p[128];
    (void)snprintf(p, sizeof p, "%s/%s", dir, name);
    FILE *f = fopen(p, "we");
    cr_assert_not_null(f);
    cr_assert_geq(fputs(text, f), 0);
    (void)fclose(f);
    cr_assert_eq(chmod(p, 0600), 0);
}

static void begin(void)
{
    char text[256];
    if (access(MODULE, R_OK) != 0 ||
        system("command -v softhsm2-util pkcs11-tool >/dev/null") != 0) {
        cr_skip_test("there is no SoftHSM on this machine");
    }
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(text, sizeof text, "%s/tokens", dir);
    cr_assert_eq(mkdir(text, 0700), 0);
    (void)snprintf(text, sizeof text, "directories.tokendir = %s/tokens\n", dir);
    put("softhsm2.conf", text);
    (void)snprintf(text, sizeof text, "%s/softhsm2.conf", dir);
    cr_assert_eq(setenv("SOFTHSM2_CONF", text, 1), 0);
    run("softhsm2-util --init-token --free --label kbs --pin 1234 --so-pin 5678");
    run("pkcs11-tool --module " MODULE " --login --pin 1234 --token-label kbs --keypairgen"
        " --key-type rsa:2048 --label storage --id 01");
    run("pkcs11-tool --module " MODULE " --login --pin 1234 --token-label kbs --keypairgen"
        " --key-type rsa:2048 --label other --id 02");
}
static void end(void)
{
    char line[128];
    (void)snprintf(line, sizeof line, "rm -rf %s", dir);
    cr_assert_eq(system(line), 0);
}
TestSuite(hsm, .init = begin, .fini = end, .timeout = 120);

static const struct hsm good = {.module = MODULE, .token = "kbs", .key = "storage", .pin = "1234"};

Test(hsm, wraps_a_key_that_it_alone_unwraps)
{
    static const uint8_t key[32] = {1, 2, 3};
    uint8_t wrapped[HSM_WRAPPED_MAX], again[32];
    size_t len = sizeof wrapped;
    struct err e = {0};
    cr_assert_eq(hsm_wrap(&good, key, sizeof key, wrapped, &len, &e), 0, "%s", e.text);
    cr_assert_eq(len, 256);
    cr_assert_eq(hsm_unwrap(&good, wrapped, len, again, sizeof again, &e), 0, "%s", e.text);
    cr_assert_arr_eq(again, key, sizeof key);

    struct hsm other = good;
    other.key = "other";
    cr_assert_eq(hsm_unwrap(&other, wrapped, len, again, sizeof again, &e), -EKEYREJECTED);
    wrapped[7] ^= 1;
    e = (struct err){0};
    cr_assert_eq(hsm_unwrap(&good, wrapped, len, again, sizeof again, &e), -EKEYREJECTED);
    wrapped[7] ^= 1;
    e = (struct err){0};
    cr_assert_eq(hsm_unwrap(&good, wrapped, len - 1, again, sizeof again, &e), -EKEYREJECTED);
    e = (struct err){0};
    cr_assert_eq(hsm_unwrap(&good, wrapped, len, again, 16, &e), -EKEYREJECTED, "of that size");
}

Test(hsm, says_what_it_cannot_find)
{
    static const struct {
        struct hsm h;
        const char *why;
    } cases[] = {
        {{"/nothing.so", "kbs", "storage", "1234"}, "hsm /nothing.so: cannot be loaded"},
        {{MODULE, "none", "storage", "1234"}, "wanted one token named none"},
        {{MODULE, "kbs", "none", "1234"}, "wanted one private key named none in token kbs"},
        {{MODULE, "kbs", "storage", "9999"}, "log in"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t wrapped[256] = {0}, key[32];
        struct err e = {0};
        cr_expect_lt(hsm_unwrap(&cases[i].h, wrapped, sizeof wrapped, key, sizeof key, &e), 0);
        cr_expect(strstr(e.text, cases[i].why), "%s", e.text);
    }
}

/* A broker's own directory, whose storage key comes out of the module. */
Test(hsm, a_configuration_takes_its_storage_key_from_the_module)
{
    struct setup_options o = {.dir = dir, .listen = "127.0.0.1:0", .now = 1800000000};
    struct err e = {0};
    struct config c = {0}, again = {0};
    char text[4096], other[8192];
    cr_assert_eq(setup_run(&o, &e), 0, "%s", e.text);
    (void)snprintf(path, sizeof path, "%s/kbs.toml", dir);
    FILE *f = fopen(path, "re");
    cr_assert_not_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    (void)fclose(f);
    char *at = strstr(text, "key_file = \"storage.key\"");
    cr_assert_not_null(at);
    (void)snprintf(other, sizeof other,
                   "%.*s[storage.pkcs11]\nmodule = \"" MODULE
                   "\"\ntoken = \"kbs\"\nkey = \"storage\"\n"
                   "pin_file = \"pin\"\nwrapped_key = \"wrapped\"%s",
                   (int)(at - text), text, at + strlen("key_file = \"storage.key\""));
    put("kbs.toml", other);
    put("pin", "1234\n");
    cr_assert_lt(config_load(path, NULL, &c, &e), 0);
    cr_assert(strstr(e.text, "wrapped: No such file"), "%s", e.text);
    e = (struct err){0};
    cr_assert_eq(config_wrap_storage_key(path, &e), 0, "%s", e.text);
    cr_assert_eq(config_wrap_storage_key(path, &e), -EEXIST, "a key in use is not replaced");
    e = (struct err){0};
    cr_assert_eq(config_load(path, NULL, &c, &e), 0, "%s", e.text);
    cr_assert_eq(config_load(path, NULL, &again, &e), 0, "%s", e.text);
    static const uint8_t zeros[STORE_KEY_SIZE];
    cr_assert_arr_eq(c.storage_key, again.storage_key, STORE_KEY_SIZE);
    cr_assert_neq(memcmp(c.storage_key, zeros, STORE_KEY_SIZE), 0);
    config_fini(&c);
    config_fini(&again);
    put("wrapped", "abc\n");
    cr_assert_lt(config_load(path, NULL, &c, &e), 0);
    cr_assert(strstr(e.text, "not a wrapped key"), "%s", e.text);
}
