/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store that fills itself, from a service that is good, slow, wrong, oversized or away.
 */
#include "attest/collateral/supply.h"
#include "attest/hex.h"
#include "attest/json.h"
#include "tests/unit/collateral/amd.h"
#include "tests/unit/collateral/intel.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <time.h>

#define CHAIN_PATH "/vcek/v1/Milan/cert_chain"
#define CRL_PATH   "/vcek/v1/Milan/crl"

static struct bench b;
static struct amd a;
static char dir[64], vcek_path[320];
static struct supply_setup setup_of;
static struct supply *s;
static struct collateral_store store;
static const struct collateral_id here = {.kind = COLLATERAL_TDX,
                                          .fmspc = {0x00, 0xa0, 0x6d, 0x08, 0x00, 0x00}};

static void start(void)
{
    struct err e = {0};
    cr_assert_eq(supply_new(&setup_of, &s, &e), 0, "%s", e.text);
}

static void setup(void)
{
    char chip[129];
    bench_init(&b);
    bench_make(&b);
    amd_init(&a, "ok-milan-v3", SNP_MILAN);
    snprintf(dir, sizeof dir, "/tmp/casemate-supply-XXXXXX");
    cr_assert(mkdtemp(dir));
    hex_of(a.vcek_id.chip, a.vcek_id.chip_len, chip);
    snprintf(vcek_path, sizeof vcek_path,
             "/vcek/v1/Milan/%s?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219", chip);
    service_start();
    store = (struct collateral_store){.dir = dir, .tdx_root = b.root_key, .snp_roots = &a.roots};
    setup_of = (struct supply_setup){.store = store,
                                     .from = {.intel = service.url,
                                              .intel_ca = service.url,
                                              .amd = service.url,
                                              .timeout_s = 30},
                                     .refresh_s = 3600,
                                     .pause_ms = 3600000,
                                     .changed = changed};
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *w)
{
    (void)st, (void)type, (void)w;
    return remove(path);
}

static void teardown(void)
{
    supply_free(s);
    service_stop();
    amd_fini(&a);
    bench_fini(&b);
    (void)nftw(dir, remove_one, 4, FTW_DEPTH | FTW_PHYS);
}
TestSuite(supply, .init = setup, .fini = teardown, .timeout = 60);

static void amd_pages(void)
{
    page(CHAIN_PATH, 200, "", a.chain.p, a.chain.len);
    page(CRL_PATH, 200, "", a.crl.p, a.crl.len);
    page(vcek_path, 200, "", a.vcek.p, a.vcek.len);
}

static bool is_stored(const struct collateral_id *id)
{
    char *p;
    size_t len;
    struct err e = {0};
    if (collateral_read(&store, id, &p, &len, &e) < 0) { return false; }
    free(p);
    return true;
}

static void store_bytes(const struct collateral_id *id, const void *p, size_t len)
{
    struct err e = {0};
    cr_assert_eq(collateral_write(&store, id, p, len, &e), 0, "%s", e.text);
}

static bool in_memory(const struct collateral_id *id)
{
    char *p;
    size_t len;
    if (!supply_find(s, id, &p, &len)) { return false; }
    cr_expect_eq(len, a.vcek.len);
    cr_expect_eq(memcmp(p, a.vcek.p, len), 0);
    free(p);
    return true;
}

static void says(const char *words)
{
    char line[SUPPLY_NEWS_SIZE];
    cr_assert(supply_news(s, line), "wanted: %s", words);
    cr_assert(strstr(line, words), "%s; wanted: %s", line, words);
}

/* ---- AMD */

Test(supply, what_is_missed_comes_and_a_chips_certificate_is_stored_when_it_was_of_use)
{
    char line[SUPPLY_NEWS_SIZE], asked[4096], wanted[600];
    amd_pages();
    start();
    cr_assert(supply_want(s, &a.chain_id));
    cr_assert(supply_want(s, &a.vcek_id));
    settle(2);
    cr_assert(supply_want(s, &a.chain_id), "who looked a moment ago looks again");
    cr_assert(is_stored(&a.chain_id));
    cr_assert(in_memory(&a.vcek_id));
    cr_assert_not(is_stored(&a.vcek_id));
    cr_assert(supply_want(s, &a.vcek_id), "who looked a moment ago looks again");
    supply_keep(s, &a.vcek_id);
    settle(1);
    cr_assert(is_stored(&a.vcek_id));
    cr_assert_not(in_memory(&a.vcek_id));
    says("snp-chain-Milan-vcek.pem: fetched");
    says(": fetched");
    says(": kept");
    cr_assert_not(supply_news(s, line));
    service_asked(asked);
    snprintf(wanted, sizeof wanted, CHAIN_PATH "\n%s\n", vcek_path);
    cr_assert_str_eq(asked, wanted);
    cr_assert_eq(supply_counts(s).fetched, 2);
    cr_assert_eq(supply_counts(s).refused, 0);
}

