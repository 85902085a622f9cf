/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims and their form in a token. The place of each member is CoCo's, so that policies written for it find what they
 * look for; `phase` and `registers` are ours. [coco §5.2, §5.3]
 */
#include "attest/kbs/claims.h"

#include <errno.h>
#include <string.h>

void claims_fini(struct claims *c)
{
    json_decref(c->tee_key);
    *c = (struct claims){0};
}

static const char *phase_name(enum claims_phase p)
{
    return p == CLAIMS_PHASE_APPLICATION ? "application" : "init";
}

int claims_to_json(const struct claims *c, const char *nonce, const char *status, json_t **out,
                   struct err *e)
{
    char measurement[HEX_LEN(CLAIMS_MEASUREMENT)], report_data[HEX_LEN(CLAIMS_REPORT_DATA)];
    char initdata[HEX_LEN(CLAIMS_INITDATA_MAX)], reg[HEX_LEN(CLAIMS_REGISTER)];
    hex_encode(c->measurement, sizeof c->measurement, measurement);
    hex_encode(c->report_data, sizeof c->report_data, report_data);
    hex_encode(c->initdata, c->initdata_len, initdata);

    auto_json tee =
        json_pack("{s:s, s:s}", "measurement", measurement, "phase", phase_name(c->phase));
    if (tee && c->has_registers) {
        json_t *regs = json_array();
        for (size_t i = 0; i < CLAIMS_REGISTERS; i++) {
            hex_encode(c->registers[i], CLAIMS_REGISTER, reg);
            (void)json_array_append_new(regs, json_string(reg));
        }
        (void)json_object_set_new(tee, "registers", regs);
    }
    json_t *submod =
        json_pack("{s:s, s:s, s:{s:O, s:s, s:s, s:{s:s, s:O}}}", "ear.status", status,
                  "ear.appraisal-policy-id", "default", "ear.veraison.annotated-evidence", c->tee,
                  tee, "report_data", report_data, "init_data", initdata, "runtime_data_claims",
                  "nonce", nonce, "tee-pubkey", c->tee_key);
    if (!submod) { return err_set(e, ENOMEM, "token: claims cannot be written"); }
    *out = submod;
    return 0;
}

static int hex_member(const json_t *obj, const char *name, uint8_t *out, size_t len, struct err *e)
{
    const char *text;
    int rc = json_get_text("token", obj, name, &text, e);
    if (rc < 0) { return rc; }
    if (!hex_decode(text, strlen(text), out, len)) {
        return err_set(e, EBADMSG, "token: %s is not %zu bytes of hex", name, len);
    }
    return 0;
}

static int initdata_read(const json_t *evidence, struct claims *c, struct err *e)
{
    const char *text;
    int rc = json_get_text("token", evidence, "init_data", &text, e);
    if (rc < 0) { return rc; }
    static const size_t sizes[] = {32, 48, 64};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        if (hex_decode(text, strlen(text), c->initdata, sizes[i])) {
            c->initdata_len = sizes[i];
            return 0;
        }
    }
    return err_set(e, EBADMSG, "token: init_data is not a digest");
}

static int registers_read(const json_t *tee, struct claims *c, struct err *e)
{
    const json_t *regs = json_object_get(tee, "registers");
    if (!regs) { return 0; }
    if (json_array_size(regs) != CLAIMS_REGISTERS) {
        return err_set(e, EBADMSG, "token: registers are not four");
    }
    for (size_t i = 0; i < CLAIMS_REGISTERS; i++) {
        const char *text = json_string_value(json_array_get(regs, i));
        if (!text || !hex_decode(text, strlen(text), c->registers[i], CLAIMS_REGISTER)) {
            return err_set(e, EBADMSG, "token: register %zu is not %d bytes of hex", i,
                           CLAIMS_REGISTER);
        }
    }
    c->has_registers = true;
    return 0;
}

/* The one member of the evidence that is an object and not CoCo's own is the TEE's. */
static int tee_find(const json_t *evidence, struct claims *c, json_t **out, struct err *e)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)evidence, name, value) {
        if (!json_is_object(value) || strcmp(name, "runtime_data_claims") == 0 ||
            strcmp(name, "init_data_claims") == 0) {
            continue;
        }
        if (*out || strlen(name) >= CLAIMS_TEE_MAX) {
            return err_set(e, EBADMSG, "token: more than one TEE");
        }
        memcpy(c->tee, name, strlen(name) + 1);
        *out = value;
    }
    return *out ? 0 : err_set(e, EBADMSG, "token: no TEE in the evidence");
}

int claims_from_json(const json_t *payload, struct claims *out, struct err *e)
{
    auto_claims c = {0};
    json_t *submods, *cpu0, *evidence, *runtime, *key, *tee = NULL;
    const char *phase;
    int rc = json_get_object("token", payload, "submods", &submods, e);
    if (rc == 0) { rc = json_get_object("token", submods, "cpu0", &cpu0, e); }
    if (rc == 0) {
        rc = json_get_object("token", cpu0, "ear.veraison.annotated-evidence", &evidence, e);
    }
    if (rc == 0) { rc = tee_find(evidence, &c, &tee, e); }
    if (rc == 0) { rc = hex_member(tee, "measurement", c.measurement, sizeof c.measurement, e); }
    if (rc == 0) {
        rc = hex_member(evidence, "report_data", c.report_data, sizeof c.report_data, e);
    }
    if (rc == 0) { rc = initdata_read(evidence, &c, e); }
    if (rc == 0) { rc = registers_read(tee, &c, e); }
    if (rc == 0) { rc = json_get_text("token", tee, "phase", &phase, e); }
    if (rc == 0) { rc = json_get_object("token", evidence, "runtime_data_claims", &runtime, e); }
    if (rc == 0) { rc = json_get_object("token", runtime, "tee-pubkey", &key, e); }
    if (rc < 0) { return rc; }
    if (strcmp(phase, "init") == 0) {
        c.phase = CLAIMS_PHASE_INIT;
    } else if (strcmp(phase, "application") == 0) {
        c.phase = CLAIMS_PHASE_APPLICATION;
    } else {
        return err_set(e, EBADMSG, "token: phase is neither init nor application");
    }
    c.tee_key = json_incref(key);
    *out = c;
    c = (struct claims){0};
    return 0;
}
