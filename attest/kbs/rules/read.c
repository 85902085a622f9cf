/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From JSON to rules: everything is checked here, so that judging cannot fail. A half-read rule is
 * freed by rule_fini().
 */
#include "attest/kbs/rules/rule.h"

#include "attest/jose.h"
#include "attest/kbs/rules/names.h"
#include "attest/kbs/rules/reference.h"
#include "attest/rfc3339.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char no_text[] = "something that is no text";

/* ---- lists ----------------------------------------------------------------------------------- */

/* The list under that name; NULL when it is absent and may be. */
static int list_get(const struct rule *r, const json_t *obj, const char *name, bool required,
                    const json_t **out, struct err *e)
{
    const json_t *list = json_object_get(obj, name);
    *out = NULL;
    if (!list && !required) { return 0; }
    if (!list) { return err_set(e, EINVAL, "rule %s: %s is missing", r->name, name); }
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0) {
        return err_set(e, EINVAL, "rule %s: %s is not a list with something in it", r->name, name);
    }
    if (n > RULES_LIST_MAX) {
        return err_set(e, EINVAL, "rule %s: %s has %zu entries, at most %u", r->name, name, n,
                       RULES_LIST_MAX);
    }
    *out = list;
    return 0;
}

static int texts_read(const struct rule *r, const json_t *obj, const char *name, bool required,
                      bool (*ok)(const char *text), const char *wanted, struct texts *out,
                      struct err *e)
{
    const json_t *list;
    int rc = list_get(r, obj, name, required, &list, e);
    if (rc < 0 || !list) { return rc; }
    size_t n = json_array_size(list);
    out->v = calloc(n, sizeof *out->v);
    if (!out->v) { return err_set(e, ENOMEM, "policy: out of memory"); }
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text || !ok(text)) {
            return err_set(e, EINVAL, "rule %s: %s: found %.80s, wanted %s", r->name, name,
                           text ? text : no_text, wanted);
        }
        if (!(out->v[i] = strdup(text))) { return err_set(e, ENOMEM, "policy: out of memory"); }
        out->count++;
    }
    return 0;
}

#define BYTES(n) (UINT64_C(1) << ((n) / 2))

/* Every entry is hex of one of the sizes in the mask. */
static int digests_of(const struct rule *r, const json_t *list, const char *name, uint64_t sizes,
                      const char *wanted, struct digests *out, struct err *e)
{
    size_t n = json_array_size(list);
    out->v = calloc(n, sizeof *out->v);
    if (!out->v) { return err_set(e, ENOMEM, "policy: out of memory"); }
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        size_t len = text ? strlen(text) / 2 : 0;
        struct digest *d = &out->v[i];
        bool fits = len % 2 == 0 && len <= DIGEST_MAX && (sizes >> (len / 2) & 1);
        if (!fits || !hex_decode(text, strlen(text), d->bytes, len)) {
            return err_set(e, EINVAL, "rule %s: %s: found %.130s, wanted %s in lower-case hex",
                           r->name, name, text ? text : no_text, wanted);
        }
        d->len = len;
        out->count++;
    }
    return 0;
}

static int digests_read(const struct rule *r, const json_t *obj, const char *name, bool required,
                        uint64_t sizes, const char *wanted, struct digests *out, struct err *e)
{
    const json_t *list;
    int rc = list_get(r, obj, name, required, &list, e);
    return rc < 0 || !list ? rc : digests_of(r, list, name, sizes, wanted, out, e);
}

static int members_known(const char *where, const json_t *obj, const char *const *known,
                         size_t count, struct err *e)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)obj, name, value) {
        bool found = false;
        for (size_t i = 0; i < count; i++) { found |= strcmp(name, known[i]) == 0; }
        if (!found) { return err_set(e, EINVAL, "%s: unknown member %.60s", where, name); }
    }
    return 0;
}

/* An optional object with some of these members, at least one. *out NULL = absent. */
static int object_read(const struct rule *r, const json_t *obj, const char *name,
                       const char *const *known, size_t count, const json_t **out, struct err *e)
{
    char where[100];
    *out = json_object_get(obj, name);
    if (!*out) { return 0; }
    if (!json_is_object(*out) || json_object_size(*out) == 0) {
        return err_set(e, EINVAL, "rule %s: %s is not an object with something in it", r->name,
                       name);
    }
    (void)snprintf(where, sizeof where, "rule %s: %s", r->name, name);
    return members_known(where, *out, known, count, e);
}

