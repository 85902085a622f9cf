/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks. Each is one function that says yes, or no with a reason; all of a rule's run, so that
 * the owner of a guest reads everything at once. What the evidence does not show satisfies nothing.
 */
#include "attest/kbs/rules/rule.h"

#include "attest/rfc3339.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define DAY_S 86400

static void no(const struct check *k, const char *check, const char *found, const char *wanted)
{
    decision_reason(k->v, "rule %s: %s: found %.200s, wanted %.200s", k->r->name, check, found,
                    wanted);
}

/* ---- digests --------------------------------------------------------------------------------- */

/*
 * found is at least as long as what is wanted: a 32-byte entry is the start of a longer digest, as
 * in HOST_DATA.
 */
static bool digests_have(const struct digests *ds, const uint8_t *found, size_t found_len)
{
    for (size_t i = 0; i < ds->count; i++) {
        const struct digest *d = &ds->v[i];
        if (d->len <= found_len && memcmp(d->bytes, found, d->len) == 0) {
            return true;
        } /* public data */
    }
    return false;
}

/* "found X, wanted Y" or "found X, wanted one of Y and n more"; true when it holds. */
static bool digest_holds(const struct check *k, const char *check, const struct digests *ds,
                         const uint8_t *found, size_t found_len)
{
    if (digests_have(ds, found, found_len)) { return true; }
    char f[HEX_LEN(DIGEST_MAX)], w[HEX_LEN(DIGEST_MAX)], more[40] = "";
    hex_encode(found, found_len, f);
    hex_encode(ds->v[0].bytes, ds->v[0].len, w);
    if (ds->count > 1) {
        (void)snprintf(more, sizeof more, " or one of %zu others", ds->count - 1);
    }
    decision_reason(k->v, "rule %s: %s: found %s, wanted %s%s", k->r->name, check, f, w, more);
    return false;
}

static bool text_holds(const struct check *k, const char *check, const struct texts *ts,
                       const char *found)
{
    char wanted[200];
    for (size_t i = 0; found && i < ts->count; i++) {
        if (strcmp(ts->v[i], found) == 0) { return true; }
    }
    (void)snprintf(wanted, sizeof wanted, "%.120s%s", ts->v[0],
                   ts->count > 1 ? " or another it lists" : "");
    no(k, check, found ? found : "nothing", wanted);
    return false;
}

/* ---- which program --------------------------------------------------------------------------- */

static bool measurement_holds(const struct check *k)
{
    const struct claims *c = k->q->claims;
    const struct references *refs = &k->sources->references;
    const struct digests *named = &k->r->measurement;
    if (named->count) {
        return digest_holds(k, "measurement", named, c->measurement, CLAIMS_MEASUREMENT);
    }
    struct reference_answer a = {0};
    if (refs->ask) { a = refs->ask(refs->ctx, c->tee, c->measurement); }
    if (a.known) { return true; }
    char f[HEX_LEN(CLAIMS_MEASUREMENT)];
    hex_encode(c->measurement, CLAIMS_MEASUREMENT, f);
    if (a.count == 0) {
        decision_reason(
            k->v, "rule %s: measurement: found %s, but no reference value for %s is registered",
            k->r->name, f, c->tee);
    } else {
        decision_reason(
            k->v, "rule %s: measurement: found %s, wanted %s%s (reference values for %s: %zu)",
            k->r->name, f, a.first, a.count > 1 ? " or another" : "", c->tee, a.count);
    }
    return false;
}

/* Evidence that does not carry registers satisfies nothing about them. */
static bool register_holds(const struct check *k, const char *check, const struct digests *ds,
                           size_t index)
{
    const struct claims *c = k->q->claims;
    if (ds->count == 0) { return true; }
    if (c->has_registers) {
        return digest_holds(k, check, ds, c->registers[index], CLAIMS_REGISTER);
    }
    decision_reason(k->v, "rule %s: %s: found none: this evidence does not carry registers",
                    k->r->name, check);
    return false;
}

static bool registers_hold(const struct check *k)
{
    bool ok = register_holds(k, "image", &k->r->image, 1);
    for (size_t i = 0; i < CLAIMS_REGISTERS; i++) {
        char check[] = "register 0";
        check[sizeof check - 2] = (char)('0' + i);
        ok &= register_holds(k, check, &k->r->registers[i], i);
    }
    return ok;
}

static bool phase_holds(const struct check *k)
{
    static const uint8_t empty[CLAIMS_REGISTER];
    static const char *const names[] = {"", "init", "application"};
    const struct claims *c = k->q->claims;
    if (c->phase != k->r->phase) {
        no(k, "for", names[c->phase], names[k->r->phase]);
        return false;
    }
    if (c->phase == CLAIMS_PHASE_INIT && c->has_registers &&
        memcmp(c->registers[3], empty, sizeof empty) != 0) {
        decision_reason(k->v,
                        "rule %s: for: register 3 is not empty, so something ran before init asked",
                        k->r->name);
        return false;
    }
    return true;
}

