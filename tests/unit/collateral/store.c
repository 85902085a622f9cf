/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items in a directory: what they may be called, what may be stored, and that nothing grows older.
 */
#include "attest/collateral/bundle.h"
#include "attest/collateral/keeper.h"
#include "tests/unit/collateral/amd.h"
#include "tests/unit/tdx/bench.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static struct bench b;
static char dir[64];
static struct collateral_store store;
static const struct collateral_id here = {.kind = COLLATERAL_TDX,
                                          .fmspc = {0x00, 0xa0, 0x6d, 0x08, 0x00, 0x00}};
#define HERE "tdx-00a06d080000-platform.json"

static void setup(void)
{
    bench_init(&b);
    bench_make(&b);
    snprintf(dir, sizeof dir, "/tmp/casemate-collateral-XXXXXX");
    cr_assert(mkdtemp(dir));
    store = (struct collateral_store){.dir = dir, .tdx_root = b.root_key};
}

static void remove_all(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        char file[400];
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        (void)unlink(file);
    }
    if (d) { closedir(d); }
    (void)rmdir(path);
}

static void teardown(void)
{
    bench_fini(&b);
    remove_all(dir);
}
TestSuite(collateral, .init = setup, .fini = teardown);

static size_t entries(void)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    while (d && readdir(d)) { n++; }
    if (d) { closedir(d); }
    return n - 2;
}

/* Makes everything by the knobs and stores the set. */
static int put(void)
{
    struct err e = {0};
    bench_make(&b);
    char *text = json_dumps(b.set, 0);
    int r = collateral_write(&store, &here, text, strlen(text), &e);
    cr_assert(r == 0 || e.text[0]);
    free(text);
    return r;
}

