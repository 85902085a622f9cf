/* SPDX-License-Identifier: Apache-2.0 */
/* Claims and their form in a token; see claims.h. */
#include "attest/kbs/claims.h"

#include "attest/base64.h"
#include "attest/json.h"

#include <errno.h>
#include <string.h>

#define OURS "casemate" /* what CoCo's claims have no place for */

void claims_fini(struct claims *c)
{
    json_decref(c->platform);
    json_decref(c->tee_key);
    *c = (struct claims){0};
}

const char *claims_class_name(enum claims_class c) { return c == CLAIMS_GPU ? "gpu" : "cpu"; }

/*
 * How CoCo writes a kind's byte strings, which field of its evidence holds the initdata digest, and where its launch
 * digest stands. Kinds with a measurement are those that rules know.
 */
struct form {
    const char *tee;
    bool base64;     /* the bare 48 bytes; otherwise 64 bytes in hexadecimal */
    size_t initdata; /* bytes of the field, the digest cut or padded; 0 = the whole digest */
    const char *measurement; /* JSON pointer below the TEE's object; NULL = the kind has none */
};
static const struct form forms[] = {
    {"sim", false, 32, "measurement"},      {"snp", false, 32, "measurement"},
    {"tdx", false, 48, "quote/body/mr_td"}, {"sample", true, 0, NULL},
    {"sampledevice", true, 0, NULL},
};

static const struct form *form_of(const char *tee)
{
    static const struct form other = {0};
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        if (strcmp(forms[i].tee, tee) == 0) { return &forms[i]; }
    }
    return &other;
}

/* ---- out ------------------------------------------------------------------------------------- */

static json_t *json_hex(const uint8_t *p, size_t len)
{
    char hex[HEX_LEN(CLAIMS_INITDATA_MAX)];
    hex_encode(p, len, hex);
    return json_string(hex);
}

static json_t *json_bytes(const uint8_t *p, size_t len, bool base64)
{
    char text[(CLAIMS_INITDATA_MAX + 2) / 3 * 4 + 1];
    if (!base64) { return json_hex(p, len); }
    b64_encode(p, len, text);
    return json_string(text);
}

static json_t *registers_write(const struct claims *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < CLAIMS_REGISTERS; i++) {
        (void)json_array_append_new(list, json_hex(c->registers[i], CLAIMS_REGISTER));
    }
    return list;
}

/* The TEE's object: CoCo's members, and ours beside them for the kinds that rules know. NULL without memory. */
static json_t *platform_write(const struct claims *c, const struct form *f)
{
    json_t *tee = c->platform ? json_copy(c->platform) : json_object();
    if (!tee || !f->measurement) { return tee; }
    json_t *ours =
        json_pack("{s:o, s:s}", "measurement", json_hex(c->measurement, sizeof c->measurement),
                  "phase", c->phase == CLAIMS_PHASE_APPLICATION ? "application" : "init");
    if (c->initdata_len) {
        (void)json_object_set_new(ours, "initdata", json_hex(c->initdata, c->initdata_len));
    }
    if (c->has_registers) { (void)json_object_set_new(ours, "registers", registers_write(c)); }
    if (json_object_set_new(tee, OURS, ours) != 0) {
        json_decref(tee);
        return NULL;
    }
    if (!c->platform) {
        (void)json_object_set_new(tee, f->measurement,
                                  json_hex(c->measurement, sizeof c->measurement));
    }
    return tee;
}

/* The digest as the evidence's field has it: cut, or padded with zeros. */
static json_t *initdata_write(const struct claims *c, const struct form *f)
{
    uint8_t field[CLAIMS_INITDATA_MAX] = {0};
    memcpy(field, c->initdata, c->initdata_len);
    return json_bytes(field, f->initdata ? f->initdata : c->initdata_len, f->base64);
}

int claims_to_evidence(const struct claims *c, const char *nonce, const char *additional,
                       const json_t *initdata, json_t **out, struct err *e)
{
    const struct form *f = form_of(c->tee);
    size_t report_data = f->base64 ? CLAIMS_MEASUREMENT : CLAIMS_REPORT_DATA;
    auto_json runtime = json_pack("{s:s, s:O}", "nonce", nonce, "tee-pubkey", c->tee_key);
    if (additional) {
        (void)json_object_set_new(runtime, "additional-evidence", json_string(additional));
    }
    auto_json ev = json_pack("{s:o, s:o, s:O}", c->tee, platform_write(c, f), "report_data",
                             json_bytes(c->report_data, report_data, f->base64),
                             "runtime_data_claims", runtime);
    if (!ev) { return err_set(e, ENOMEM, "token: claims cannot be written"); }
    if (c->initdata_len) { (void)json_object_set_new(ev, "init_data", initdata_write(c, f)); }
    if (initdata) { (void)json_object_set(ev, "init_data_claims", (json_t *)(uintptr_t)initdata); }
    *out = json_incref(ev);
    return 0;
}

