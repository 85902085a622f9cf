/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See evidence.h. The report is built again byte by byte, and the signature is checked over what
 * was built: a field that was changed, or one that cannot be told in JSON, makes it fail.
 */
#include "attest/verify/snp/evidence.h"

#include "attest/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WHAT "snp evidence"

void snp_evidence_fini(struct snp_evidence *ev)
{
    free(ev->storage);
    *ev = (struct snp_evidence){0};
}

static int wrong(const char *name, const char *wanted, struct err *e)
{
    return err_set(e, EBADMSG, WHAT ": %s: wanted %s", name, wanted);
}

static void put_le(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++) { p[i] = (uint8_t)(v >> (8 * i)); }
}

/* An integer of so many bytes, at most 8. */
static int number(const json_t *v, const char *name, uint8_t *out, size_t n, struct err *e)
{
    json_int_t value = json_is_integer(v) ? json_integer_value(v) : -1;
    if (value < 0 || (n < 8 && (uint64_t)value >> (8 * n) != 0)) {
        return err_set(e, EBADMSG, WHAT ": %s: wanted an integer of %zu bytes", name, n);
    }
    put_le(out, (uint64_t)value, n);
    return 0;
}

static int bytes(const json_t *v, const char *name, uint8_t *out, size_t n, struct err *e)
{
    if (json_array_size(v) != n) {
        return err_set(e, EBADMSG, WHAT ": %s: wanted a list of %zu bytes", name, n);
    }
    for (size_t i = 0; i < n; i++) {
        int r = number(json_array_get(v, i), name, out + i, 1, e);
        if (r < 0) { return r; }
    }
    return 0;
}

/* ---- the report */

enum form { NUMBER, BYTES, TCB, FIRMWARE, SIGNATURE };

/* Every member, and where it belongs. since: the report version that brought it. */
static const struct member {
    const char *name;
    enum form form;
    size_t at, len;
    unsigned since;
} members[] = {
    {"version", NUMBER, SNP_REPORT_VERSION, 4, 0},
    {"guest_svn", NUMBER, SNP_REPORT_GUEST_SVN, 4, 0},
    {"policy", NUMBER, SNP_REPORT_POLICY, 8, 0},
    {"family_id", BYTES, SNP_REPORT_FAMILY_ID, 16, 0},
    {"image_id", BYTES, SNP_REPORT_IMAGE_ID, 16, 0},
    {"vmpl", NUMBER, SNP_REPORT_VMPL, 4, 0},
    {"sig_algo", NUMBER, SNP_REPORT_SIGNATURE_ALGO, 4, 0},
    {"current_tcb", TCB, SNP_REPORT_CURRENT_TCB, 8, 0},
    {"plat_info", NUMBER, SNP_REPORT_PLATFORM_INFO, 8, 0},
    {"key_info", NUMBER, SNP_REPORT_KEY_INFO, 4, 0},
    {"report_data", BYTES, SNP_REPORT_REPORT_DATA, SNP_REPORT_DATA_SIZE, 0},
    {"measurement", BYTES, SNP_REPORT_MEASUREMENT, SNP_MEASUREMENT_SIZE, 0},
    {"host_data", BYTES, SNP_REPORT_HOST_DATA, SNP_HOST_DATA_SIZE, 0},
    {"id_key_digest", BYTES, SNP_REPORT_ID_KEY_DIGEST, 48, 0},
    {"author_key_digest", BYTES, SNP_REPORT_AUTHOR_KEY_DIGEST, 48, 0},
    {"report_id", BYTES, SNP_REPORT_REPORT_ID, 32, 0},
    {"report_id_ma", BYTES, SNP_REPORT_REPORT_ID_MA, 32, 0},
    {"reported_tcb", TCB, SNP_REPORT_REPORTED_TCB, 8, 0},
    {"cpuid_fam_id", NUMBER, SNP_REPORT_CPUID_FAMILY, 1, 3},
    {"cpuid_mod_id", NUMBER, SNP_REPORT_CPUID_MODEL, 1, 3},
    {"cpuid_step", NUMBER, SNP_REPORT_CPUID_STEPPING, 1, 3},
    {"chip_id", BYTES, SNP_REPORT_CHIP_ID, SNP_CHIP_ID_SIZE, 0},
    {"committed_tcb", TCB, SNP_REPORT_COMMITTED_TCB, 8, 0},
    {"current", FIRMWARE, SNP_REPORT_CURRENT_FIRMWARE, 3, 0},
    {"committed", FIRMWARE, SNP_REPORT_COMMITTED_FIRMWARE, 3, 0},
    {"launch_tcb", TCB, SNP_REPORT_LAUNCH_TCB, 8, 0},
    {"launch_mit_vector", NUMBER, SNP_REPORT_LAUNCH_MIT_VECTOR, 8, 5},
    {"current_mit_vector", NUMBER, SNP_REPORT_CURRENT_MIT_VECTOR, 8, 5},
    {"signature", SIGNATURE, SNP_REPORT_R, (size_t)2 * SNP_SIG_PART_SIZE, 0},
};

/* Named one-byte numbers to their places; "fmc" alone may be null. */
struct part {
    const char *name;
    size_t at;
};

static int parts_put(const json_t *v, const char *name, const struct part *parts, size_t count,
                     uint8_t *out, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        int r = number(json_object_get(v, parts[i].name), name, out + parts[i].at, 1, e);
        if (r < 0) { return r; }
    }
    return 0;
}

