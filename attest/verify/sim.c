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

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool parse(const uint8_t *report, size_t len, struct sim_facts *out, struct verdict *v)
{
    uint8_t again[SNP_REPORT_SIZE];
    char found[32];
    if (len != SNP_REPORT_SIZE) {
        (void)snprintf(found, sizeof found, "%zu", len);
        verdict_refuse(v, "parse", "sim-size", found, "1184", "the report has the wrong size");
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
        if (i < SNP_REPORT_VERSION + 4) {
            verdict_refuse(v, "parse", "sim-version", found, wanted,
                           "this is not a sim report (byte %zu)", i);
        } else {
            verdict_refuse(v, "parse", "sim-field", found, wanted, "byte 0x%03zx of the report", i);
        }
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
        if (crypto_key_type(d->insecure_keys[i]) == CRYPTO_P384 &&
            crypto_ecdsa_verify(d->insecure_keys[i], digest, sizeof digest, sig, sizeof sig) == 0) {
            return;
        }
        verdict_refuse(v, "signature", "sim-signature", found, found,
                       "the signature of this machine's key is wrong");
        return;
    }
    verdict_refuse(v, "chain", "sim-key", found,
                   d->insecure_key_count ? "one of the sim keys that were enabled" : "none enabled",
                   "the report names a sim key that nobody enabled here");
}

static void check_measurement(const struct sim_facts *f, const struct sim_demand *d,
                              struct verdict *v)
{
    if (d->measurement_count == 0) {
        verdict_unbound(v, "measurement");
        return;
    }
    for (size_t i = 0; i < d->measurement_count; i++) {
        if (memcmp(f->measurement, d->measurements[i], SNP_MEASUREMENT_SIZE) == 0) { return; }
    }
    verdict_refuse_bytes(v, "measurement", "sim-measurement", f->measurement, d->measurements[0],
                         SNP_MEASUREMENT_SIZE,
                         "the launch digest is not one of the reference values");
}

void verify_sim(const uint8_t *report, size_t len, const struct sim_demand *d,
                struct sim_facts *out_facts, struct verdict *v)
{
    struct sim_facts f;
    if (!parse(report, len, &f, v)) { return; }
    *out_facts = f;
    check_signature(report, &f, d, v);
    if (!d->report_data) {
        verdict_unbound(v, "report_data");
    } else if (memcmp(f.report_data, d->report_data, sizeof f.report_data) != 0) {
        verdict_refuse_bytes(v, "freshness", "sim-report-data", f.report_data, d->report_data,
                             sizeof f.report_data, "report data does not bind this nonce and key");
    }
    check_measurement(&f, d, v);
    if (!d->host_data) {
        verdict_unbound(v, "host_data");
    } else if (memcmp(f.host_data, d->host_data, sizeof f.host_data) != 0) {
        verdict_refuse_bytes(v, "policy", "sim-host-data", f.host_data, d->host_data,
                             sizeof f.host_data, "the guest was started with other initdata");
    }
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
