/* SPDX-License-Identifier: Apache-2.0 */
/* Machines that sign what guests ask them to. See kbs.h. */
#include "tests/bench/kbs_machine.h"

#include "attest/base64.h"
#include "attest/initdata.h"
#include "attest/verify/sim.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static int sim_evidence(struct bench_machine *m, const uint8_t data[BENCH_REPORT_DATA],
                        json_t **out, struct err *e)
{
    uint8_t report[SNP_REPORT_SIZE];
    int rc = sim_signer_report(m->sim, data, m->measurement, m->host_data, report);
    if (rc < 0) { return err_set(e, -rc, "sim report: cannot be signed"); }
    *out = sim_evidence_format(report);
    return *out ? 0 : err_set(e, ENOMEM, "out of memory");
}

/* CoCo's evidence of no TEE at all: the bare digest, which nobody signs. [coco §6.2] */
static int sample_evidence(struct bench_machine *m, const uint8_t data[BENCH_REPORT_DATA],
                           json_t **out, struct err *e)
{
    char text[CRYPTO_SHA384_SIZE / 3 * 4 + 1];
    (void)m;
    b64_encode(data, CRYPTO_SHA384_SIZE, text);
    *out = json_pack("{s:s, s:s}", "svn", "1", "report_data", text);
    return *out ? 0 : err_set(e, ENOMEM, "out of memory");
}

static const struct {
    struct bench_kind kind;
    int (*evidence)(struct bench_machine *m, const uint8_t data[BENCH_REPORT_DATA], json_t **out,
                    struct err *e);
} kinds[] = {
    {{.name = "sim", .tee = SIM_TEE_NAME, .verify_p384 = 1}, sim_evidence},
    {{.name = "sample", .tee = "sample"}, sample_evidence},
};

const struct bench_kind *bench_kind_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (strcmp(kinds[i].kind.name, name) == 0) { return &kinds[i].kind; }
    }
    return NULL;
}

int bench_machine_new(const struct bench_kind *kind, const char *dir, struct bench_machine **out,
                      struct err *e)
{
    char path[PATH_MAX];
    struct bench_machine *m = calloc(1, sizeof *m);
    struct initdata d;
    if (!m) { return err_set(e, ENOMEM, "out of memory"); }
    m->kind = kind;
    memset(m->measurement, 0xab, sizeof m->measurement);
    (void)snprintf(path, sizeof path, "%s/sim.key", dir);
    int rc = initdata_parse(BENCH_INITDATA, strlen(BENCH_INITDATA), &d, e);
    if (rc == 0) {
        initdata_field(&d, m->host_data, sizeof m->host_data);
        initdata_field(&d, m->initdata, sizeof m->initdata);
        initdata_fini(&d);
        rc = sim_signer_open(path, &m->sim, e);
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
    sim_signer_free(m->sim);
    free(m);
}

int bench_machine_evidence(struct bench_machine *m, const uint8_t data[BENCH_REPORT_DATA],
                           json_t **out, struct err *e)
{
    size_t i = 0;
    while (&kinds[i].kind != m->kind) { i++; }
    return kinds[i].evidence(m, data, out, e);
}
