/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an honest guest sends to /attest, on standard output, for tests that then do something else with it.
 *
 * usage: sim_evidence SIM-KEY INITDATA MEASUREMENT GUEST-KEY NONCE       PEM, TOML, hex, PEM (P-256), as /auth gave it
 */
#include "attest/hex.h"
#include "attest/initdata.h"
#include "attest/jose.h"
#include "attest/sim_signer.h"
#include "attest/transcript.h"
#include "attest/verify/sim.h"
#include "guest/base/hosted.h"

#include <string.h>

static char *read_file(const char *path, size_t *out_len)
{
    static char text[2][65536];
    static unsigned used;
    char *to = text[used++ % 2];
    FILE *f = fopen(path, "re");
    *out_len = f ? fread(to, 1, sizeof text[0] - 1, f) : 0;
    to[*out_len] = '\0';
    if (f) { (void)fclose(f); }
    return to;
}

static json_t *document(char **argv, struct sim_signer *signer, const struct crypto_key *key,
                        const uint8_t measurement[48])
{
    size_t len;
    const char *text = read_file(argv[2], &len);
    struct initdata d = {0};
    struct err e = {0};
    uint8_t data[64], host_data[32], report[1184];
    auto_json jwk = NULL;
    auto_json tee_key = NULL;
    if (initdata_parse(text, len, &d, &e) < 0) { return NULL; }
    initdata_field(&d, host_data, sizeof host_data);
    initdata_fini(&d);
    if (jwk_to_json(key, "ECDH-ES+A256KW", false, &jwk) < 0 ||
        transcript_tee_key(jwk, &tee_key, &e) < 0 ||
        transcript_report_data(argv[5], tee_key, "", CRYPTO_SHA384, data, &e) < 0 ||
        sim_signer_report(signer, data, measurement, host_data, report) < 0) {
        return NULL;
    }
    return json_pack("{s:{s:s, s:s}, s:{s:s, s:O}, s:{s:o, s:s}}", "init-data", "format", "toml",
                     "body", text, "runtime-data", "nonce", argv[5], "tee-pubkey", tee_key,
                     "tee-evidence", "primary_evidence", sim_evidence_format(report),
                     "additional_evidence", "");
}

int main(int argc, char **argv)
{
    struct sim_signer *signer = NULL;
    auto_key key = NULL;
    uint8_t measurement[48];
    struct err e = {0};
    size_t len;
    if (argc != 6) {
        (void)fputs("usage: sim_evidence SIM-KEY INITDATA MEASUREMENT GUEST-KEY NONCE\n", stderr);
        return 2;
    }
    const char *pem = read_file(argv[4], &len);
    if (!hex_decode(argv[3], strlen(argv[3]), measurement, sizeof measurement) ||
        crypto_key_from_pem(pem, len, &key) < 0 || sim_signer_open(argv[1], &signer, &e) < 0) {
        return 1;
    }
    auto_json doc = document(argv, signer, key, measurement);
    auto_free char *out = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    sim_signer_free(signer);
    return out && puts(out) >= 0 ? 0 : 1;
}
