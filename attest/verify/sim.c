/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See sim.h. Reads bytes of strangers. Parsing is strict by construction: the varying fields
 * are taken out, the report is built again from them, and every other byte must be what we would
 * have written.
 */
#include "attest/verify/sim.h"

#include "attest/base64.h"
#include "attest/hex.h"
#include "attest/json.h"
#include "guest/base/ct.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct verdict_code sim_codes[SIM_CODE_COUNT] = {
    [SIM_EVIDENCE] = {"sim-evidence", "parse", "", "evidence",
                      "the evidence is JSON, but not {\"report\":\"<base64>\"}",
                      "give the report's 1184 bytes or the primary evidence as the guest sent it"},
    [SIM_SIZE] = {"sim-size", "parse", "", "size", "the report has the wrong size",
                  "give the whole report and nothing else"},
    [SIM_VERSION] = {"sim-version", "parse", "", "version", "this is not a sim report",
                     "give the kind of evidence by --type; a real SNP report is not sim"},
    [SIM_FIELD] = {"sim-field", "parse", "", "fixed fields",
                   "a byte that every sim report has alike is another one",
                   "the report was changed on its way, or made by something else than cc-run"},
    [SIM_KEY] = {"sim-key", "chain", "", "sim_key",
                 "the report names a sim key that nobody enabled here",
                 "enable that machine's key (`cc-attest sim-key` there) if its word is enough"},
    [SIM_SIGNATURE] = {"sim-signature", "signature", "", "signature",
                       "the signature of this machine's key is wrong",
                       "the report was changed after it was signed: get a new one"},
    [SIM_REPORT_DATA] = {"sim-report-data", "freshness", "", "report_data",
                         "report data does not bind this nonce and key",
                         "the evidence is old or another guest's: attest again"},
    [SIM_MEASUREMENT] = {"sim-measurement", "measurement", "", "measurement",
                         "the launch digest is not one of the reference values",
                         "compare with `cc-attest measure` over the images that were started"},
    [SIM_HOST_DATA] = {"sim-host-data", "policy", "", "host_data",
                       "the guest was started with other initdata",
                       "register the digest of the initdata in use, or start with the right one"},
};

static bool parse(const uint8_t *report, size_t len, struct sim_facts *out, struct verdict *v)
{
    uint8_t again[SNP_REPORT_SIZE];
    char found[32];
    (void)snprintf(found, sizeof found, "%zu", len);
    if (!verdict_check(v, len == SNP_REPORT_SIZE, &sim_codes[SIM_SIZE], found, "1184")) {
        return false;
    }
    memcpy(out->report_data, report + SNP_REPORT_REPORT_DATA, sizeof out->report_data);
    memcpy(out->measurement, report + SNP_REPORT_MEASUREMENT, sizeof out->measurement);
    memcpy(out->host_data, report + SNP_REPORT_HOST_DATA, sizeof out->host_data);
    memcpy(out->key_sha384, report + SNP_REPORT_AUTHOR_KEY_DIGEST, sizeof out->key_sha384);
    sim_report_fill(out, again);
    for (size_t i = 0; i < SNP_REPORT_SIZE; i++) {
        bool sig = (i >= SNP_REPORT_R && i < SNP_REPORT_R + 48) ||
                   (i >= SNP_REPORT_S && i < SNP_REPORT_S + 48);
        if (sig || report[i] == again[i]) { continue; }
        char wanted[8];
        (void)snprintf(found, sizeof found, "%02x", report[i]);
        (void)snprintf(wanted, sizeof wanted, "%02x", again[i]);
        verdict_refuse(v, &sim_codes[i < SNP_REPORT_VERSION + 4 ? SIM_VERSION : SIM_FIELD], found,
                       wanted, "byte 0x%03zx is not what every sim report has there", i);
        return false;
    }
    return true;
}

static void take_reversed(uint8_t *to, const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++) { to[i] = from[n - 1 - i]; }
}