/* ---- which machine --------------------------------------------------------------------------- */

/* The TEE's own object in what the token shows. */
static const json_t *tee_claims(const struct check *k)
{
    return json_object_get(k->q->evidence, k->q->claims->tee);
}

static const char *tee_text(const struct check *k, const char *name, const char *other)
{
    const json_t *tee = tee_claims(k), *j = json_object_get(tee, name);
    return json_string_value(j ? j : json_object_get(tee, other));
}

static bool chip_holds(const struct check *k)
{
    uint8_t chip[DIGEST_MAX];
    if (k->r->chips.count == 0) { return true; }
    const char *text = tee_text(k, "chip_id", "ppid");
    size_t len = text ? strlen(text) / 2 : 0;
    if (!text || len > sizeof chip || !hex_decode(text, strlen(text), chip, len)) {
        no(k, "chips", "none: this evidence does not name its processor", "one the rule lists");
        return false;
    }
    return digest_holds(k, "chips", &k->r->chips, chip, len);
}

static bool platform_holds(const struct check *k)
{
    return k->r->platforms.count == 0 ||
           text_holds(k, "platforms", &k->r->platforms, tee_text(k, "product", "fmspc"));
}

static bool snp_firmware_holds(const struct check *k)
{
    static const char *const names[SNP_PARTS] = {"reported_tcb_bootloader", "reported_tcb_tee",
                                                 "reported_tcb_snp", "reported_tcb_microcode",
                                                 "reported_tcb_fmc"};
    bool ok = true;
    for (size_t i = 0; i < SNP_PARTS; i++) {
        const json_t *j = json_object_get(tee_claims(k), names[i]);
        int64_t least = k->r->firmware.snp[i];
        if (least < 0 || (json_is_integer(j) && json_integer_value(j) >= least)) { continue; }
        char found[32] = "none";
        if (json_is_integer(j)) {
            (void)snprintf(found, sizeof found, "%" PRId64, (int64_t)json_integer_value(j));
        }
        decision_reason(k->v, "rule %s: firmware: %s: found %s, wanted at least %" PRId64,
                        k->r->name, names[i], found, least);
        ok = false;
    }
    return ok;
}

static bool tdx_firmware_holds(const struct check *k)
{
    const struct digest *least = &k->r->firmware.tdx.v[0];
    const json_t *body = json_object_get(json_object_get(tee_claims(k), "quote"), "body");
    const char *text = json_string_value(json_object_get(body, "tcb_svn"));
    uint8_t found[16];
    char wanted[HEX_LEN(16)];
    bool ok = text && hex_decode(text, strlen(text), found, sizeof found);
    for (size_t i = 0; ok && i < sizeof found; i++) { ok = found[i] >= least->bytes[i]; }
    if (ok) { return true; }
    hex_encode(least->bytes, sizeof found, wanted);
    decision_reason(k->v, "rule %s: firmware: tcb_svn: found %.40s, wanted no byte below %s",
                    k->r->name, text ? text : "none", wanted);
    return false;
}

static bool firmware_holds(const struct check *k)
{
    const struct firmware *f = &k->r->firmware;
    const char *tee = k->q->claims->tee;
    if (!f->there) { return true; }
    if (f->has_snp && strcmp(tee, "snp") == 0) { return snp_firmware_holds(k); }
    if (f->tdx.count && strcmp(tee, "tdx") == 0) { return tdx_firmware_holds(k); }
    no(k, "firmware", tee, "a kind for which the rule names the least");
    return false;
}

static bool tcb_date_holds(const struct check *k)
{
    const struct tcb *t = &k->r->tcb;
    const char *text = json_string_value(json_object_get(tee_claims(k), "tcb_date"));
    char earliest[RFC3339_SIZE];
    int64_t date, aged = k->q->now - t->max_age_days * DAY_S;
    int64_t least = t->has_not_before ? t->not_before : aged;
    if (!t->has_not_before && t->max_age_days == 0) { return true; }
    if (t->max_age_days && aged > least) { least = aged; }
    if (text && rfc3339_parse(text, strlen(text), &date) && date >= least) { return true; }
    rfc3339_format(least, earliest);
    decision_reason(k->v, "rule %s: tcb: found tcb_date %.40s, wanted %s or later", k->r->name,
                    text ? text : "none", earliest);
    return false;
}

static bool tcb_holds(const struct check *k)
{
    const struct texts *status = &k->r->tcb.status;
    if (!k->r->tcb.there) { return true; }
    bool ok = status->count == 0 ||
              text_holds(k, "tcb: status", status,
                         json_string_value(json_object_get(tee_claims(k), "tcb_status")));
    return tcb_date_holds(k) && ok;
}

/* ---- claims ---------------------------------------------------------------------------------- */

/* One segment of a pointer, without its ~0 and ~1. Longer than every name: NULL. */
static const char *segment(const char **p, char *out, size_t size)
{
    size_t n = 0;
    for ((*p)++; **p && **p != '/'; (*p)++) {
        char c = **p;
        if (c == '~') { c = *++*p == '0' ? '~' : '/'; }
        if (n + 1 >= size) { return NULL; }
        out[n++] = c;
    }
    out[n] = '\0';
    return out;
}