/* A whole number in [min, max]; absent is 0 and leaves *out alone. */
static int number_read(const struct rule *r, const json_t *obj, const char *name, int64_t min,
                       int64_t max, int64_t *out, struct err *e)
{
    const json_t *j = json_object_get(obj, name);
    if (!j) { return 0; }
    if (!json_is_integer(j) || json_integer_value(j) < min || json_integer_value(j) > max) {
        return err_set(e, EINVAL, "rule %s: %s: wanted a whole number from %" PRId64 " to %" PRId64,
                       r->name, name, min, max);
    }
    *out = json_integer_value(j);
    return 0;
}

static int time_read(const struct rule *r, const json_t *obj, const char *name, bool *out_there,
                     int64_t *out, struct err *e)
{
    const json_t *j = json_object_get(obj, name);
    const char *text = json_string_value(j);
    if (!j) { return 0; }
    if (!text || !rfc3339_parse(text, strlen(text), out)) {
        return err_set(e, EINVAL,
                       "rule %s: %s: found %.40s, wanted a time like 2026-12-31T00:00:00Z", r->name,
                       name, text ? text : no_text);
    }
    *out_there = true;
    return 0;
}

/* ---- which program --------------------------------------------------------------------------- */

/* "sha256:<64 hex>" */
static int images_read(struct rule *r, const json_t *obj, struct err *e)
{
    static const char prefix[] = "sha256:";
    const json_t *list;
    int rc = list_get(r, obj, "image", false, &list, e);
    if (rc < 0 || !list) { return rc; }
    size_t n = json_array_size(list), skip = sizeof prefix - 1;
    r->image.v = calloc(n, sizeof *r->image.v);
    if (!r->image.v) { return err_set(e, ENOMEM, "policy: out of memory"); }
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        struct digest *d = &r->image.v[i];
        if (!text || strncmp(text, prefix, skip) != 0 ||
            !hex_decode(text + skip, strlen(text + skip), d->bytes, 32)) {
            return err_set(
                e, EINVAL,
                "rule %s: image: found %.80s, wanted sha256: and 64 digits of lower-case hex",
                r->name, text ? text : no_text);
        }
        d->len = CLAIMS_REGISTER; /* zeros behind it */
        r->image.count++;
    }
    return 0;
}

static int registers_read(struct rule *r, const json_t *obj, struct err *e)
{
    json_t *regs = json_object_get(obj, "registers"), *value;
    const char *name;
    if (regs && json_object_size(regs) == 0) {
        return err_set(e, EINVAL, "rule %s: registers is not an object with something in it",
                       r->name);
    }
    json_object_foreach (regs, name, value) {
        if (strlen(name) != 1 || name[0] < '0' || name[0] >= '0' + CLAIMS_REGISTERS) {
            return err_set(e, EINVAL, "rule %s: registers: found %.20s, wanted 0, 1, 2 or 3",
                           r->name, name);
        }
        const json_t *list;
        int rc = list_get(r, regs, name, true, &list, e);
        if (rc == 0) {
            rc = digests_of(r, list, "registers", BYTES(48), "48 bytes",
                            &r->registers[name[0] - '0'], e);
        }
        if (rc < 0) { return rc; }
    }
    return 0;
}

static int phase_read(const json_t *obj, struct rule *r, struct err *e)
{
    const json_t *value = json_object_get(obj, "for");
    const char *text = value ? json_string_value(value) : "init";
    if (text && strcmp(text, "init") == 0) {
        r->phase = CLAIMS_PHASE_INIT;
    } else if (text && strcmp(text, "application") == 0) {
        r->phase = CLAIMS_PHASE_APPLICATION;
    } else {
        return err_set(e, EINVAL, "rule %s: for is neither init nor application", r->name);
    }
    return 0;
}

/* ---- which machine --------------------------------------------------------------------------- */

