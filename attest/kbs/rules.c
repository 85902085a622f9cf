/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule engine: parse everything, check everything, then judge; judging cannot fail. A rule is plain data; a check is
 * one function that says yes, or no with a reason.
 */
#include "attest/kbs/rules.h"

#include "guest/base/hosted.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define DIGEST_MAX  64
#define SEGMENT_MAX 255

struct digest {
    size_t len;
    uint8_t bytes[DIGEST_MAX];
};

struct digests {
    size_t count;
    struct digest *v; /* malloc */
};

struct texts {
    size_t count;
    char **v; /* malloc, each malloc */
};

struct rule {
    char name[64];
    struct texts resources, tees;
    struct digests initdata;
    struct digests measurement; /* count 0 = reference values */
    struct digests image;       /* as register 1 has them: SHA-256 and 16 zero bytes */
    struct digests registers[CLAIMS_REGISTERS];
    enum claims_phase phase;
};

struct rules {
    size_t count;
    struct rule *v; /* malloc */
};

static void texts_free(struct texts *t)
{
    for (size_t i = 0; i < t->count; i++) { free(t->v[i]); }
    free(t->v);
}

void rules_free(struct rules *r)
{
    if (!r) { return; }
    for (size_t i = 0; i < r->count; i++) {
        struct rule *u = &r->v[i];
        texts_free(&u->resources);
        texts_free(&u->tees);
        free(u->initdata.v);
        free(u->measurement.v);
        free(u->image.v);
        for (size_t k = 0; k < CLAIMS_REGISTERS; k++) { free(u->registers[k].v); }
    }
    free(r->v);
    free(r);
}

/* ---- resource paths -------------------------------------------------------------------------- */

static bool segment_ok(const char *p, size_t len)
{
    if (len == 0 || len > SEGMENT_MAX || p[0] == '.') { return false; }
    for (size_t i = 0; i < len; i++) {
        char c = p[i];
        bool ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
        if (!ok) { return false; }
    }
    return true;
}

/* Calls ok() for each of exactly three segments. */
static bool three_segments(const char *p, size_t len, bool (*ok)(const char *p, size_t len))
{
    size_t segments = 0;
    for (;;) {
        const char *slash = len ? memchr(p, '/', len) : NULL;
        size_t n = slash ? (size_t)(slash - p) : len;
        if (!ok(p, n)) { return false; }
        segments++;
        if (!slash) { return segments == 3; }
        p += n + 1;
        len -= n + 1;
    }
}

bool resource_path_ok(struct view path)
{
    return three_segments((const char *)path.p, path.len, segment_ok);
}

static bool pattern_segment_ok(const char *p, size_t len)
{
    return (len == 1 && p[0] == '*') || segment_ok(p, len);
}

/* Both have three segments. */
static bool pattern_matches(const char *pattern, const char *path)
{
    for (;;) {
        size_t pn = strcspn(pattern, "/"), n = strcspn(path, "/");
        bool any = pn == 1 && pattern[0] == '*';
        if (!any && (pn != n || memcmp(pattern, path, n) != 0)) { return false; }
        if (path[n] == '\0' || pattern[pn] == '\0') { return path[n] == pattern[pn]; }
        pattern += pn + 1;
        path += n + 1;
    }
}

/* ---- loading --------------------------------------------------------------------------------- */

/* The list under that name; count 0 when it is absent and may be. */
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

static int texts_read(const struct rule *r, const json_t *obj, const char *name,
                      bool (*ok)(const char *text), const char *wanted, struct texts *out,
                      struct err *e)
{
    const json_t *list;
    int rc = list_get(r, obj, name, true, &list, e);
    if (rc < 0) { return rc; }
    size_t n = json_array_size(list);
    out->v = calloc(n, sizeof *out->v);
    if (!out->v) { return err_set(e, ENOMEM, "policy: out of memory"); }
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text || !ok(text)) {
            return err_set(e, EINVAL, "rule %s: %s: found %.80s, wanted %s", r->name, name,
                           text ? text : "something that is no text", wanted);
        }
        if (!(out->v[i] = strdup(text))) { return err_set(e, ENOMEM, "policy: out of memory"); }
        out->count++;
    }
    return 0;
}

