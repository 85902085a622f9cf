/* SPDX-License-Identifier: Apache-2.0 */
/* [snp] in a broker's configuration: what a policy must say before a broker starts with it. */
#include "attest/kbs/config/config.h"
#include "attest/kbs/desk/setup.h"
#include "tests/unit/attest/vectors.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/kbs-config-snp-XXXXXX";

static void write_file(const char *name, const char *mode, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, mode);
    cr_assert_not_null(f);
    (void)fputs(text, f);
    (void)fclose(f);
}

static void begin(void)
{
    cr_assert_not_null(mkdtemp(dir));
    struct setup_options o = {.dir = dir, .listen = "127.0.0.1:0", .now = 1800000000};
    struct err e = {0};
    cr_assert_eq(setup_run(&o, &e), 0, "%s", e.text);
    write_file(SETUP_CONFIG, "a", "[snp]\npolicy = \"snp.json\"\ncollateral_dir = \".\"\n");
}

static void end(void)
{
    static const char *const names[] = {
        SETUP_CONFIG,    SETUP_TLS_CERT,  SETUP_TLS_KEY,     SETUP_STORAGE_KEY, SETUP_TOKEN_KEY,
        SETUP_ADMIN_KEY, SETUP_ADMIN_PUB, SETUP_ADMIN_TOKEN, "snp.json",        "chain.pem"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char p[128];
        (void)snprintf(p, sizeof p, "%s/%s", dir, names[i]);
        (void)unlink(p);
    }
    (void)rmdir(dir);
}
TestSuite(config_snp, .init = begin, .fini = end);

/* The complete policy with some members other than they were; NULL = left out. */
static int load(const char *name, const char *value, struct config *c, struct err *e)
{
    json_t *all = vector_json("snp/synthetic/cases.json");
    json_t *p = json_object_get(all, "base_policy");
    static const char *const never[] = {"report_data", "host_data", "measurements"};
    for (size_t i = 0; i < ARRAY_COUNT(never); i++) { json_object_del(p, never[i]); }
    if (name && !value) { json_object_del(p, name); }
    if (name && value) { json_object_set_new(p, name, json_loads(value, JSON_DECODE_ANY, NULL)); }
    char *text = json_dumps(p, 0), path[128];
    write_file("snp.json", "w", text);
    free(text);
    json_decref(all);
    *e = (struct err){0};
    (void)snprintf(path, sizeof path, "%s/" SETUP_CONFIG, dir);
    return config_load(path, NULL, c, e);
}

Test(config_snp, complete_policy_enables_it)
{
    struct config c = {0};
    struct err e;
    cr_assert_eq(load(NULL, NULL, &c, &e), 0, "%s", e.text);
    cr_assert_not_null(c.snp.keeper);
    cr_assert_eq(c.snp.policy.min_tcb.tcb[SNP_GENOA].ucode, 84);
    config_fini(&c);
}

Test(config_snp, policy_that_leaves_something_open_does_not_load)
{
    static const struct {
        const char *name, *value, *says;
    } t[] = {
        {"min_tcb", NULL, "does not say what min_tcb has to be"},
        {"chip_id_allow", NULL, "does not say what chip_id_allow has to be"},
        {"vmpl", "null", "vmpl"},
        {"report_data", "null", "decided by each handshake"},
        {"host_data", "null", "decided by each handshake"},
        {"guest_policy_mask", "\"0xfffffffffff70000\"", "bits 18 (migration) and 19 (debug)"},
        {"guest_policy_mask", "\"0xfffffffffffb0000\"", "bits 18 (migration) and 19 (debug)"},
        {"guest_policy_required_value", "\"0xb0000\"", "bits 18 (migration) and 19 (debug)"},
        {"debug", "false", "unknown member \"debug\""},
    };
    for (size_t i = 0; i < ARRAY_COUNT(t); i++) {
        struct config c = {0};
        struct err e;
        cr_expect_lt(load(t[i].name, t[i].value, &c, &e), 0, "%s", t[i].name);
        cr_expect(strstr(e.text, t[i].says), "%s: %s", t[i].name, e.text);
    }
}

Test(config_snp, null_says_aloud_that_something_is_not_demanded)
{
    struct config c = {0};
    struct err e;
    cr_assert_eq(load("min_firmware", "null", &c, &e), 0, "%s", e.text);
    config_fini(&c);
}

/* ---- [collateral], which fills what [snp] and [tdx] read */

/* The configuration of the suite with this at its end, and nothing that was put there before. */
static int load_with(const char *table, struct config *c, struct err *e)
{
    char path[128];
    static struct stat base;
    snprintf(path, sizeof path, "%s/" SETUP_CONFIG, dir);
    cr_assert(base.st_size || stat(path, &base) == 0);
    cr_assert_eq(truncate(path, base.st_size), 0);
    write_file(SETUP_CONFIG, "a", table);
    return load(NULL, NULL, c, e);
}