static bool printable(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (!isgraph((unsigned char)*p)) { return false; }
    }
    return text[0] != '\0';
}

static int firmware_read(struct rule *r, const json_t *obj, struct err *e)
{
    static const char *const kinds[] = {"snp", "tdx"};
    static const char *const parts[SNP_PARTS] = {"bootloader", "tee", "snp", "microcode", "fmc"};
    const json_t *all, *snp;
    int rc = object_read(r, obj, "firmware", kinds, ARRAY_COUNT(kinds), &all, e);
    if (rc < 0 || !all) { return rc; }
    struct firmware *f = &r->firmware;
    f->there = true;
    rc = object_read(r, all, "snp", parts, SNP_PARTS, &snp, e);
    f->has_snp = rc == 0 && snp;
    for (size_t i = 0; rc == 0 && i < SNP_PARTS; i++) {
        f->snp[i] = -1;
        rc = number_read(r, snp, parts[i], 0, 255, &f->snp[i], e);
    }
    json_t *tdx = json_object_get(all, "tdx");
    if (rc < 0 || !tdx) { return rc; }
    auto_json list = json_pack("[O]", tdx);
    return digests_of(r, list, "firmware: tdx", BYTES(16), "16 bytes", &f->tdx, e);
}

static int tcb_read(struct rule *r, const json_t *obj, struct err *e)
{
    static const char *const known[] = {"status", "not_before", "max_age_days"};
    const json_t *tcb;
    int rc = object_read(r, obj, "tcb", known, ARRAY_COUNT(known), &tcb, e);
    if (rc < 0 || !tcb) { return rc; }
    r->tcb.there = true;
    rc =
        texts_read(r, tcb, "status", false, printable, "a status like UpToDate", &r->tcb.status, e);
    if (rc == 0) {
        rc = time_read(r, tcb, "not_before", &r->tcb.has_not_before, &r->tcb.not_before, e);
    }
    return rc < 0 ? rc : number_read(r, tcb, "max_age_days", 1, 36500, &r->tcb.max_age_days, e);
}

/* "/a/b" [RFC 6901]: ~ only as ~0 and ~1. */
static bool pointer_ok(const char *p)
{
    if (*p != '/') { return false; }
    for (; *p; p++) {
        if (*p == '~' && p[1] != '0' && p[1] != '1') { return false; }
    }
    return true;
}

/* A list of texts, numbers and booleans. */
static int scalars_read(const struct rule *r, const json_t *obj, const char *name, json_t **out,
                        struct err *e)
{
    const json_t *list;
    int rc = list_get(r, obj, name, false, &list, e);
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        if (!json_is_string(one) && !json_is_number(one) && !json_is_boolean(one)) {
            return err_set(e, EINVAL, "rule %s: claims: %s: wanted texts, numbers and booleans",
                           r->name, name);
        }
    }
    if (rc == 0 && list) { *out = json_incref((json_t *)list); }
    return rc;
}

static int limit_read(const struct rule *r, const json_t *obj, const char *name, json_t **out,
                      struct err *e)
{
    json_t *j = json_object_get(obj, name);
    if (j && !json_is_number(j)) {
        return err_set(e, EINVAL, "rule %s: claims: %s: wanted a number", r->name, name);
    }
    *out = json_incref(j);
    return 0;
}

static int claim_check_read(const struct rule *r, const json_t *obj, struct claim_check *c,
                            struct err *e)
{
    static const char *const known[] = {"at", "is", "has", "min", "max"};
    char where[100];
    const char *at = json_string_value(json_object_get(obj, "at"));
    (void)snprintf(where, sizeof where, "rule %s: claims", r->name);
    int rc = members_known(where, obj, known, ARRAY_COUNT(known), e);
    if (rc < 0) { return rc; }
    if (!at || !pointer_ok(at)) {
        return err_set(e, EINVAL, "rule %s: claims: at: found %.80s, wanted a JSON pointer",
                       r->name, at ? at : no_text);
    }
    if (!(c->at = strdup(at))) { return err_set(e, ENOMEM, "policy: out of memory"); }
    rc = scalars_read(r, obj, "is", &c->is, e);
    if (rc == 0) { rc = scalars_read(r, obj, "has", &c->has, e); }
    if (rc == 0) { rc = limit_read(r, obj, "min", &c->min, e); }
    if (rc == 0) { rc = limit_read(r, obj, "max", &c->max, e); }
    if (rc == 0 && !c->is && !c->has && !c->min && !c->max) {
        return err_set(e, EINVAL, "rule %s: claims: %.60s: wanted is, has, min or max", r->name,
                       at);
    }
    return rc;
}

