/* SPDX-License-Identifier: Apache-2.0 */
/* cc-attest verify --type sim */
#include "attest/cli/judge.h"

#include "attest/hex.h"
#include "attest/json.h"
#include "attest/verify/sim.h"

#include <errno.h>
#include <string.h>

#define DIGESTS_MAX 64

struct demands {
    uint8_t report_data[SNP_REPORT_DATA_SIZE], host_data[SNP_HOST_DATA_SIZE];
    uint8_t measurements[DIGESTS_MAX][SNP_MEASUREMENT_SIZE];
    struct sim_demand demand;
};

static int take_hex(const json_t *v, const char *name, uint8_t *out, size_t len, struct err *e)
{
    if (!json_is_string(v) || !hex_decode(json_string_value(v), json_string_length(v), out, len)) {
        return err_set(e, EINVAL, "policy: %s: wanted %zu digits of lower-case hex", name, 2 * len);
    }
    return 0;
}

static int take_measurements(struct demands *d, const json_t *list, struct err *e)
{
    size_t count = json_array_size(list);
    if (count == 0 || count > DIGESTS_MAX) {
        return err_set(e, EINVAL, "policy: measurements: wanted a list of 1 to %d", DIGESTS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        int r = take_hex(json_array_get(list, i), "measurements", d->measurements[i],
                         SNP_MEASUREMENT_SIZE, e);
        if (r < 0) { return r; }
    }
    d->demand.measurements = d->measurements;
    d->demand.measurement_count = count;
    return 0;
}

static int take_policy(struct demands *d, json_t *policy, struct err *e)
{
    const char *name;
    json_t *v;
    int r = 0;
    json_object_foreach (policy, name, v) {
        if (strcmp(name, "report_data") == 0) {
            r = take_hex(v, name, d->report_data, sizeof d->report_data, e);
            d->demand.report_data = d->report_data;
        } else if (strcmp(name, "host_data") == 0) {
            r = take_hex(v, name, d->host_data, sizeof d->host_data, e);
            d->demand.host_data = d->host_data;
        } else if (strcmp(name, "measurements") == 0) {
            r = take_measurements(d, v, e);
        } else {
            r = err_set(e, EINVAL, "policy: unknown member \"%.60s\"", name);
        }
        if (r < 0) { return r; }
    }
    return 0;
}

/*
 * Raw bytes as they are; JSON as a guest sends it. What is neither is judged, too: as a report of
 * the wrong size.
 */
static void judge_bytes(const char *bytes, size_t len, const struct sim_demand *d,
                        struct sim_facts *facts, struct verdict *v)
{
    uint8_t report[SNP_REPORT_SIZE];
    struct err e = {0};
    auto_json doc = NULL;
    if (len == 0 || bytes[0] != '{') {
        verify_sim((const uint8_t *)bytes, len, d, facts, v);
    } else if (json_load_strict("evidence", bytes, len, len, &doc, &e) < 0 ||
               sim_evidence_parse(doc, report, &e) < 0) {
        verdict_refuse(v, &sim_codes[SIM_EVIDENCE], "JSON that is no evidence",
                       "{\"report\":\"<base64>\"}", "%s", e.text);
    } else {
        verify_sim(report, sizeof report, d, facts, v);
    }
}

static int run(const struct judge_input *in, struct verdict *v, json_t *claims, struct err *e)
{
    struct demands d = {.demand = {.insecure_keys = (const struct crypto_key *const *)in->sim_keys,
                                   .insecure_key_count = in->sim_key_count}};
    struct sim_facts f = {0};
    auto_json policy = NULL;
    int r = judge_policy(in, &policy, e);
    if (r == 0) { r = take_policy(&d, policy, e); }
    if (r < 0) { return r; }
    judge_bytes(in->file[JUDGE_EVIDENCE].bytes, in->file[JUDGE_EVIDENCE].len, &d.demand, &f, v);

    /* What does not parse claims nothing. */
    if (v->reason_count && strcmp(v->reasons[0].check, "parse") == 0) { return 0; }
    (void)json_object_set_new(claims, "tee", json_string("sim"));
    judge_claim_hex(claims, "measurement", f.measurement, sizeof f.measurement);
    judge_claim_hex(claims, "host_data", f.host_data, sizeof f.host_data);
    judge_claim_hex(claims, "report_data", f.report_data, sizeof f.report_data);
    judge_claim_hex(claims, "sim_key", f.key_sha384, sizeof f.key_sha384);
    return 0;
}

const struct judge judge_sim = {.type = "sim",
                                .files = 1u << JUDGE_EVIDENCE | 1u << JUDGE_POLICY,
                                .sim_keys = true,
                                .run = run};
