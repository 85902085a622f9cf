/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the 64 bytes of report data bind. Both ends of a handshake call this one file, so they
 * cannot disagree.
 */
#ifndef CASEMATE_ATTEST_TRANSCRIPT_H
#define CASEMATE_ATTEST_TRANSCRIPT_H

#include "attest/abi/evidence.h"
#include "attest/crypto.h"
#include "attest/json.h"

#define TRANSCRIPT_REPORT_DATA 64

/*
 * A TEE key reduced to the members that are hashed: kty, crv, alg, x, y, or kty, alg, n, e; all
 * required, all strings. Whatever else the JWK holds is dropped, as the CoCo broker does. out: a
 * new reference.
 */
MUST_CHECK int transcript_tee_key(const json_t *jwk, json_t **out, struct err *e);

/*
 * Report data of the KBS protocol 0.4.0: H over the canonical {"additional-evidence", "nonce",
 * "tee-pubkey"}, zeros to 64.
 *
 * nonce       the challenge's string as it came, never decoded
 * tee_key     from transcript_tee_key()
 * additional  the additional evidence's string, "" = none: the member is hashed even then
 * h           CRYPTO_SHA384 unless the challenge selected another
 */
MUST_CHECK int transcript_report_data(const char *nonce, const json_t *tee_key,
                                      const char *additional, enum crypto_hash h,
                                      uint8_t out[TRANSCRIPT_REPORT_DATA], struct err *e);

/* The same for a further device: over {"nonce", "tee-pubkey"} alone. */
MUST_CHECK int transcript_device_data(const char *nonce, const json_t *tee_key, enum crypto_hash h,
                                      uint8_t out[TRANSCRIPT_REPORT_DATA], struct err *e);

/* The runtime registers as the additional evidence's string; heap text, freed by the caller. */
struct transcript_registers {
    uint32_t launch_flags;
    uint8_t value[REPORT_REGISTERS][REPORT_REGISTER_SIZE];
};
MUST_CHECK int transcript_registers_format(const struct transcript_registers *g, char **out,
                                           struct err *e);
/* "" gives *out_present = false and zeros. Unknown members are refused. */
MUST_CHECK int transcript_registers_parse(const char *additional, struct transcript_registers *out,
                                          bool *out_present, struct err *e);

/* The register form (evidence.h) of the caller's 64 bytes. */
void transcript_register_form(const struct transcript_registers *g, bool sealed,
                              const uint8_t data[TRANSCRIPT_REPORT_DATA],
                              uint8_t out[TRANSCRIPT_REPORT_DATA]);
/* Does report data end in the register form's mark? */
bool transcript_is_register_form(const uint8_t data[TRANSCRIPT_REPORT_DATA]);

#endif
