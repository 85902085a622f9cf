/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What evidence of any kind must bind, worked out from our side of the handshake: the nonce we
 * made, the key the guest showed, the initdata it sent, the registers it tells of.
 *
 * Report data has one of two forms [design §4.7]:
 *
 *   raw             only a guest that is not sealed yet gets one. Registers, if it tells them, are
 *                   what the measured init wrote into the additional evidence, bound by report
 *                   data.
 *   register form   report data is a hash over launch flags, phase, registers and what the caller
 *                   wanted bound, so the ward itself speaks for all of them. (SNP and sim; TDX has
 *                   registers of its own.)
 *
 * Where registers are told, register 0 must be the initdata: two roads to one digest that have to
 * agree.
 */
#ifndef CASEMATE_ATTEST_VERIFY_BINDING_H
#define CASEMATE_ATTEST_VERIFY_BINDING_H

#include "attest/initdata.h"
#include "attest/transcript.h"
#include "attest/verify/verdict.h"
#include "guest/base/cur.h"

struct binding {
    uint8_t report_data[TRANSCRIPT_REPORT_DATA]; /* raw form */
    uint8_t initdata[CRYPTO_HASH_MAX];           /* digest, by the algorithm the text names */
    size_t initdata_len;
    uint8_t host_data[INITDATA_FIELD_SNP];
    uint8_t mr_config_id[INITDATA_FIELD_TDX];
    uint8_t register0[INITDATA_REGISTER];
    struct transcript_registers registers; /* zeros when there are none */
    bool has_registers;
};

/*
 * nonce       the challenge's text
 * tee_key     from transcript_tee_key()
 * additional  additional evidence, "" = none
 * initdata    the exact text; empty = the guest sent none, and every field that would hold their
 *             digest has to be zero, so that nobody can hide those he was started with
 */
MUST_CHECK int binding_make(const char *nonce, const json_t *tee_key, const char *additional,
                            struct view initdata, struct binding *out, struct err *e);

/*
 * What the report data found in evidence has to be, given the form it has, before it is compared.
 * Returns whether the guest speaks after its seal; only the register form can say so.
 */
bool binding_report_data(const struct binding *b, const uint8_t found[TRANSCRIPT_REPORT_DATA],
                         uint8_t out_wanted[TRANSCRIPT_REPORT_DATA]);

enum binding_code { BINDING_LAUNCH_FLAGS, BINDING_REGISTER_INITDATA, BINDING_CODE_COUNT };
extern const struct verdict_code binding_codes[BINDING_CODE_COUNT];

/* What the guest tells about itself, before anybody asks whether it is bound. */
void binding_check_registers(const struct binding *b, struct verdict *v);

#endif