/* Every entry is hex of one of the sizes in the mask (bit n: n * 16 bytes). */
static int digests_read(const struct rule *r, const json_t *list, const char *name, unsigned sizes,
                        const char *wanted, struct digests *out, struct err *e)
{
    size_t n = json_array_size(list);
    out->v = calloc(n, sizeof *out->v);
    if (!out->v) { return err_set(e, ENOMEM, "policy: out of memory"); }
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        size_t len = text ? strlen(text) / 2 : 0;
        struct digest *d = &out->v[i];
        bool fits = len % 16 == 0 && len <= DIGEST_MAX && (sizes >> (len / 16) & 1);
        if (!fits || !hex_decode(text, strlen(text), d->bytes, len)) {
            return err_set(e, EINVAL, "rule %s: %s: found %.130s, wanted %s in lower-case hex",
                           r->name, name, text ? text : "something that is no text", wanted);
        }
        d->len = len;
        out->count++;
    }
    return 0;
}

#define BYTES(n) (1u << ((n) / 16))

static bool pattern_ok(const char *text)
{
    return three_segments(text, strlen(text), pattern_segment_ok);
}

static const struct {
    const char *tee, *reference;
} kinds[] = {
    {"sim", "sim_launch_measurement"}, {"snp", "snp_launch_measurement"}, {"tdx", "mr_td"}};

const char *reference_name_of(const char *tee)
{
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (strcmp(kinds[i].tee, tee) == 0) { return kinds[i].reference; }
    }
    return NULL;
}

bool reference_name_is_ours(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (strcmp(kinds[i].reference, name) == 0) { return true; }
    }
    return false;
}

static bool tee_ok(const char *text) { return reference_name_of(text) != NULL; }

/* "sha256:<64 hex>" */
static int images_read(struct rule *r, const json_t *list, struct err *e)
{
    static const char prefix[] = "sha256:";
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
                r->name, text ? text : "something that is no text");
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
    if (regs && !json_is_object(regs)) {
        return err_set(e, EINVAL, "rule %s: registers is not an object", r->name);
    }
    json_object_foreach (regs, name, value) {
        if (strlen(name) != 1 || name[0] < '0' || name[0] >= '0' + CLAIMS_REGISTERS) {
            return err_set(e, EINVAL, "rule %s: registers: found %.20s, wanted 0, 1, 2 or 3",
                           r->name, name);
        }
        const json_t *list;
        int rc = list_get(r, regs, name, true, &list, e);
        if (rc == 0) {
            rc = digests_read(r, list, "registers", BYTES(48), "48 bytes",
                              &r->registers[name[0] - '0'], e);
        }
        if (rc < 0) { return rc; }
    }
    return 0;
}

static int members_known(const char *what, const json_t *obj, const char *const *known,
                         size_t count, struct err *e)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)obj, name, value) {
        bool found = false;
        for (size_t i = 0; i < count; i++) { found |= strcmp(name, known[i]) == 0; }
        if (!found) { return err_set(e, EINVAL, "%s: unknown member %.60s", what, name); }
    }
    return 0;
}