/* ---- in -------------------------------------------------------------------------------------- */

int claims_tee_key(const json_t *payload, json_t **out, struct err *e)
{
    static const char *const places[] = {
        "tdx/attester_runtime_data/tee-pubkey",
        "tdx/attester_user_data/tee-pubkey",
        "customized_claims/runtime_data/tee-pubkey",
        "submods/cpu0/" CLAIMS_EVIDENCE "/runtime_data_claims/tee-pubkey",
        "tee-pubkey",
    };
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        json_t *key = json_at(payload, places[i]);
        if (!key) { continue; }
        if (!json_is_object(key)) {
            return err_set(e, EBADMSG, "token: %s is not a key", places[i]);
        }
        *out = key;
        return 0;
    }
    return err_set(e, EBADMSG, "token: found no key of the guest's");
}

static int hex_member(const json_t *obj, const char *path, uint8_t *out, size_t len, struct err *e)
{
    const char *text = json_string_value(json_at(obj, path));
    if (!text || !hex_decode(text, strlen(text), out, len)) {
        return err_set(e, EBADMSG, "token: %s is not %zu bytes of hex", path, len);
    }
    return 0;
}

static int initdata_read(const json_t *j, struct claims *c, struct err *e)
{
    static const size_t sizes[] = {32, 48, 64};
    const char *text = json_string_value(j);
    if (!j) { return 0; } /* none was sent: no rule holds */
    for (size_t i = 0; text && i < ARRAY_COUNT(sizes); i++) {
        if (hex_decode(text, strlen(text), c->initdata, sizes[i])) {
            c->initdata_len = sizes[i];
            return 0;
        }
    }
    return err_set(e, EBADMSG, "token: init_data is not a digest");
}

static int registers_read(const json_t *ours, struct claims *c, struct err *e)
{
    const json_t *regs = json_object_get(ours, "registers");
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

static int phase_read(const json_t *ours, struct claims *c, struct err *e)
{
    const char *phase;
    int rc = json_get_text("token", ours, "phase", &phase, e);
    if (rc < 0) { return rc; }
    if (strcmp(phase, "init") == 0) {
        c->phase = CLAIMS_PHASE_INIT;
    } else if (strcmp(phase, "application") == 0) {
        c->phase = CLAIMS_PHASE_APPLICATION;
    } else {
        return err_set(e, EBADMSG, "token: phase is neither init nor application");
    }
    return 0;
}

/*
 * Of a kind that rules know. Without our own member it is another service's token about a guest that is not ours: such
 * evidence exists before any seal, and carries no registers.
 */
static int known_read(const json_t *evidence, const json_t *tee, const struct form *f,
                      struct claims *c, struct err *e)
{
    const json_t *ours = json_object_get(tee, OURS);
    int rc = hex_member(evidence, "report_data", c->report_data, sizeof c->report_data, e);
    if (rc == 0) {
        rc = hex_member(ours ? ours : tee, ours ? "measurement" : f->measurement, c->measurement,
                        sizeof c->measurement, e);
    }
    if (rc == 0) {
        rc = initdata_read(json_object_get(ours ? ours : evidence, ours ? "initdata" : "init_data"),
                           c, e);
    }
    c->phase = CLAIMS_PHASE_INIT;
    if (rc == 0 && ours) { rc = phase_read(ours, c, e); }
    if (rc == 0 && ours) { rc = registers_read(ours, c, e); }
    return rc;
}

/* The one member of the evidence that is an object and not CoCo's own is the TEE's. */
static int tee_find(const json_t *evidence, struct claims *c, json_t **out, struct err *e)
{
    const char *name;
    json_t *value;
    *out = NULL;
    json_object_foreach ((json_t *)(uintptr_t)evidence, name, value) {
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
    json_t *key, *tee;
    int rc = claims_tee_key(payload, &key, e);
    if (rc < 0) { return rc; }
    const json_t *evidence = json_at(payload, "submods/cpu0/" CLAIMS_EVIDENCE);
    if (evidence) {
        rc = tee_find(evidence, &c, &tee, e);
        if (rc < 0) { return rc; }
        const struct form *f = form_of(c.tee);
        if (f->measurement && (rc = known_read(evidence, tee, f, &c, e)) < 0) { return rc; }
    }
    c.tee_key = json_incref(key);
    *out = c;
    c = (struct claims){0};
    return 0;
}