Test(supply, an_answer_about_another_chip_is_not_seen_by_anybody)
{
    struct collateral_id other = a.vcek_id;
    char path[320], first[3];
    amd_pages();
    other.chip[0] ^= 1;
    memcpy(path, vcek_path, sizeof path);
    hex_of(other.chip, 1, first);
    memcpy(path + strlen("/vcek/v1/Milan/"), first, 2);
    page(path, 200, "", a.vcek.p, a.vcek.len);
    start();
    cr_assert(supply_want(s, &a.chain_id));
    cr_assert(supply_want(s, &other));
    settle(2);
    cr_assert_not(in_memory(&other));
    cr_assert_not(is_stored(&other));
    says("fetched");
    says("another chip");
    cr_assert_not(supply_want(s, &other), "and is not asked for again so soon");
    cr_assert_eq(supply_counts(s).refused, 1);
    cr_assert_not(supply_counts(s).away);
}

Test(supply, no_and_too_much_are_answers_that_are_not_asked_for_again_so_soon)
{
    char *big = calloc(1, 3u << 20);
    page(CRL_PATH, 200, "", big, 3u << 20);
    start();
    cr_assert(supply_want(s, &a.chain_id)); /* 404 */
    cr_assert(supply_want(s, &a.crl_id));
    settle(2);
    says("answered 404");
    says("too large");
    cr_assert_not(supply_want(s, &a.chain_id));
    cr_assert_not(supply_want(s, &a.crl_id));
    cr_assert_eq(supply_counts(s).refused, 2);
    cr_assert_eq(supply_counts(s).outages, 0);
    free(big);
}

Test(supply, while_the_service_is_away_nobody_waits_and_what_is_kept_stays)
{
    char asked[4096];
    amd_pages();
    store_bytes(&a.chain_id, a.chain.p, a.chain.len);
    service_be(true, false);
    start();
    cr_assert(supply_want(s, &a.crl_id), "nobody knows yet");
    settle(1);
    cr_assert(supply_counts(s).away);
    cr_assert_eq(supply_counts(s).outages, 1);
    cr_assert_not(supply_want(s, &a.crl_id));
    cr_assert_not(supply_want(s, &a.vcek_id));
    cr_assert(is_stored(&a.chain_id));
    says("AMD's service is away, what is kept stays in use: http://127.0.0.1");
    service_asked(asked);
    cr_assert_str_eq(asked, CRL_PATH "\n", "asked once, then left alone");
}

Test(supply, what_was_wanted_meanwhile_is_fetched_when_the_service_is_back)
{
    amd_pages();
    store_bytes(&a.chain_id, a.chain.p, a.chain.len);
    setup_of.pause_ms = 1;
    service_be(true, false);
    start();
    (void)!supply_want(s, &a.crl_id);
    settle(1);
    says("is away");
    service_be(false, false);
    while (!is_stored(&a.crl_id)) {
        if (supply_want(s, &a.crl_id)) { settle(1); }
    }
    while (supply_counts(s).away) { settle(1); }
    says("AMD's service answers again");
    says("snp-crl-Milan.der: fetched");
    cr_assert_eq(supply_counts(s).outages, 1);
}

Test(supply, a_service_that_does_not_speak_holds_up_nobody_and_not_the_end_either)
{
    amd_pages();
    service_be(false, true);
    start();
    cr_assert(supply_want(s, &a.chain_id));
    cr_assert(supply_want(s, &a.vcek_id));
    cr_assert(supply_want(s, &a.vcek_id), "asking twice is asking once");
    cr_assert_not(in_memory(&a.vcek_id));
    supply_free(s); /* the suite's time limit is twice that of a transfer */
    s = NULL;
    cr_assert_not(is_stored(&a.chain_id));
}

Test(supply, strangers_ask_for_so_many_chips_and_no_more)
{
    struct collateral_id id = a.vcek_id;
    unsigned taken = 0;
    start();
    for (unsigned i = 0; i < 1000; i++) {
        id.chip[1] = (uint8_t)i;
        id.chip[2] = (uint8_t)(i >> 8);
        if (!supply_want(s, &id)) { continue; }
        taken++;
        settle(1);
    }
    cr_assert_geq(taken, 64);
    cr_assert_leq(taken, 200, "%u", taken);
    cr_assert(supply_want(s, &a.chain_id), "what is not theirs to choose is not held up");
}