static int tcb_put(const json_t *v, const char *name, uint8_t out[8], struct err *e)
{
    static const struct part before[] = {
        {"bootloader", 0}, {"tee", 1}, {"snp", 6}, {"microcode", 7}};
    static const struct part turin[] = {
        {"fmc", 0}, {"bootloader", 1}, {"tee", 2}, {"snp", 3}, {"microcode", 7}};
    const json_t *fmc = json_object_get(v, "fmc");
    size_t extra = fmc ? 1 : 0;
    if (json_object_size(v) != ARRAY_COUNT(before) + extra) {
        return wrong(name, "fmc, bootloader, tee, snp, microcode", e);
    }
    if (fmc && !json_is_null(fmc)) { return parts_put(v, name, turin, ARRAY_COUNT(turin), out, e); }
    return parts_put(v, name, before, ARRAY_COUNT(before), out, e);
}

static int firmware_put(const json_t *v, const char *name, uint8_t out[3], struct err *e)
{
    static const struct part parts[] = {{"build", 0}, {"minor", 1}, {"major", 2}};
    if (json_object_size(v) != ARRAY_COUNT(parts)) { return wrong(name, "major, minor, build", e); }
    return parts_put(v, name, parts, ARRAY_COUNT(parts), out, e);
}

static int signature_put(const json_t *v, const char *name, uint8_t *out, struct err *e)
{
    if (json_object_size(v) != 2) { return wrong(name, "r and s", e); }
    int r = bytes(json_object_get(v, "r"), "signature.r", out, SNP_SIG_PART_SIZE, e);
    if (r < 0) { return r; }
    return bytes(json_object_get(v, "s"), "signature.s", out + SNP_SIG_PART_SIZE, SNP_SIG_PART_SIZE,
                 e);
}

static int member_put(const struct member *m, const json_t *v, uint8_t *out, struct err *e)
{
    switch (m->form) {
    case NUMBER: return number(v, m->name, out, m->len, e);
    case BYTES: return bytes(v, m->name, out, m->len, e);
    case TCB: return tcb_put(v, m->name, out, e);
    case FIRMWARE: return firmware_put(v, m->name, out, e);
    case SIGNATURE: return signature_put(v, m->name, out, e);
    }
    return wrong(m->name, "a known form", e);
}

static int report_build(const json_t *fields, uint8_t out[SNP_REPORT_SIZE], struct err *e)
{
    size_t seen = 0;
    memset(out, 0, SNP_REPORT_SIZE);
    const json_t *version = json_object_get(fields, "version");
    json_int_t number = json_is_integer(version) ? json_integer_value(version) : 0;
    for (size_t i = 0; i < ARRAY_COUNT(members); i++) {
        const struct member *m = &members[i];
        const json_t *v = json_object_get(fields, m->name);
        if (v) { seen++; }
        if ((!v || json_is_null(v)) && number < (json_int_t)m->since) { continue; }
        int r = member_put(m, v, out + m->at, e);
        if (r < 0) { return r; }
    }
    if (seen != json_object_size(fields)) {
        return err_set(e, EBADMSG, WHAT ": attestation_report has members nobody knows");
    }
    return 0;
}

/* ---- certificates */

static struct view *place_of(struct snp_evidence *ev, const json_t *type)
{
    const char *name = json_is_string(type) ? json_string_value(type) : "";
    if (strcmp(name, "VCEK") == 0 || strcmp(name, "VLEK") == 0) { return &ev->vek; }
    if (strcmp(name, "ASK") == 0 || strcmp(name, "ASVK") == 0) { return &ev->ask; }
    if (strcmp(name, "ARK") == 0) { return &ev->ark; }
    return NULL; /* the table may hold other things; they are nothing to us */
}

static int certs_take(const json_t *list, struct snp_evidence *ev, struct err *e)
{
    const json_t *entry;
    size_t i, count = json_array_size(list);
    if (!list || json_is_null(list)) { return 0; }
    if (!json_is_array(list) || count > SNP_EVIDENCE_CERTS_MAX) {
        return err_set(e, EBADMSG, WHAT ": cert_chain: wanted null or a list of at most %d",
                       SNP_EVIDENCE_CERTS_MAX);
    }
    ev->storage = calloc(SNP_EVIDENCE_CERTS_MAX, SNP_EVIDENCE_CERT_SIZE);
    if (!ev->storage) { return err_set(e, ENOMEM, WHAT ": out of memory"); }
    json_array_foreach (list, i, entry) {
        struct view *place = place_of(ev, json_object_get(entry, "cert_type"));
        const json_t *data = json_object_get(entry, "data");
        size_t len = json_array_size(data);
        uint8_t *at = ev->storage + i * SNP_EVIDENCE_CERT_SIZE;
        if (!json_is_object(entry)) { return wrong("cert_chain", "objects", e); }
        if (!place) { continue; }
        if (place->p || len == 0 || len > SNP_EVIDENCE_CERT_SIZE) {
            return wrong("cert_chain", "each kind once, of up to 4096 bytes", e);
        }
        int r = bytes(data, "cert_chain.data", at, len, e);
        if (r < 0) { return r; }
        *place = (struct view){.p = at, .len = len};
    }
    return 0;
}

int snp_evidence_parse(const json_t *primary, struct snp_evidence *out, struct err *e)
{
    auto_snp_evidence ev = {0};
    json_t *fields;
    const json_t *chain = json_object_get(primary, "cert_chain");
    int r = json_get_object(WHAT, primary, "attestation_report", &fields, e);
    if (r < 0) { return r; }
    if (json_object_size(primary) != (chain ? 2u : 1u)) {
        return err_set(e, EBADMSG, WHAT ": members beside attestation_report and cert_chain");
    }
    r = report_build(fields, ev.report, e);
    if (r == 0) { r = certs_take(chain, &ev, e); }
    if (r < 0) { return r; }
    *out = ev;
    ev = (struct snp_evidence){0};
    return 0;
}
