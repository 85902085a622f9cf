/* SPDX-License-Identifier: Apache-2.0 */
/* The software TEE with a key of its own, and CoCo's evidence of no TEE at all. See kbs_machine.h. */
#include "tests/bench/kbs_machine.h"

#include "attest/base64.h"
#include "attest/kbs/evidence/sample.h"
#include "attest/kbs/evidence/sim.h"
#include "attest/sim_signer.h"
#include "attest/verify/sim.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

struct sim {
    struct sim_signer *signer;
    struct crypto_key *key[1]; /* the signer's */
    struct evidence_sim door;
};

static int sim_open(struct bench_machine *m, const char *dir, struct err *e)
{
    char path[PATH_MAX];
    struct sim *s = calloc(1, sizeof *s);
    if (!s) { return err_set(e, ENOMEM, "out of memory"); }
    m->own = s;
    memset(m->measurement, 0xab, sizeof m->measurement);
    (void)snprintf(path, sizeof path, "%s/sim.key", dir);
    int rc = sim_signer_open(path, &s->signer, e);
    if (rc < 0) { return rc; }
    s->key[0] = (struct crypto_key *)(uintptr_t)sim_signer_key(s->signer);
    s->door = (struct evidence_sim){.keys = s->key, .count = 1};
    return 0;
}

static void sim_close(struct bench_machine *m)
{
    struct sim *s = m->own;
    if (s) { sim_signer_free(s->signer); }
    free(s);
}

static int sim_evidence(struct bench_machine *m, const uint8_t data[BENCH_REPORT_DATA],
                        json_t **out, struct err *e)
{
    const struct sim *s = m->own;
    uint8_t report[SNP_REPORT_SIZE];
    int rc = sim_signer_report(s->signer, data, m->measurement, m->initdata, report);
    if (rc < 0) { return err_set(e, -rc, "sim report: cannot be signed"); }
    *out = sim_evidence_format(report);
    return *out ? 0 : err_set(e, ENOMEM, "out of memory");
}

static struct verifier sim_verifier(struct bench_machine *m)
{
    struct sim *s = m->own;
    return evidence_sim_verifier(&s->door);
}

const struct bench_ops bench_sim = {
    .kind = {.name = "sim", .tee = SIM_TEE_NAME, .verify_p384 = 1},
    .open = sim_open,
    .close = sim_close,
    .evidence = sim_evidence,
    .verifier = sim_verifier,
};

/* ---- sample: the bare digest, which nobody signs ------------------------------------------------- */

static int sample_open(struct bench_machine *m, const char *dir, struct err *e)
{
    (void)m, (void)dir, (void)e;
    return 0;
}

static void sample_close(struct bench_machine *m) { (void)m; }

static int sample_evidence(struct bench_machine *m, const uint8_t data[BENCH_REPORT_DATA],
                           json_t **out, struct err *e)
{
    char text[CRYPTO_SHA384_SIZE / 3 * 4 + 1];
    (void)m;
    b64_encode(data, CRYPTO_SHA384_SIZE, text);
    *out = json_pack("{s:s, s:s}", "svn", "1", "report_data", text);
    return *out ? 0 : err_set(e, ENOMEM, "out of memory");
}

static struct verifier sample_verifier(struct bench_machine *m)
{
    (void)m;
    return evidence_sample_verifier();
}

const struct bench_ops bench_sample = {
    .kind = {.name = "sample", .tee = "sample"},
    .open = sample_open,
    .close = sample_close,
    .evidence = sample_evidence,
    .verifier = sample_verifier,
};