Test(config_snp, a_vendors_service_is_named_by_its_address)
{
    struct config c = {0};
    struct err e;
    cr_assert_eq(load_with("[collateral]\namd_url = \"https://kdsintf.amd.com\"\n", &c, &e), 0,
                 "%s", e.text);
    cr_assert_str_eq(c.collateral.amd_url, "https://kdsintf.amd.com");
    cr_assert_null(c.collateral.intel_url);
    cr_assert_eq(c.collateral.timeout_s, 20);
    cr_assert_eq(c.collateral.refresh_s, 86400);
    cr_assert_eq(c.collateral.wait_s, 5);
    config_fini(&c);
}

Test(config_snp, every_number_of_it_can_be_said)
{
    struct config c = {0};
    struct err e;
    cr_assert_eq(load_with("[collateral]\namd_url = \"http://mirror:8080/amd\"\nca_file = "
                           "\"server.crt\"\ntimeout_seconds = 1\nrefresh_seconds = 60\n"
                           "wait_seconds = 0\n",
                           &c, &e),
                 0, "%s", e.text);
    cr_assert_eq(c.collateral.timeout_s, 1);
    cr_assert_eq(c.collateral.refresh_s, 60);
    cr_assert_eq(c.collateral.wait_s, 0);
    cr_assert(strstr(c.collateral.ca_file, "/server.crt"));
    config_fini(&c);
}

static const struct bad_table {
    const char *table, *says;
} bad_tables[] = {
    {"", "wants amd_url or intel_url"},
    {"timeout_seconds = 5\n", "wants amd_url or intel_url"},
    {"amd_url = \"https://kdsintf.amd.com/\"\n", "without a slash at its end"},
    {"amd_url = \"kdsintf.amd.com\"\n", "wanted http(s)://HOST"},
    {"amd_url = \"ftp://kdsintf.amd.com\"\n", "wanted http(s)://HOST"},
    {"amd_url = \"file:///etc\"\n", "wanted http(s)://HOST"},
    {"amd_url = \"https://\"\n", "wanted http(s)://HOST"},
    {"amd_url = \"https:///x\"\n", "wanted http(s)://HOST"},
    {"amd_url = \"https://me:secret@host\"\n", "wanted http(s)://HOST"},
    {"amd_url = \"https://host/?a=b\"\n", "wanted http(s)://HOST"},
    {"amd_url = \"https://host/#a\"\n", "wanted http(s)://HOST"},
    {"amd_url = \"https://a b\"\n", "wanted http(s)://HOST"},
    {"amd_url = 1\n", "amd_url is not a text"},
    {"intel_url = \"https://host\"\n", "fills [tdx] collateral_dir, and there is none"},
    {"amd_url = \"https://host\"\nintel_ca_url = \"https://host\"\n", "without intel_url"},
    {"amd_url = \"https://host\"\nca_file = \"nowhere.pem\"\n", "nowhere.pem"},
    {"amd_url = \"https://host\"\nca_file = \"snp.json\"\n", "PEM certificates"},
    {"amd_url = \"https://host\"\ntimeout_seconds = 0\n", "wanted 1 to 300"},
    {"amd_url = \"https://host\"\nrefresh_seconds = 59\n", "wanted 60 to 604800"},
    {"amd_url = \"https://host\"\nwait_seconds = 61\n", "wanted 0 to 60"},
    {"amd_url = \"https://host\"\nwait = 1\n", "unknown key wait"},
};

Test(config_snp, one_wrong_line_of_it_is_refused)
{
    for (size_t i = 0; i < ARRAY_COUNT(bad_tables); i++) {
        char text[512];
        struct config c = {0};
        struct err e;
        snprintf(text, sizeof text, "[collateral]\n%s", bad_tables[i].table);
        cr_expect_lt(load_with(text, &c, &e), 0, "%s", bad_tables[i].table);
        cr_expect(strstr(e.text, bad_tables[i].says), "%s: %s", bad_tables[i].table, e.text);
    }
}

Test(config_snp, a_directory_that_is_not_named_cannot_be_filled)
{
    struct config c = {0};
    struct err e;
    struct setup_options o = {.dir = dir, .listen = "127.0.0.1:0", .now = 1800000000};
    end();
    cr_assert_eq(mkdir(dir, 0700), 0);
    cr_assert_eq(setup_run(&o, &e), 0, "%s", e.text);
    write_file(SETUP_CONFIG, "a", "[snp]\npolicy = \"snp.json\"\n");
    cr_assert_lt(load_with("[collateral]\namd_url = \"https://host\"\n", &c, &e), 0);
    cr_assert(strstr(e.text, "fills [snp] collateral_dir, and there is none"), "%s", e.text);
}