static int claim_checks_read(struct rule *r, const json_t *obj, struct err *e)
{
    const json_t *list;
    int rc = list_get(r, obj, "claims", false, &list, e);
    if (rc < 0 || !list) { return rc; }
    size_t n = json_array_size(list);
    r->claims.v = calloc(n, sizeof *r->claims.v);
    if (!r->claims.v) { return err_set(e, ENOMEM, "policy: out of memory"); }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        r->claims.count++;
        rc = claim_check_read(r, json_array_get(list, i), &r->claims.v[i], e);
    }
    return rc;
}

/* ---- when and who ---------------------------------------------------------------------------- */

static int days_read(struct rule *r, const json_t *obj, struct err *e)
{
    static const char *const names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    const json_t *list;
    int rc = list_get(r, obj, "days", false, &list, e);
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        unsigned day = 0;
        while (day < 7 && !(text && strcmp(text, names[day]) == 0)) { day++; }
        if (day == 7) {
            return err_set(e, EINVAL, "rule %s: days: found %.20s, wanted mon, tue ... sun",
                           r->name, text ? text : no_text);
        }
        r->when.days |= 1u << day;
    }
    return rc;
}

/* "08:00" to minutes of the day; 24:00 is the end of it. */
static bool minutes_read(const char *t, unsigned *out)
{
    if (!t || strlen(t) != 5 || t[2] != ':' || strspn(t, "0123456789:") != 5) { return false; }
    if (t[0] == ':' || t[1] == ':' || t[3] == ':' || t[4] == ':') { return false; }
    unsigned h = 10u * (unsigned)(t[0] - '0') + (unsigned)(t[1] - '0');
    unsigned m = 10u * (unsigned)(t[3] - '0') + (unsigned)(t[4] - '0');
    *out = 60 * h + m;
    return m < 60 && *out <= 24 * 60;
}

static int hours_read(struct rule *r, const json_t *obj, struct err *e)
{
    const json_t *list = json_object_get(obj, "hours");
    struct when *w = &r->when;
    if (!list) { return 0; }
    w->has_hours = true;
    if (json_array_size(list) != 2 ||
        !minutes_read(json_string_value(json_array_get(list, 0)), &w->hour_from) ||
        !minutes_read(json_string_value(json_array_get(list, 1)), &w->hour_until) ||
        w->hour_from >= w->hour_until) {
        return err_set(e, EINVAL, "rule %s: hours: wanted two times, [\"08:00\", \"18:00\"]",
                       r->name);
    }
    return 0;
}

static int when_read(struct rule *r, const json_t *obj, struct err *e)
{
    static const char *const known[] = {"from", "until", "days", "hours"};
    const json_t *when;
    struct when *w = &r->when;
    int rc = object_read(r, obj, "when", known, ARRAY_COUNT(known), &when, e);
    if (rc < 0 || !when) { return rc; }
    rc = time_read(r, when, "from", &w->has_from, &w->from, e);
    if (rc == 0) { rc = time_read(r, when, "until", &w->has_until, &w->until, e); }
    if (rc == 0 && w->has_from && w->has_until && w->from >= w->until) {
        return err_set(e, EINVAL, "rule %s: when: until is not later than from", r->name);
    }
    if (rc == 0) { rc = days_read(r, when, e); }
    return rc < 0 ? rc : hours_read(r, when, e);
}

/* Names in the list that the policy gives a key, each once. */
static int approvers_known(const struct rules *all, const struct rule *r, const struct texts *names,
                           struct err *e)
{
    for (size_t i = 0; i < names->count; i++) {
        if (!approver_find(all, names->v[i])) {
            return err_set(e, EINVAL, "rule %s: %s is not among the approvers", r->name,
                           names->v[i]);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(names->v[i], names->v[k]) == 0) {
                return err_set(e, EINVAL, "rule %s: approver %s twice", r->name, names->v[i]);
            }
        }
    }
    return 0;
}

