/* SPDX-License-Identifier: Apache-2.0 */
/* Machines of all kinds, and what judging their evidence costs without a broker around it. See kbs.h. */
#include "tests/bench/kbs_machine.h"

#include "attest/initdata.h"
#include "attest/jose.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define VERIFY_ROUNDS 20

static const struct bench_ops *const all[] = {&bench_sim, &bench_sample, &bench_snp, &bench_tdx};

const struct bench_kind *bench_kind_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        if (strcmp(all[i]->kind.name, name) == 0) { return &all[i]->kind; }
    }
    return NULL;
}

int bench_machine_new(const struct bench_kind *kind, const char *dir, struct bench_machine **out,
                      struct err *e)
{
    struct bench_machine *m = calloc(1, sizeof *m);
    auto_initdata d = {0};
    if (!m) { return err_set(e, ENOMEM, "out of memory"); }
    m->ops = all[0];
    for (size_t i = 0; &m->ops->kind != kind; i++) { m->ops = all[i]; }
    int rc = initdata_parse(BENCH_INITDATA, strlen(BENCH_INITDATA), &d, e);
    if (rc == 0) {
        initdata_field(&d, m->initdata, sizeof m->initdata);
        rc = m->ops->open(m, dir, e);
    }
    if (rc < 0) {
        bench_machine_free(m);
        return rc;
    }
    *out = m;
    return 0;
}

void bench_machine_free(struct bench_machine *m)
{
    if (!m) { return; }
    m->ops->close(m);
    free(m);
}

int bench_machine_evidence(struct bench_machine *m, const uint8_t data[BENCH_REPORT_DATA],
                           json_t **out, struct err *e)
{
    return m->ops->evidence(m, data, out, e);
}

/* ---- verification alone ------------------------------------------------------------------------ */

static double cpu_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int judge(const struct verifier *v, const struct evidence *ev, struct err *e)
{
    auto_claims c = {0};
    struct verdict verdict = {0};
    v->verify(v->ctx, ev, &c, &verdict);
    if (verdict.result == VERDICT_ACCEPTED) { return 0; }
    return err_set(e, EACCES, "the evidence is refused: %s", verdict.reasons[0].text);
}

int bench_machine_verify_us(struct bench_machine *m, double *out_us, struct err *e)
{
    static const char nonce[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    auto_key key = NULL;
    auto_json jwk = NULL;
    auto_json tee_key = NULL;
    auto_json primary = NULL;
    uint8_t data[BENCH_REPORT_DATA];
    int rc = crypto_key_generate(CRYPTO_P256, 0, &key);
    if (rc == 0) { rc = jwk_to_json(key, "ECDH-ES+A256KW", false, &jwk); }
    if (rc < 0) { return err_set(e, -rc, "no key"); }
    rc = transcript_tee_key(jwk, &tee_key, e);
    if (rc == 0) { rc = transcript_report_data(nonce, tee_key, "", CRYPTO_SHA384, data, e); }
    if (rc == 0) { rc = bench_machine_evidence(m, data, &primary, e); }
    if (rc < 0) { return rc; }
    const struct evidence ev = {
        .primary = primary,
        .additional = "",
        .nonce = nonce,
        .tee_key = tee_key,
        .initdata = {.p = (const uint8_t *)BENCH_INITDATA, .len = strlen(BENCH_INITDATA)},
        .now = (int64_t)time(NULL),
    };
    const struct verifier v = m->ops->verifier(m);
    rc = judge(&v, &ev, e); /* what is worked out once per platform is not counted */
    double start = cpu_us();
    for (int i = 0; rc == 0 && i < VERIFY_ROUNDS; i++) { rc = judge(&v, &ev, e); }
    if (rc < 0) { return rc; }
    *out_us = (cpu_us() - start) / VERIFY_ROUNDS;
    return 0;
}