Test(supply, of_one_moment_only_so_much_is_wanted)
{
    struct collateral_id id = a.vcek_id;
    unsigned taken = 0;
    service_be(false, true);
    start();
    for (unsigned i = 0; i < 60; i++) {
        id.chip[1] = (uint8_t)i;
        taken += supply_want(s, &id);
    }
    cr_assert_geq(taken, 32);
    cr_assert_leq(taken, 33, "one of them may be under way");
}

Test(supply, items_of_the_other_vendor_are_somebody_elses)
{
    start();
    cr_assert_not(supply_want(s, &here));
    cr_assert_not(supply_want(s, &(struct collateral_id){0}));
}

/* ---- Intel, and what is old */

static void store_set(void)
{
    char *text = json_dumps(b.set, 0);
    store_bytes(&here, text, strlen(text));
    free(text);
}

/* As if it had been fetched an hour and a second ago. */
static void make_old(const struct collateral_id *id)
{
    char name[COLLATERAL_NAME_MAX], path[400];
    struct timespec then = {.tv_sec = time(NULL) - 3601};
    collateral_name(id, name);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    cr_assert_eq(utimensat(AT_FDCWD, path, (struct timespec[]){then, then}, 0), 0);
}

static int64_t evaluation(void)
{
    struct err e = {0};
    struct verdict v = {0};
    auto_tdx_collateral c = NULL;
    char *text;
    size_t len;
    cr_assert_eq(collateral_read(&store, &here, &text, &len, &e), 0, "%s", e.text);
    tdx_collateral_open(text, len, b.root_key, &c, &v);
    free(text);
    return c ? (int64_t)c->tcb.evaluation : -1;
}

Test(supply, a_set_of_intels_is_put_together_and_stored)
{
    intel_pages(&b);
    setup_of.intel = true;
    start();
    cr_assert(supply_want(s, &here));
    settle(1);
    cr_assert_eq(evaluation(), 18);
}

Test(supply, what_came_is_not_asked_for_again_at_once_be_it_expired)
{
    char asked[4096];
    intel_pages(&b);
    setup_of.intel = true;
    start();
    cr_assert(supply_want(s, &here));
    settle(1);
    service_asked(asked);
    for (int i = 0; i < 3; i++) { (void)!supply_want(s, &here); }
    supply_free(s); /* whatever it had to do is done, or never will be */
    s = NULL;
    service_asked(asked);
    cr_assert_str_eq(asked, "");
}

Test(supply, what_lies_there_is_not_asked_for)
{
    char asked[4096];
    amd_pages();
    store_bytes(&a.chain_id, a.chain.p, a.chain.len);
    store_bytes(&a.vcek_id, a.vcek.p, a.vcek.len);
    start();
    cr_assert_not(supply_want(s, &a.chain_id));
    cr_assert_not(supply_want(s, &a.vcek_id));
    cr_assert(supply_want(s, &a.crl_id));
    settle(1);
    service_asked(asked);
    cr_assert_str_eq(asked, CRL_PATH "\n");
}

Test(supply, what_is_old_is_asked_for_again_and_what_is_not_is_not)
{
    char asked[4096];
    setup_of.intel = true;
    store_set();
    make_old(&here);
    struct collateral_id young = here;
    young.processor_ca = true; /* whatever is in it, it is not looked at */
    char path[400], name[COLLATERAL_NAME_MAX];
    collateral_name(&young, name);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    cr_assert(f && fclose(f) == 0);
    bench_replace(b.tcb_info, sizeof b.tcb_info, "DataNumber\":18", "DataNumber\":19");
    bench_make(&b);
    intel_pages(&b);
    start();
    settle(1);
    cr_assert_eq(evaluation(), 19);
    service_asked(asked);
    cr_assert_str_eq(asked, TCB "\n" QE "\n" PCK_CRL "\n" ROOT_CRL "\n");
}

Test(supply, an_older_or_unsigned_answer_does_not_replace_what_is_there)
{
    setup_of.intel = true;
    bench_replace(b.tcb_info, sizeof b.tcb_info, "DataNumber\":18", "DataNumber\":19");
    bench_make(&b);
    store_set();
    make_old(&here);
    bench_replace(b.tcb_info, sizeof b.tcb_info, "DataNumber\":19", "DataNumber\":18");
    bench_make(&b);
    intel_pages(&b);
    start();
    settle(1);
    says("older than what is there");
    cr_assert_eq(evaluation(), 19);
    supply_free(s);
    b.tcb_other_signer = true;
    bench_make(&b);
    intel_pages(&b);
    start();
    settle(1);
    says("not taken: tdx-00a06d080000-platform.json");
    cr_assert_eq(evaluation(), 19);
}