static int agreement_read(const struct rules *all, struct rule *r, const json_t *obj, struct err *e)
{
    static const char *const known[] = {"of", "need"};
    static const char wanted[] = "an approver's name";
    const json_t *approvals;
    int64_t need = 0, releases = 0;
    int rc = number_read(r, obj, "releases", 1, RULES_RELEASES_MAX, &releases, e);
    r->releases = (uint64_t)releases;
    if (rc == 0) {
        rc = texts_read(r, obj, "signer", false, approver_name_ok, wanted, &r->signers, e);
    }
    if (rc == 0) { rc = approvers_known(all, r, &r->signers, e); }
    if (rc == 0) { rc = object_read(r, obj, "approvals", known, 2, &approvals, e); }
    if (rc < 0 || !approvals) { return rc; }
    rc = texts_read(r, approvals, "of", true, approver_name_ok, wanted, &r->approvers, e);
    if (rc == 0) { rc = approvers_known(all, r, &r->approvers, e); }
    if (rc == 0) {
        rc = number_read(r, approvals, "need", 1, (int64_t)r->approvers.count, &need, e);
    }
    if (rc == 0 && need == 0) {
        return err_set(e, EINVAL, "rule %s: approvals: need is missing", r->name);
    }
    r->need = (size_t)need;
    return rc;
}

/* ---- rules ----------------------------------------------------------------------------------- */

static int name_read(const json_t *obj, struct rule *r, struct err *e)
{
    const char *name = json_string_value(json_object_get(obj, "name"));
    if (!name || name[0] == '\0' || strlen(name) >= sizeof r->name) {
        return err_set(e, EINVAL, "policy: a rule without a name of 1 to %zu characters",
                       sizeof r->name - 1);
    }
    if (!printable(name)) {
        return err_set(e, EINVAL, "policy: a rule's name has a character that does not print");
    }
    memcpy(r->name, name, strlen(name) + 1);
    return 0;
}

static bool tee_ok(const char *text) { return reference_name_of(text) != NULL; }

static int program_read(const json_t *obj, struct rule *r, struct err *e)
{
    if (!json_object_get(obj, "initdata")) {
        return err_set(e, EINVAL,
                       "rule %s: initdata is missing: a release that does not depend on initdata "
                       "would go to any workload of any owner",
                       r->name);
    }
    int rc = digests_read(r, obj, "initdata", true, BYTES(32) | BYTES(48) | BYTES(64),
                          "32, 48 or 64 bytes", &r->initdata, e);
    if (rc == 0) {
        rc = digests_read(r, obj, "measurement", false, BYTES(48), "48 bytes", &r->measurement, e);
    }
    if (rc == 0) { rc = images_read(r, obj, e); }
    if (rc == 0) { rc = registers_read(r, obj, e); }
    return rc < 0 ? rc : phase_read(obj, r, e);
}

static int machine_read(const json_t *obj, struct rule *r, struct err *e)
{
    int rc =
        digests_read(r, obj, "chips", false, BYTES(16) | BYTES(64), "64 or 16 bytes", &r->chips, e);
    if (rc == 0) {
        rc = texts_read(r, obj, "platforms", false, printable, "a product or an FMSPC",
                        &r->platforms, e);
    }
    if (rc == 0) { rc = firmware_read(r, obj, e); }
    if (rc == 0) { rc = tcb_read(r, obj, e); }
    return rc < 0 ? rc : claim_checks_read(r, obj, e);
}

