/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TDX machine out of Intel's hierarchy with keys of our own (tests/unit/tdx/bench.h): a quote of theirs with our data in
 * it, signed by its attestation key, whose certificates and collateral chain to a root that this broker is told to trust.
 * The collateral is made for today. See kbs_machine.h.
 */
#include "tests/bench/kbs_machine.h"

#include "attest/base64.h"
#include "attest/kbs/evidence/tdx.h"
#include "attest/verify/tdx/eventlog.h"
#include "guest/base/hosted.h"
#include "tests/unit/tdx/bench.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#define DAY 86400

struct tdx {
    struct bench hierarchy; /* made once: its quote is the template */
    struct tdx_endorsements *endorsements;
    struct collateral_keeper *keeper;
    struct tdx_policy policy;
    struct evidence_tdx door;
};

static void day(time_t t, char out[static 32])
{
    struct tm tm;
    (void)strftime(out, 32, "%Y-%m-%dT00:00:00Z", gmtime_r(&t, &tm));
}

/* Collateral issued yesterday and good for a week, in place of the tests' own dates. */
static void date(struct bench *b)
{
    static char utc[2][16];
    char issued[32], next[32];
    struct tm tm;
    time_t yesterday = time(NULL) - DAY, later = yesterday + 7 * DAY;
    day(yesterday, issued);
    day(later, next);
    bench_replace(b->tcb_info, sizeof b->tcb_info, "2026-05-20T00:00:00Z", issued);
    bench_replace(b->tcb_info, sizeof b->tcb_info, "2026-06-19T00:00:00Z", next);
    bench_replace(b->qe_identity, sizeof b->qe_identity, "2026-05-20T00:00:00Z", issued);
    bench_replace(b->qe_identity, sizeof b->qe_identity, "2026-06-19T00:00:00Z", next);
    (void)strftime(utc[0], sizeof utc[0], "%y%m%d000000Z", gmtime_r(&yesterday, &tm));
    (void)strftime(utc[1], sizeof utc[1], "%y%m%d000000Z", gmtime_r(&later, &tm));
    b->root_crl.from = b->pck_crl.from = utc[0];
    b->root_crl.to = b->pck_crl.to = utc[1];
}

/* What our guests do first: initdata into MRCONFIGID and, by one extend, into register 0. */
static void initdata_put(struct bench *b, const uint8_t digest[48])
{
    uint8_t *body = bench_body(b);
    memcpy(body + B_CONFIG_ID, digest, 48);
    memset(body + B_RTMR, 0, 48);
    tdx_rtmr_extend(body + B_RTMR, digest);
}

/* Into a store as cc-attest collateral fills it. */
static int set_store(const struct bench *b, const char *dir, struct err *e)
{
    const struct collateral_store store = {.dir = dir, .tdx_root = b->root_key};
    struct collateral_id id = {.kind = COLLATERAL_TDX};
    auto_free char *text = json_dumps(b->set, JSON_COMPACT);
    memcpy(id.fmspc, b->fmspc, sizeof id.fmspc);
    return text ? collateral_write(&store, &id, text, strlen(text), e)
                : err_set(e, ENOMEM, "out of memory");
}

static int tdx_open(struct bench_machine *m, const char *dir, struct err *e)
{
    struct tdx *t = m->own = calloc(1, sizeof *t);
    if (!t) { return err_set(e, ENOMEM, "out of memory"); }
    struct bench *b = &t->hierarchy;
    bench_init(b);
    date(b);
    initdata_put(b, m->initdata);
    bench_make(b);
    memcpy(m->measurement, bench_body(b) + B_MR_TD, sizeof m->measurement);
    int rc = set_store(b, dir, e);
    if (rc < 0) { return rc; }
    tdx_policy_default(&t->policy);
    t->endorsements = tdx_endorsements_new(b->root_key);
    t->keeper = collateral_keeper_new(dir, b->root_key);
    if (!t->endorsements || !t->keeper) { return err_set(e, ENOMEM, "out of memory"); }
    t->door = (struct evidence_tdx){
        .endorsements = t->endorsements, .keeper = t->keeper, .policy = &t->policy};
    return 0;
}

static void tdx_close(struct bench_machine *m)
{
    struct tdx *t = m->own;
    if (!t) { return; }
    tdx_endorsements_free(t->endorsements);
    collateral_keeper_free(t->keeper);
    bench_fini(&t->hierarchy);
    free(t);
}

/* Report data and the quote's own signature change; what certifies the key stays, as on a machine. */
static int tdx_evidence(struct bench_machine *m, const uint8_t data[BENCH_REPORT_DATA],
                        json_t **out, struct err *e)
{
    const struct tdx *t = m->own;
    const struct bench *b = &t->hierarchy;
    uint8_t quote[sizeof b->quote];
    char text[(sizeof quote + 2) / 3 * 4 + 1];
    memcpy(quote, b->quote, b->quote_len);
    memcpy(quote + Q4_BODY + B_REPORT_DATA, data, BENCH_REPORT_DATA);
    bench_sign(b->ak, quote, b->head_len, quote + b->head_len + 4);
    b64_encode(quote, b->quote_len, text);
    *out = json_pack("{s:s}", "quote", text);
    return *out ? 0 : err_set(e, ENOMEM, "out of memory");
}

static struct verifier tdx_verifier(struct bench_machine *m)
{
    struct tdx *t = m->own;
    return evidence_tdx_verifier(&t->door);
}

const struct bench_ops bench_tdx = {
    /* the chain behind the attestation key is looked at once per machine */
    .kind = {.name = "tdx",
             .tee = "tdx",
             .verify_p256 = 1,
             .rule = ",\"for\":\"application\""}, /* no registers are sent, so it is not init */
    .open = tdx_open,
    .close = tdx_close,
    .evidence = tdx_evidence,
    .verifier = tdx_verifier,
};