static int name_read(const json_t *obj, struct rule *r, struct err *e)
{
    const char *name = json_string_value(json_object_get(obj, "name"));
    if (!name || name[0] == '\0' || strlen(name) >= sizeof r->name) {
        return err_set(e, EINVAL, "policy: a rule without a name of 1 to %zu characters",
                       sizeof r->name - 1);
    }
    for (const char *p = name; *p; p++) {
        if (!isgraph((unsigned char)*p)) {
            return err_set(e, EINVAL, "policy: a rule's name has a character that does not print");
        }
    }
    memcpy(r->name, name, strlen(name) + 1);
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

static int rule_read(const json_t *obj, struct rule *r, struct err *e)
{
    static const char *const known[] = {"name",        "resources", "tee",       "initdata",
                                        "measurement", "image",     "registers", "for"};
    if (!json_is_object(obj)) { return err_set(e, EINVAL, "policy: a rule is not an object"); }
    int rc = name_read(obj, r, e);
    if (rc == 0) { rc = members_known(r->name, obj, known, ARRAY_COUNT(known), e); }
    if (rc == 0) {
        rc = texts_read(r, obj, "resources", pattern_ok, "repository/type/tag, a segment may be *",
                        &r->resources, e);
    }
    if (rc == 0) { rc = texts_read(r, obj, "tee", tee_ok, "sim, snp or tdx", &r->tees, e); }
    if (rc < 0) { return rc; }

    const json_t *list;
    if (!json_object_get(obj, "initdata")) {
        return err_set(e, EINVAL,
                       "rule %s: initdata is missing: a release that does not depend on initdata "
                       "would go to any "
                       "workload of any owner",
                       r->name);
    }
    rc = list_get(r, obj, "initdata", true, &list, e);
    if (rc == 0) {
        rc = digests_read(r, list, "initdata", BYTES(32) | BYTES(48) | BYTES(64),
                          "32, 48 or 64 bytes", &r->initdata, e);
    }
    if (rc == 0) { rc = list_get(r, obj, "measurement", false, &list, e); }
    if (rc == 0 && list) {
        rc = digests_read(r, list, "measurement", BYTES(48), "48 bytes", &r->measurement, e);
    }
    if (rc == 0) { rc = list_get(r, obj, "image", false, &list, e); }
    if (rc == 0 && list) { rc = images_read(r, list, e); }
    if (rc == 0) { rc = registers_read(r, obj, e); }
    if (rc == 0) { rc = phase_read(obj, r, e); }
    return rc;
}

static int rules_read(const json_t *doc, struct rules *r, struct err *e)
{
    static const char *const known[] = {"version", "rules"};
    if (!json_is_object(doc)) { return err_set(e, EINVAL, "policy: not an object"); }
    int rc = members_known("policy", doc, known, ARRAY_COUNT(known), e);
    if (rc < 0) { return rc; }
    const json_t *version = json_object_get(doc, "version");
    if (!json_is_integer(version) || json_integer_value(version) != 1) {
        return err_set(e, EINVAL, "policy: version is not 1");
    }
    const json_t *list = json_object_get(doc, "rules");
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > RULES_MAX) {
        return err_set(e, EINVAL, "policy: rules is not a list of at most %u", RULES_MAX);
    }
    r->v = calloc(n ? n : 1, sizeof *r->v);
    if (!r->v) { return err_set(e, ENOMEM, "policy: out of memory"); }
    for (size_t i = 0; i < n; i++) {
        r->count = i + 1; /* a half-read rule is freed too */
        rc = rule_read(json_array_get(list, i), &r->v[i], e);
        if (rc < 0) { return rc; }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(r->v[k].name, r->v[i].name) == 0) {
                return err_set(e, EINVAL, "policy: two rules are named %s", r->v[i].name);
            }
        }
    }
    return 0;
}