/* An index is digits without a leading zero. */
static const json_t *element(const json_t *list, const char *index)
{
    size_t n = strspn(index, "0123456789"), i = 0;
    if (n == 0 || n > 6 || index[n] || (n > 1 && index[0] == '0')) { return NULL; }
    for (; *index; index++) { i = 10 * i + (size_t)(*index - '0'); }
    return json_array_get(list, i);
}

static const json_t *pointed_at(const json_t *j, const char *pointer)
{
    char name[512];
    while (j && *pointer) {
        if (!segment(&pointer, name, sizeof name)) { return NULL; }
        j = json_is_array(j) ? element(j, name) : json_object_get(j, name);
    }
    return j;
}

static bool is_one_of(const json_t *list, const json_t *found)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_equal(json_array_get(list, i), (json_t *)(uintptr_t)found)) { return true; }
    }
    return false;
}

static bool has_one_of(const json_t *list, const json_t *found)
{
    for (size_t i = 0; i < json_array_size(found); i++) {
        if (is_one_of(list, json_array_get(found, i))) { return true; }
    }
    return false;
}

/* a - b as a sign; both are numbers. */
static int number_compare(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t x = json_integer_value(a), y = json_integer_value(b);
        return (x > y) - (x < y);
    }
    double x = json_number_value(a), y = json_number_value(b);
    return (x > y) - (x < y);
}

static void claim_refused(const struct check *k, const struct claim_check *c, const json_t *found,
                          const char *relation, const json_t *wanted)
{
    auto_free char *f = found ? json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    auto_free char *w = json_dumps(wanted, JSON_ENCODE_ANY | JSON_COMPACT);
    decision_reason(k->v, "rule %s: claims: %.100s: found %.120s, wanted %s %.120s", k->r->name,
                    c->at, f ? f : "nothing", relation, w ? w : "?");
}

static bool claim_holds(const struct check *k, const struct claim_check *c)
{
    const json_t *found = pointed_at(k->q->evidence, c->at);
    bool ok = true;
    if (c->is && !(found && is_one_of(c->is, found))) {
        claim_refused(k, c, found, "one of", c->is);
        ok = false;
    }
    if (c->has && !has_one_of(c->has, found)) {
        claim_refused(k, c, found, "an array with one of", c->has);
        ok = false;
    }
    if (c->min && !(json_is_number(found) && number_compare(found, c->min) >= 0)) {
        claim_refused(k, c, found, "at least", c->min);
        ok = false;
    }
    if (c->max && !(json_is_number(found) && number_compare(found, c->max) <= 0)) {
        claim_refused(k, c, found, "at most", c->max);
        ok = false;
    }
    return ok;
}

static bool claims_hold(const struct check *k)
{
    bool ok = true;
    for (size_t i = 0; i < k->r->claims.count; i++) { ok &= claim_holds(k, &k->r->claims.v[i]); }
    return ok;
}

/* ---- when ------------------------------------------------------------------------------------ */

static bool when_holds(const struct check *k)
{
    const struct when *w = &k->r->when;
    int64_t now = k->q->now, day = now / DAY_S - (now % DAY_S < 0);
    unsigned minute = (unsigned)((now - day * DAY_S) / 60);
    unsigned weekday = (unsigned)(((day + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    char found[RFC3339_SIZE], limit[RFC3339_SIZE];
    bool ok = true;
    rfc3339_format(now, found);
    if (w->has_from && now < w->from) {
        rfc3339_format(w->from, limit);
        decision_reason(k->v, "rule %s: when: found %s, wanted not before %s", k->r->name, found,
                        limit);
        ok = false;
    }
    if (w->has_until && now >= w->until) {
        rfc3339_format(w->until, limit);
        decision_reason(k->v, "rule %s: when: found %s, wanted before %s", k->r->name, found,
                        limit);
        ok = false;
    }
    if (w->days && !(w->days >> weekday & 1)) {
        no(k, "when", found, "one of the rule's days");
        ok = false;
    }
    if (w->has_hours && (minute < w->hour_from || minute >= w->hour_until)) {
        no(k, "when", found, "a time within the rule's hours (UTC)");
        ok = false;
    }
    return ok;
}

bool rule_holds(const struct check *k)
{
    const struct claims *c = k->q->claims;
    bool ok = text_holds(k, "tee", &k->r->tees, c->tee); /* every check runs: all reasons at once */
    ok &= measurement_holds(k);
    ok &= digest_holds(k, "initdata", &k->r->initdata, c->initdata, c->initdata_len);
    ok &= registers_hold(k);
    ok &= phase_holds(k);
    ok &= chip_holds(k);
    ok &= platform_holds(k);
    ok &= firmware_holds(k);
    ok &= tcb_holds(k);
    ok &= claims_hold(k);
    ok &= when_holds(k);
    return ok;
}