static void check_signature(const uint8_t *report, const struct sim_facts *f,
                            const struct sim_demand *d, struct verdict *v)
{
    uint8_t digest[CRYPTO_SHA384_SIZE], sig[96], fingerprint[CRYPTO_SHA384_SIZE];
    char found[HEX_LEN(CRYPTO_SHA384_SIZE)];
    sim_report_digest(report, digest);
    take_reversed(sig, report + SNP_REPORT_R, 48);
    take_reversed(sig + 48, report + SNP_REPORT_S, 48);
    hex_encode(f->key_sha384, sizeof f->key_sha384, found);

    for (size_t i = 0; i < d->insecure_key_count; i++) {
        uint8_t *spki;
        size_t len;
        if (crypto_key_to_spki(d->insecure_keys[i], &spki, &len) < 0) { continue; }
        crypto_sha384(spki, len, fingerprint);
        free(spki);
        if (memcmp(fingerprint, f->key_sha384, sizeof fingerprint) != 0) { continue; }
        verdict_check(v, true, &sim_codes[SIM_KEY], found, "one of the sim keys enabled");
        bool good =
            crypto_key_type(d->insecure_keys[i]) == CRYPTO_P384 &&
            crypto_ecdsa_verify(d->insecure_keys[i], digest, sizeof digest, sig, sizeof sig) == 0;
        verdict_check(v, good, &sim_codes[SIM_SIGNATURE], good ? "verifies" : "does not verify",
                      "verifies with the sim key");
        return;
    }
    verdict_check(v, false, &sim_codes[SIM_KEY], found,
                  d->insecure_key_count ? "one of the sim keys enabled" : "none is enabled");
}

static void check_measurement(const struct sim_facts *f, const struct sim_demand *d,
                              struct verdict *v)
{
    char found[HEX_LEN(SNP_MEASUREMENT_SIZE)];
    const uint8_t *wanted = d->measurement_count ? d->measurements[0] : NULL;
    if (!wanted) {
        hex_encode(f->measurement, sizeof f->measurement, found);
        verdict_unbound(v, "measurement", found);
        return;
    }
    for (size_t i = 0; i < d->measurement_count; i++) {
        if (memcmp(f->measurement, d->measurements[i], SNP_MEASUREMENT_SIZE) == 0) {
            wanted = d->measurements[i];
        }
    }
    verdict_check_bytes(v, memcmp(f->measurement, wanted, SNP_MEASUREMENT_SIZE) == 0,
                        &sim_codes[SIM_MEASUREMENT], f->measurement, wanted, SNP_MEASUREMENT_SIZE);
}

/* A field that must be exactly this, if anything was demanded; at most 64 bytes. */
static void check_equal(struct verdict *v, const struct verdict_code *code, const uint8_t *found,
                        const uint8_t *wanted, size_t len)
{
    char hex[HEX_LEN(64)];
    if (wanted) {
        verdict_check_bytes(v, ct_eq(found, wanted, len), code, found, wanted, len);
    } else {
        hex_encode(found, len, hex);
        verdict_unbound(v, code->field, hex);
    }
}

void verify_sim(const uint8_t *report, size_t len, const struct sim_demand *d,
                struct sim_facts *out_facts, struct verdict *v)
{
    struct sim_facts f;
    if (!parse(report, len, &f, v)) { return; }
    *out_facts = f;
    check_signature(report, &f, d, v);
    check_equal(v, &sim_codes[SIM_REPORT_DATA], f.report_data, d->report_data,
                sizeof f.report_data);
    check_measurement(&f, d, v);
    check_equal(v, &sim_codes[SIM_HOST_DATA], f.host_data, d->host_data, sizeof f.host_data);
    verdict_close(v);
}

int sim_evidence_parse(const json_t *primary, uint8_t out_report[SNP_REPORT_SIZE], struct err *e)
{
    const char *text;
    size_t len;
    int r = json_get_text("sim evidence", primary, "report", &text, e);
    if (r < 0) { return r; }
    if (json_object_size(primary) != 1) {
        return err_set(e, EBADMSG, "sim evidence: members beside \"report\"");
    }
    r = b64_decode(text, strlen(text), out_report, SNP_REPORT_SIZE, &len);
    if (r < 0 || len != SNP_REPORT_SIZE) {
        return err_set(e, EBADMSG, "sim evidence: \"report\" is not %d bytes in base64",
                       SNP_REPORT_SIZE);
    }
    return 0;
}

json_t *sim_evidence_format(const uint8_t report[SNP_REPORT_SIZE])
{
    char text[(SNP_REPORT_SIZE + 2) / 3 * 4 + 1];
    b64_encode(report, SNP_REPORT_SIZE, text);
    return json_pack("{s:s}", "report", text);
}