int rules_parse(const void *text, size_t len, struct rules **out, struct err *e)
{
    auto_json doc = NULL;
    int rc = json_load_strict("policy", text, len, RULES_TEXT_MAX, &doc, e);
    if (rc < 0) { return rc; }
    struct rules *r = calloc(1, sizeof *r);
    if (!r) { return err_set(e, ENOMEM, "policy: out of memory"); }
    rc = rules_read(doc, r, e);
    if (rc < 0) {
        rules_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

/* ---- judging --------------------------------------------------------------------------------- */

/* found is at least as long as what is wanted: a 32-byte entry is the start of a longer digest, as in HOST_DATA. */
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
static bool check_digest(const struct rule *r, const char *check, const struct digests *ds,
                         const uint8_t *found, size_t found_len, struct decision *v)
{
    if (digests_have(ds, found, found_len)) { return true; }
    char f[HEX_LEN(DIGEST_MAX)], w[HEX_LEN(DIGEST_MAX)], more[40] = "";
    hex_encode(found, found_len, f);
    hex_encode(ds->v[0].bytes, ds->v[0].len, w);
    if (ds->count > 1) {
        (void)snprintf(more, sizeof more, " or one of %zu others", ds->count - 1);
    }
    decision_reason(v, "rule %s: %s: found %s, wanted %s%s", r->name, check, f, w, more);
    return false;
}

static bool check_tee(const struct rule *r, const struct claims *c, struct decision *v)
{
    for (size_t i = 0; i < r->tees.count; i++) {
        if (strcmp(r->tees.v[i], c->tee) == 0) { return true; }
    }
    decision_reason(v, "rule %s: tee: found %s, wanted %s%s", r->name, c->tee, r->tees.v[0],
                    r->tees.count > 1 ? " or another it lists" : "");
    return false;
}

static bool check_measurement(const struct rule *r, const struct references *refs,
                              const struct claims *c, struct decision *v)
{
    if (r->measurement.count) {
        return check_digest(r, "measurement", &r->measurement, c->measurement, CLAIMS_MEASUREMENT,
                            v);
    }
    struct reference_answer a = refs->ask(refs->ctx, c->tee, c->measurement);
    if (a.known) { return true; }
    char f[HEX_LEN(CLAIMS_MEASUREMENT)];
    hex_encode(c->measurement, CLAIMS_MEASUREMENT, f);
    if (a.count == 0) {
        decision_reason(
            v, "rule %s: measurement: found %s, but no reference value for %s is registered",
            r->name, f, c->tee);
    } else {
        decision_reason(
            v, "rule %s: measurement: found %s, wanted %s%s (reference values for %s: %zu)",
            r->name, f, a.first, a.count > 1 ? " or another" : "", c->tee, a.count);
    }
    return false;
}

/* Evidence that does not carry registers satisfies nothing about them. */
static bool check_register(const struct rule *r, const char *check, const struct digests *ds,
                           const struct claims *c, size_t index, struct decision *v)
{
    if (ds->count == 0) { return true; }
    if (c->has_registers) {
        return check_digest(r, check, ds, c->registers[index], CLAIMS_REGISTER, v);
    }
    decision_reason(v, "rule %s: %s: found none: this evidence does not carry registers", r->name,
                    check);
    return false;
}

static bool check_registers(const struct rule *r, const struct claims *c, struct decision *v)
{
    bool ok = check_register(r, "image", &r->image, c, 1, v);
    for (size_t i = 0; i < CLAIMS_REGISTERS; i++) {
        char check[] = "register 0";
        check[sizeof check - 2] = (char)('0' + i);
        ok &= check_register(r, check, &r->registers[i], c, i, v);
    }
    return ok;
}

static bool check_phase(const struct rule *r, const struct claims *c, struct decision *v)
{
    static const uint8_t empty[CLAIMS_REGISTER];
    static const char *const names[] = {"", "init", "application"};
    if (c->phase != r->phase) {
        decision_reason(v, "rule %s: for: found %s, wanted %s", r->name, names[c->phase],
                        names[r->phase]);
        return false;
    }
    if (r->phase == CLAIMS_PHASE_INIT && c->has_registers &&
        memcmp(c->registers[3], empty, sizeof empty) != 0) {
        decision_reason(v,
                        "rule %s: for: register 3 is not empty, so something ran before init asked",
                        r->name);
        return false;
    }
    return true;
}

static bool rule_names(const struct rule *r, const char *resource)
{
    for (size_t i = 0; i < r->resources.count; i++) {
        if (pattern_matches(r->resources.v[i], resource)) { return true; }
    }
    return false;
}

void rules_judge(const struct rules *rules, const struct references *refs, const struct claims *c,
                 const char *resource, struct decision *out)
{
    *out = (struct decision){0};
    bool named = false;
    for (size_t i = 0; rules && i < rules->count; i++) {
        const struct rule *r = &rules->v[i];
        if (!rule_names(r, resource)) { continue; }
        named = true;
        bool ok = check_tee(r, c, out); /* every check runs: all reasons at once */
        ok &= check_measurement(r, refs, c, out);
        ok &= check_digest(r, "initdata", &r->initdata, c->initdata, c->initdata_len, out);
        ok &= check_registers(r, c, out);
        ok &= check_phase(r, c, out);
        if (ok) {
            *out = (struct decision){.allowed = true};
            memcpy(out->rule, r->name, sizeof out->rule);
            return;
        }
    }
    if (!rules) {
        decision_reason(out, "resource: there is no policy yet, so nothing is released");
    } else if (!named) {
        decision_reason(out, "resource: no rule names %.200s", resource);
    }
}