static int rule_read(const struct rules *all, const json_t *obj, struct rule *r, struct err *e)
{
    static const char *const known[] = {
        "name",   "resources", "tee",  "initdata", "measurement", "image",
        "signer", "registers", "for",  "chips",    "platforms",   "firmware",
        "tcb",    "claims",    "when", "releases", "approvals"};
    if (!json_is_object(obj)) { return err_set(e, EINVAL, "policy: a rule is not an object"); }
    int rc = name_read(obj, r, e);
    if (rc == 0) { rc = members_known(r->name, obj, known, ARRAY_COUNT(known), e); }
    if (rc == 0) {
        rc = texts_read(r, obj, "resources", true, resource_pattern_ok,
                        "repository/type/tag, a segment may be *", &r->resources, e);
    }
    if (rc == 0) { rc = texts_read(r, obj, "tee", true, tee_ok, "sim, snp or tdx", &r->tees, e); }
    if (rc == 0) { rc = program_read(obj, r, e); }
    if (rc == 0) { rc = machine_read(obj, r, e); }
    if (rc == 0) { rc = when_read(r, obj, e); }
    return rc < 0 ? rc : agreement_read(all, r, obj, e);
}

static int approver_read(struct rules *r, const char *name, const json_t *j, struct err *e)
{
    auto_jwk jwk = {0};
    if (!approver_name_ok(name)) {
        return err_set(e, EINVAL, "approvers: found %.80s, wanted an approver's name", name);
    }
    int rc = jwk_from_json(j, &jwk, e);
    if (rc < 0) { return err_wrap(e, "approver %s", name); }
    enum crypto_key_type t = crypto_key_type(jwk.key);
    if (t == CRYPTO_RSA) {
        return err_set(e, EINVAL,
                       "approver %s: wanted a key for ES256, ES384, ES512 or EdDSA", name);
    }
    struct approver *a = &r->approvers[r->approver_count++];
    memcpy(a->name, name, strlen(name) + 1);
    a->key = jwk.key;
    jwk.key = NULL;
    return 0;
}

static int approvers_read(struct rules *r, const json_t *doc, struct err *e)
{
    json_t *all = json_object_get(doc, "approvers"), *key;
    const char *name;
    size_t n = json_object_size(all);
    if (!all) { return 0; }
    if (n == 0 || n > RULES_LIST_MAX) {
        return err_set(e, EINVAL, "policy: approvers is not an object of 1 to %u keys",
                       RULES_LIST_MAX);
    }
    r->approvers = calloc(n, sizeof *r->approvers);
    if (!r->approvers) { return err_set(e, ENOMEM, "policy: out of memory"); }
    json_object_foreach (all, name, key) {
        int rc = approver_read(r, name, key, e);
        if (rc < 0) { return rc; }
    }
    return 0;
}

/* One person under two names would count twice. */
static int approvers_differ(const struct rules *r, struct err *e)
{
    for (size_t i = 0; i < r->approver_count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (crypto_key_same_public(r->approvers[i].key, r->approvers[k].key)) {
                return err_set(e, EINVAL, "approvers: %s and %s have one key", r->approvers[k].name,
                               r->approvers[i].name);
            }
        }
    }
    return 0;
}

int rules_read(const json_t *doc, struct rules *r, struct err *e)
{
    static const char *const known[] = {"version", "approvers", "rules"};
    if (!json_is_object(doc)) { return err_set(e, EINVAL, "policy: not an object"); }
    int rc = members_known("policy", doc, known, ARRAY_COUNT(known), e);
    if (rc < 0) { return rc; }
    const json_t *version = json_object_get(doc, "version");
    if (!json_is_integer(version) || json_integer_value(version) != 1) {
        return err_set(e, EINVAL, "policy: version is not 1");
    }
    rc = approvers_read(r, doc, e);
    if (rc == 0) { rc = approvers_differ(r, e); }
    if (rc < 0) { return rc; }
    const json_t *list = json_object_get(doc, "rules");
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > RULES_MAX) {
        return err_set(e, EINVAL, "policy: rules is not a list of at most %u", RULES_MAX);
    }
    r->v = calloc(n ? n : 1, sizeof *r->v);
    if (!r->v) { return err_set(e, ENOMEM, "policy: out of memory"); }
    for (size_t i = 0; i < n; i++) {
        r->count = i + 1; /* a half-read rule is freed too */
        rc = rule_read(r, json_array_get(list, i), &r->v[i], e);
        if (rc < 0) { return rc; }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(r->v[k].name, r->v[i].name) == 0) {
                return err_set(e, EINVAL, "policy: two rules are named %s", r->v[i].name);
            }
        }
    }
    return 0;
}