static void write_raw(const char *name, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    cr_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* ---- names */

#define Z128                                                                                       \
    "0000000000000000000000000000000000000000000000000000000000000000"                             \
    "0000000000000000000000000000000000000000000000000000000000000000"

Test(collateral, names_say_what_an_item_is_and_come_back)
{
    static const struct {
        const char *name;
        enum collateral_kind kind;
    } good[] = {
        {HERE, COLLATERAL_TDX},
        {"tdx-b0c06f000000-processor.json", COLLATERAL_TDX},
        {"snp-vcek-Milan-" Z128 "-d31800000000000a.der", COLLATERAL_VCEK},
        {"snp-vcek-Turin-0123456789abcdef-0102030000000048.der", COLLATERAL_VCEK},
        {"snp-chain-Genoa-vcek.pem", COLLATERAL_AMD_CHAIN},
        {"snp-chain-Milan-vlek.pem", COLLATERAL_AMD_CHAIN},
        {"snp-crl-Turin.der", COLLATERAL_AMD_CRL},
    };
    static const char *const bad[] = {
        "",
        ".",
        "..",
        "tdx-",
        "tdx-00a06d08000-platform.json",
        "tdx-00A06D080000-platform.json",
        "tdx-00a06d080000-platform.json.x1y2z3",
        "tdx-00a06d080000-other.json",
        "tdx-../../../../-platform.json",
        "/etc/passwd",
        "snp-crl-Rome.der",
        "snp-crl-.der",
        "snp-crl-Milan.der/",
        "snp-chain-Milan-vcek.der",
        "snp-chain-milan-vcek.pem",
        "snp-vcek-Milan-0123456789abcdef-0102030000000048.der",
        "snp-vcek-Turin-" Z128 "-0102030000000048.der",
        "snp-vcek-Milan-" Z128 "-0102030000000048",
        "snp-vcek-Milan-" Z128 "-01020300000000.der",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct collateral_id id;
        char name[COLLATERAL_NAME_MAX];
        cr_assert(collateral_parse_name(good[i].name, &id), "%s", good[i].name);
        cr_assert_eq(id.kind, good[i].kind);
        collateral_name(&id, name);
        cr_assert_str_eq(name, good[i].name);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct collateral_id id;
        cr_assert_not(collateral_parse_name(bad[i], &id), "%s", bad[i]);
    }
}

/* ---- what is stored */

Test(collateral, a_signed_set_is_stored_whole_and_read_back)
{
    struct err e = {0};
    char *back;
    size_t len;
    cr_assert_eq(collateral_read(&store, &here, &back, &len, &e), -ENOENT);
    cr_assert_eq(put(), 0);
    cr_assert_eq(entries(), 1, "nothing else is left in the directory");
    cr_assert_eq(collateral_read(&store, &here, &back, &len, &(struct err){0}), 0);
    char *sent = json_dumps(b.set, 0);
    cr_assert_str_eq(back, sent);
    free(back);
    free(sent);
}

Test(collateral, the_directory_is_made_when_it_is_not_there)
{
    cr_assert_eq(rmdir(dir), 0);
    cr_assert_eq(put(), 0);
    cr_assert_eq(entries(), 1);
}

Test(collateral, what_is_not_signed_or_about_something_else_is_not_stored)
{
    struct collateral_id other = here;
    struct err e = {0};
    b.tcb_other_signer = true;
    cr_assert_eq(put(), -EBADMSG);
    b.tcb_other_signer = false;
    b.root_crl.by = BENCH_CA;
    cr_assert_eq(put(), -EBADMSG);
    b.root_crl.by = BENCH_ROOT;
    cr_assert_eq(put(), 0);
    char *text = json_dumps(b.set, 0);
    other.processor_ca = true;
    cr_assert_eq(collateral_write(&store, &other, text, strlen(text), &e), -EBADMSG);
    other = here;
    other.fmspc[0] = 1;
    e = (struct err){0};
    cr_assert_eq(collateral_write(&store, &other, text, strlen(text), &e), -EBADMSG);
    cr_assert_eq(entries(), 1);
    free(text);
}

static int put_bytes(const struct collateral_id *id, struct amd_bytes bytes)
{
    struct err e = {0};
    int r = collateral_write(&store, id, bytes.p, bytes.len, &e);
    cr_assert(r == 0 || e.text[0]);
    return r;
}

Test(collateral, amds_items_are_stored_when_their_chain_is_there_and_signed_them)
{
    struct amd a;
    amd_init(&a, "ok-milan-v3", SNP_MILAN);
    store.snp_roots = &a.roots;
    cr_assert_eq(put_bytes(&a.vcek_id, a.vcek), -ENOENT);
    cr_assert_eq(put_bytes(&a.crl_id, a.crl), -ENOENT);
    cr_assert_eq(put_bytes(&a.chain_id, a.chain), 0);
    cr_assert_eq(put_bytes(&a.vcek_id, a.vcek), 0);
    cr_assert_eq(put_bytes(&a.crl_id, a.crl), 0);
    cr_assert_eq(entries(), 3);
    amd_fini(&a);
}

Test(collateral, the_root_of_vleks_signs_the_same_list)
{
    struct amd a;
    amd_init(&a, "ok-vlek", SNP_MILAN);
    store.snp_roots = &a.roots;
    cr_assert_eq(a.vcek_id.kind, COLLATERAL_NONE);
    cr_assert_eq(put_bytes(&a.chain_id, a.chain), 0);
    cr_assert_eq(put_bytes(&a.crl_id, a.crl), 0);
    a.chain_id.vlek = false;
    cr_assert_eq(put_bytes(&a.chain_id, a.chain), -EBADMSG);
    amd_fini(&a);
}

Test(collateral, what_a_service_sends_for_another_chip_tcb_or_product_is_not_stored)
{
    struct amd a, turin;
    amd_init(&a, "ok-milan-v3", SNP_MILAN);
    amd_init(&turin, "ok-turin-v5", SNP_TURIN);
    store.snp_roots = &a.roots;
    cr_assert_eq(put_bytes(&a.chain_id, a.chain), 0);
    struct collateral_id id = a.vcek_id;
    id.chip[63] ^= 1;
    cr_assert_eq(put_bytes(&id, a.vcek), -EBADMSG);
    id = a.vcek_id;
    id.tcb[7]++;
    cr_assert_eq(put_bytes(&id, a.vcek), -EBADMSG);
    cr_assert_eq(put_bytes(&a.vcek_id, turin.vcek), -EBADMSG, "of another chain");
    cr_assert_eq(put_bytes(&turin.vcek_id, turin.vcek), -ENOENT);
    cr_assert_eq(put_bytes(&a.chain_id, turin.chain), -EBADMSG);
    cr_assert_eq(put_bytes(&turin.chain_id, turin.chain), -EBADMSG, "under another root");
    cr_assert_eq(entries(), 1);
    amd_fini(&a);
    amd_fini(&turin);
}

/* Whoever made a list of his own with a date far ahead would have kept out the true ones. */
Test(collateral, amds_items_of_somebody_else_are_not_stored)
{
    struct amd a;
    char pem[8192] = "";
    struct der *list = calloc(1, sizeof *list);
    amd_init(&a, "ok-milan-v3", SNP_MILAN);
    store.snp_roots = &a.roots;
    cr_assert_eq(put_bytes(&a.chain_id, a.chain), 0);
    bench_make_crl(&b, &b.root_crl, list);
    cr_assert_eq(put_bytes(&a.crl_id, (struct amd_bytes){(char *)list->b, list->n}), -EBADMSG);
    cr_assert_eq(put_bytes(&a.vcek_id, (struct amd_bytes){(char *)list->b, list->n}), -EBADMSG);
    cr_assert_eq(
        put_bytes(&a.vcek_id, (struct amd_bytes){(char *)b.der[BENCH_PCK].b, b.der[BENCH_PCK].n}),
        -EBADMSG);
    bench_pem(&b.der[BENCH_CA], pem, sizeof pem);
    cr_assert_eq(put_bytes(&a.chain_id, (struct amd_bytes){pem, strlen(pem)}), -EBADMSG);
    bench_pem(&b.der[BENCH_ROOT], pem, sizeof pem);
    cr_assert_eq(put_bytes(&a.chain_id, (struct amd_bytes){pem, strlen(pem)}), -EBADMSG);
    cr_assert_eq(put_bytes(&a.crl_id, (struct amd_bytes){(char *)"x", 1}), -EBADMSG);
    cr_assert_eq(put_bytes(&(struct collateral_id){0}, a.crl), -EINVAL);
    cr_assert_eq(entries(), 1);
    for (size_t i = 0; i < a.crl.len; i += 37) {
        a.crl.p[i] ^= 1;
        cr_assert_eq(put_bytes(&a.crl_id, a.crl), -EBADMSG, "byte %zu", i);
        a.crl.p[i] ^= 1;
    }
    cr_assert_eq(put_bytes(&a.crl_id, a.crl), 0);
    free(list);
    amd_fini(&a);
}

Test(collateral, nothing_gives_way_to_something_older)
{
    cr_assert_eq(put(), 0);
    cr_assert_eq(put(), 0, "as old is not older");
    bench_replace(b.tcb_info, sizeof b.tcb_info, "DataNumber\":18", "DataNumber\":17");
    cr_assert_eq(put(), -ESTALE);
    bench_replace(b.tcb_info, sizeof b.tcb_info, "DataNumber\":17", "DataNumber\":18");
    bench_replace(b.tcb_info, sizeof b.tcb_info, "2026-05-20T", "2026-05-19T");
    cr_assert_eq(put(), -ESTALE);
    bench_replace(b.tcb_info, sizeof b.tcb_info, "2026-05-19T", "2026-05-20T");
    bench_replace(b.qe_identity, sizeof b.qe_identity, "2026-05-20T", "2026-05-19T");
    cr_assert_eq(put(), -ESTALE);
    bench_replace(b.qe_identity, sizeof b.qe_identity, "2026-05-19T", "2026-05-20T");
    b.pck_crl.from = "260430000000Z"; /* from before somebody was revoked, perhaps */
    cr_assert_eq(put(), -ESTALE);
    b.pck_crl.from = "260502000000Z";
    b.root_crl.from = "260430000000Z";
    cr_assert_eq(put(), -ESTALE);
    b.root_crl.from = "260502000000Z";
    cr_assert_eq(put(), 0);
    write_raw(HERE, "{}"); /* what is broken protects nothing */
    b.root_crl.from = "260430000000Z";
    cr_assert_eq(put(), 0);
}

/* ---- the keeper */

static const struct tdx_collateral *find(struct collateral_keeper *k)
{
    struct tdx_endorsement n = {0};
    memcpy(n.platform.fmspc, here.fmspc, sizeof here.fmspc);
    return collateral_keeper_find(k, &n);
}

Test(collateral, a_keeper_sees_new_files_and_forgets_nothing)
{
    auto_collateral_keeper k = collateral_keeper_new(dir, b.root_key);
    struct tdx_endorsement elsewhere = {.processor_ca = true};
    cr_assert_null(find(k));
    cr_assert_eq(put(), 0);
    cr_assert_not_null(find(k));
    cr_assert_eq(find(k)->tcb.evaluation, 18);
    cr_assert_null(collateral_keeper_find(k, &elsewhere));

    bench_replace(b.tcb_info, sizeof b.tcb_info, "DataNumber\":18", "DataNumber\":19");
    cr_assert_eq(put(), 0);
    cr_assert_eq(find(k)->tcb.evaluation, 19);
    write_raw(HERE, "garbage");
    cr_assert_eq(find(k)->tcb.evaluation, 19);
    bench_replace(b.tcb_info, sizeof b.tcb_info, "DataNumber\":19", "DataNumber\":18");
    bench_make(&b);
    char *older = json_dumps(b.set, 0);
    write_raw(HERE, older);
    cr_assert_eq(find(k)->tcb.evaluation, 19, "somebody put an older file there");
    free(older);
    remove_all(dir);
    cr_assert_eq(find(k)->tcb.evaluation, 19);
}

Test(collateral, an_outage_of_the_vendor_stops_no_start_until_the_dates_say_so)
{
    struct tdx_policy policy;
    struct tdx_facts f;
    struct verdict v = {0};
    auto_collateral_keeper k = collateral_keeper_new(dir, b.root_key);
    auto_tdx_endorsements m = tdx_endorsements_new(b.root_key);
    cr_assert_eq(put(), 0);
    tdx_policy_default(&policy);
    struct tdx_demand d = {.endorsements = m,
                           .policy = &policy,
                           .now = BENCH_NOW,
                           .collateral_for = collateral_keeper_find,
                           .ctx = k};
    verify_tdx(b.quote, b.quote_len, &d, &f, &v);
    cr_assert_eq(v.result, VERDICT_ACCEPTED);
    d.now = f.expires;
    v = (struct verdict){0};
    verify_tdx(b.quote, b.quote_len, &d, &f, &v);
    cr_assert_eq(v.result, VERDICT_ACCEPTED, "to the last second");
    d.now = f.expires + 1;
    v = (struct verdict){0};
    verify_tdx(b.quote, b.quote_len, &d, &f, &v);
    cr_assert_eq(v.result, VERDICT_REFUSED);
    cr_assert_str_eq(v.reasons[0].code, "tdx-collateral-time");
}

/* ---- bundles */

static char *exported(const struct crypto_key *key, size_t *len)
{
    struct err e = {0};
    char *text;
    cr_assert_eq(bundle_export(&store, key, BENCH_NOW, &text, len, &e), 0, "%s", e.text);
    return text;
}

static int import(const struct crypto_key *key, const char *text, size_t len,
                  struct bundle_result *r)
{
    struct err e = {0};
    const struct crypto_key *const keys[] = {key};
    int rc = bundle_import(&store, keys, 1, text, len, r, &e);
    cr_assert(rc == 0 || e.text[0]);
    return rc;
}

Test(collateral, a_bundle_brings_all_items_to_another_place)
{
    static const enum crypto_key_type types[] = {CRYPTO_ED25519, CRYPTO_P256};
    for (size_t i = 0; i < 2; i++) {
        auto_key key = NULL;
        struct bundle_result r = {0};
        size_t len;
        cr_assert_eq(crypto_key_generate(types[i], 0, &key), 0);
        cr_assert_eq(put(), 0);
        char *text = exported(key, &len);
        remove_all(dir);
        cr_assert_eq(import(key, text, len, &r), 0);
        cr_assert_eq(r.written, 1);
        cr_assert_eq(r.older, 0);
        cr_assert_eq(entries(), 1);
        b.pck_crl.from = "260503000000Z"; /* newer things here stay */
        cr_assert_eq(put(), 0);
        cr_assert_eq(import(key, text, len, &r), 0);
        cr_assert_eq(r.written, 0);
        cr_assert_eq(r.older, 1);
        b.pck_crl.from = "260501000000Z";
        remove_all(dir);
        free(text);
    }
}

Test(collateral, a_bundle_of_nobody_is_refused_as_a_whole)
{
    auto_key key = NULL;
    auto_key other = NULL;
    struct bundle_result r = {0};
    size_t len;
    cr_assert_eq(crypto_key_generate(CRYPTO_ED25519, 0, &key), 0);
    cr_assert_eq(crypto_key_generate(CRYPTO_ED25519, 0, &other), 0);
    cr_assert_eq(put(), 0);
    char *text = exported(key, &len);
    remove_all(dir);
    cr_assert_eq(import(other, text, len, &r), -EKEYREJECTED);
    cr_assert_eq(import(b.ak, text, len, &r), -EKEYREJECTED, "a key of another kind");
    cr_assert_eq(bundle_import(&store, NULL, 0, text, len, &r, &(struct err){0}), -EKEYREJECTED);
    for (size_t i = 0; i < len; i += 211) {
        text[i] ^= 1;
        cr_assert_lt(import(key, text, len, &r), 0, "byte %zu", i);
        text[i] ^= 1;
    }
    for (size_t n = 0; n < 200; n++) { cr_assert_lt(import(key, text, n, &r), 0, "%zu", n); }
    cr_assert_lt(import(key, text, len - 1, &r), 0);
    cr_assert_neq(access(dir, F_OK), 0, "nothing was written");
    free(text);
}

/* Signs a payload of our own making as a bundle. */
static int import_payload(const struct crypto_key *key, const char *payload)
{
    char message[2048], sig_text[100], text[2300];
    uint8_t sig[64];
    struct bundle_result r;
    snprintf(message, sizeof message, "casemate-collateral-v1\n%s", payload);
    cr_assert_eq(crypto_ed25519_sign(key, message, strlen(message), sig), 0);
    b64_encode(sig, sizeof sig, sig_text);
    snprintf(text, sizeof text, "casemate-collateral-v1 %s\n%s", sig_text, payload);
    return import(key, text, strlen(text), &r);
}

Test(collateral, a_signed_bundle_is_still_read_strictly)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"created\":\"2026-06-01T00:00:00Z\"}",
        "{\"created\":\"yesterday\",\"items\":{}}",
        "{\"created\":\"2026-06-01T00:00:00Z\",\"items\":{},\"x\":1}",
        "{\"created\":\"2026-06-01T00:00:00Z\",\"items\":[]}",
        "{\"created\":\"2026-06-01T00:00:00Z\",\"items\":{\"../evil\":\"AA==\"}}",
        "{\"created\":\"2026-06-01T00:00:00Z\",\"items\":{\"snp-crl-Milan.der\":1}}",
        "{\"created\":\"2026-06-01T00:00:00Z\",\"items\":{\"snp-crl-Milan.der\":\"A\"}}",
        "{\"created\":\"2026-06-01T00:00:00Z\",\"items\":{\"snp-crl-Milan.der\":\"AAAA\"}}",
    };
    auto_key key = NULL;
    cr_assert_eq(crypto_key_generate(CRYPTO_ED25519, 0, &key), 0);
    cr_assert_eq(import_payload(key, "{\"created\":\"2026-06-01T00:00:00Z\",\"items\":{}}"), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_lt(import_payload(key, bad[i]), 0, "%s", bad[i]);
    }
    cr_assert_eq(entries(), 0);
}
