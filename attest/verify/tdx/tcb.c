/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See tcb.h. Reads bytes of strangers: a document is walked by readers whose failure sticks, as a
 * cursor's does, so that each record is read in straight lines and asked once.
 */
#include "attest/verify/tdx/tcb.h"

#include "attest/json.h"
#include "attest/rfc3339.h"
#include "attest/verify/tdx/codes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- statuses */

static const char *const status_names[TDX_STATUSES] = {
    [TDX_UNSUPPORTED] = "unsupported",
    [TDX_UP_TO_DATE] = "UpToDate",
    [TDX_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
    [TDX_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
    [TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
    [TDX_OUT_OF_DATE] = "OutOfDate",
    [TDX_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
    [TDX_REVOKED] = "Revoked",
    [TDX_RELAUNCH_ADVISED] = "TDRelaunchAdvised",
    [TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = "TDRelaunchAdvisedConfigurationNeeded",
};

const char *tdx_status_name(enum tdx_status s)
{
    return s < TDX_STATUSES ? status_names[s] : status_names[TDX_UNSUPPORTED];
}

enum tdx_status tdx_status_of(const char *name)
{
    size_t s = 0;
    while (s < TDX_STATUSES && strcmp(status_names[s], name) != 0) { s++; }
    return (enum tdx_status)s;
}

/* ---- readers */

struct reader {
    const char *what;   /* in errors: "TCB info" */
    enum tdx_code code; /* of the first thing that was wrong */
    struct err e;
    bool bad;
};

/* The first complaint stays. */
#define COMPLAIN(r, a_code, ...)                                                                   \
    do {                                                                                           \
        if (!(r)->bad) {                                                                           \
            (r)->bad = true;                                                                       \
            (r)->code = (a_code);                                                                  \
            err_note(&(r)->e, EBADMSG, __VA_ARGS__);                                               \
        }                                                                                          \
    } while (0)

static const json_t *member(struct reader *r, const json_t *obj, const char *name)
{
    const json_t *j = r->bad ? NULL : json_object_get(obj, name);
    if (!j) { COMPLAIN(r, r->code, "%s: member \"%s\" is missing", r->what, name); }
    return j;
}

static const char *text_read(struct reader *r, const json_t *obj, const char *name)
{
    const json_t *j = member(r, obj, name);
    if (j && !json_is_string(j)) {
        COMPLAIN(r, r->code, "%s: member \"%s\" is not a text", r->what, name);
    }
    return r->bad ? "" : json_string_value(j);
}

static uint32_t number_read(struct reader *r, const json_t *obj, const char *name, uint32_t max)
{
    const json_t *j = member(r, obj, name);
    json_int_t n = json_integer_value(j);
    if (j && (!json_is_integer(j) || n < 0 || n > max)) {
        COMPLAIN(r, r->code, "%s: member \"%s\" is not a number from 0 to %" PRIu32, r->what, name,
                 max);
    }
    return r->bad ? 0 : (uint32_t)n;
}

static bool digit(char c, uint8_t *out)
{
    if (c >= '0' && c <= '9') {
        *out = (uint8_t)(c - '0');
    } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
        *out = (uint8_t)((c | 0x20) - 'a' + 10);
    } else {
        return false;
    }
    return true;
}

/* Exactly len bytes; the service writes digits of either case. */
static void hex_read(struct reader *r, const json_t *obj, const char *name, uint8_t *out,
                     size_t len)
{
    const char *text = text_read(r, obj, name);
    bool ok = strlen(text) == 2 * len;
    for (size_t i = 0; ok && i < len; i++) {
        uint8_t hi, lo;
        ok = digit(text[2 * i], &hi) && digit(text[2 * i + 1], &lo);
        if (ok) { out[i] = (uint8_t)(hi << 4 | lo); }
    }
    if (!ok) {
        COMPLAIN(r, r->code, "%s: member \"%s\" is not %zu bytes in hexadecimal", r->what, name,
                 len);
    }
}

/* Bytes in the order of the structure, which is little endian. */
static uint64_t hex64_read(struct reader *r, const json_t *obj, const char *name)
{
    uint8_t bytes[8] = {0};
    uint64_t n = 0;
    hex_read(r, obj, name, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) { n |= (uint64_t)bytes[i] << (8 * i); }
    return n;
}

static int64_t date_read(struct reader *r, const json_t *obj, const char *name)
{
    const char *text = text_read(r, obj, name);
    int64_t t = 0;
    if (!r->bad && !rfc3339_parse(text, strlen(text), &t)) {
        COMPLAIN(r, r->code, "%s: member \"%s\" is not a date in UTC", r->what, name);
    }
    return t;
}

static const json_t *list_read(struct reader *r, const json_t *obj, const char *name, size_t max)
{
    const json_t *j = member(r, obj, name);
    if (j && (!json_is_array(j) || json_array_size(j) > max)) {
        COMPLAIN(r, r->code, "%s: member \"%s\" is not a list of at most %zu", r->what, name, max);
    }
    return r->bad ? NULL : j;
}

static void id_read(struct reader *r, const json_t *obj, const char *id, uint32_t version)
{
    enum tdx_code usual = r->code;
    r->code = TDX_CODE_COLLATERAL_ID; /* says "of another kind" rather than "broken" */
    const char *found = text_read(r, obj, "id");
    uint32_t n = number_read(r, obj, "version", UINT16_MAX);
    if (!r->bad && (strcmp(found, id) != 0 || n != version)) {
        COMPLAIN(r, r->code, "%s: found %.20s version %" PRIu32 ", wanted %s version %" PRIu32,
                 r->what, found, n, id, version);
    }
    if (!r->bad) { r->code = usual; }
}

static struct tdx_dates dates_read(struct reader *r, const json_t *obj)
{
    return (struct tdx_dates){.issued = date_read(r, obj, "issueDate"),
                              .next_update = date_read(r, obj, "nextUpdate")};
}

/* "INTEL-SA-01036": shown to people and compared with a policy, so no surprises in it. */
static bool advisory_fits(const json_t *j)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    const char *s = json_string_value(j);
    return s && *s && strlen(s) == json_string_length(j) && strlen(s) <= 32 &&
           strspn(s, allowed) == strlen(s);
}

static struct tdx_rating rating_read(struct reader *r, const json_t *level)
{
    struct tdx_rating out = {.date = date_read(r, level, "tcbDate")};
    const char *name = text_read(r, level, "tcbStatus");
    out.status = tdx_status_of(name);
    if (out.status == TDX_UNSUPPORTED || out.status == TDX_STATUSES) {
        COMPLAIN(r, TDX_CODE_STATUS_UNKNOWN, "%s: status \"%.40s\"", r->what, name);
        return (struct tdx_rating){0};
    }
    if (!json_object_get(level, "advisoryIDs")) { return out; }
    out.advisories = list_read(r, level, "advisoryIDs", TDX_ADVISORIES_MAX);
    for (size_t i = 0; i < json_array_size(out.advisories); i++) {
        if (!advisory_fits(json_array_get(out.advisories, i))) {
            COMPLAIN(r, r->code, "%s: something that is no advisory id", r->what);
        }
    }
    return out;
}

/* ---- levels of one number: modules and enclaves */

static int svn_descending(const void *a, const void *b)
{
    const struct tdx_svn_level *x = a, *y = b;
    return (y->isv_svn > x->isv_svn) - (y->isv_svn < x->isv_svn);
}

static void svn_levels_read(struct reader *r, const json_t *obj, struct tdx_svn_levels *out)
{
    const json_t *list = list_read(r, obj, "tcbLevels", TDX_SVN_LEVELS_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *level = json_array_get(list, i);
        out->v[i].isv_svn = (uint16_t)number_read(r, member(r, level, "tcb"), "isvsvn", UINT16_MAX);
        out->v[i].rating = rating_read(r, level);
    }
    out->count = json_array_size(list);
    qsort(out->v, out->count, sizeof out->v[0], svn_descending);
}

/* ---- TCB info */

static void components_read(struct reader *r, const json_t *tcb, const char *name,
                            uint8_t out[TDX_COMPONENTS])
{
    const json_t *list = member(r, tcb, name);
    if (list && (!json_is_array(list) || json_array_size(list) != TDX_COMPONENTS)) {
        COMPLAIN(r, TDX_CODE_COMPONENTS, "%s: \"%s\" has not %d components", r->what, name,
                 TDX_COMPONENTS);
    }
    for (size_t i = 0; !r->bad && i < TDX_COMPONENTS; i++) {
        out[i] = (uint8_t)number_read(r, json_array_get(list, i), "svn", UINT8_MAX);
    }
}

static int tcb_descending(const void *a, const void *b)
{
    const struct tdx_tcb_level *x = a, *y = b;
    int by_sgx = memcmp(y->sgx, x->sgx, sizeof x->sgx);
    if (by_sgx != 0) { return by_sgx; }
    if (x->pce_svn != y->pce_svn) { return x->pce_svn < y->pce_svn ? 1 : -1; }
    return memcmp(y->tdx, x->tdx, sizeof x->tdx);
}

static void tcb_levels_read(struct reader *r, const json_t *obj, struct tdx_tcb_info *out)
{
    const json_t *list = list_read(r, obj, "tcbLevels", TDX_LEVELS_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *level = json_array_get(list, i), *tcb = member(r, level, "tcb");
        struct tdx_tcb_level *l = &out->levels[i];
        components_read(r, tcb, "sgxtcbcomponents", l->sgx);
        l->pce_svn = (uint16_t)number_read(r, tcb, "pcesvn", UINT16_MAX);
        components_read(r, tcb, "tdxtcbcomponents", l->tdx);
        l->rating = rating_read(r, level);
    }
    out->level_count = json_array_size(list);
    qsort(out->levels, out->level_count, sizeof out->levels[0], tcb_descending);
}

static void module_read(struct reader *r, const json_t *obj, struct tdx_module *out)
{
    hex_read(r, obj, "mrsigner", out->mr_signer, sizeof out->mr_signer);
    out->attributes = hex64_read(r, obj, "attributes");
    out->attributes_mask = hex64_read(r, obj, "attributesMask");
}

/* "TDX_01": the major version in two digits. */
static uint8_t module_major(struct reader *r, const json_t *obj)
{
    const char *id = text_read(r, obj, "id");
    uint8_t hi = 0, lo = 0;
    if (strlen(id) != 6 || strncmp(id, "TDX_", 4) != 0 || !digit(id[4], &hi) ||
        !digit(id[5], &lo)) {
        COMPLAIN(r, r->code, "%s: module \"%.20s\"", r->what, id);
    }
    return (uint8_t)(hi << 4 | lo);
}

static void modules_read(struct reader *r, const json_t *obj, struct tdx_tcb_info *out)
{
    module_read(r, member(r, obj, "tdxModule"), &out->module);
    if (!json_object_get(obj, "tdxModuleIdentities")) { return; } /* modules of major 0 alone */
    const json_t *list = list_read(r, obj, "tdxModuleIdentities", TDX_MODULES_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *module = json_array_get(list, i);
        uint8_t major = module_major(r, module);
        if (!r->bad && (major == 0 || tdx_module_find(out, major))) {
            COMPLAIN(r, r->code, "%s: module TDX_%02x has no place, or two", r->what, major);
        }
        out->modules[i].major = major;
        module_read(r, module, &out->modules[i]);
        svn_levels_read(r, module, &out->modules[i].levels);
        out->module_count = i + 1;
    }
}

const struct tdx_module *tdx_module_find(const struct tdx_tcb_info *t, uint8_t major)
{
    if (major == 0) { return &t->module; }
    for (size_t i = 0; i < t->module_count; i++) {
        if (t->modules[i].major == major) { return &t->modules[i]; }
    }
    return NULL;
}

/* The document of a reader; NULL, and complained, when it is not an object. */
static json_t *document(struct reader *r, const void *text, size_t len)
{
    json_t *doc = NULL;
    r->bad = json_load_strict(r->what, text, len, TDX_TCB_TEXT_MAX, &doc, &r->e) < 0;
    if (doc && !json_is_object(doc)) { COMPLAIN(r, r->code, "%s: not an object", r->what); }
    return doc;
}

/* Hands the complaint on. */
static bool finish(const struct reader *r, struct verdict *v)
{
    if (r->bad) {
        verdict_refuse(v, &tdx_codes[r->code], "a text that cannot be used",
                       "what Intel's service sends", "%s", r->e.text);
    }
    return !r->bad;
}

bool tdx_tcb_info_parse(const void *text, size_t len, struct tdx_tcb_info *out, struct verdict *v)
{
    struct reader r = {.what = "TCB info", .code = TDX_CODE_TCB_INFO};
    auto_json doc = document(&r, text, len);
    struct tdx_tcb_info *t = r.bad ? NULL : calloc(1, sizeof *t);
    if (!r.bad && !t) { COMPLAIN(&r, r.code, "%s: out of memory", r.what); }
    if (t) {
        id_read(&r, doc, "TDX", 3);
        t->dates = dates_read(&r, doc);
        hex_read(&r, doc, "fmspc", t->fmspc, sizeof t->fmspc);
        hex_read(&r, doc, "pceId", t->pce_id, sizeof t->pce_id);
        (void)number_read(&r, doc, "tcbType", 0); /* the only way to compose a TCB we know */
        t->evaluation = number_read(&r, doc, "tcbEvaluationDataNumber", INT32_MAX);
        modules_read(&r, doc, t);
        tcb_levels_read(&r, doc, t);
    }
    if (!r.bad) {
        t->doc = json_incref(doc);
        *out = *t;
    }
    free(t);
    return finish(&r, v);
}

void tdx_tcb_info_fini(struct tdx_tcb_info *t)
{
    json_decref(t->doc);
    t->doc = NULL;
}

/* ---- identity of the quoting enclave */

bool tdx_qe_identity_parse(const void *text, size_t len, struct tdx_qe_identity *out,
                           struct verdict *v)
{
    struct reader r = {.what = "QE identity", .code = TDX_CODE_QE_IDENTITY};
    auto_json doc = document(&r, text, len);
    struct tdx_qe_identity q = {0};
    id_read(&r, doc, "TD_QE", 2);
    q.dates = dates_read(&r, doc);
    q.evaluation = number_read(&r, doc, "tcbEvaluationDataNumber", INT32_MAX);
    hex_read(&r, doc, "miscselect", q.misc_select, sizeof q.misc_select);
    hex_read(&r, doc, "miscselectMask", q.misc_select_mask, sizeof q.misc_select_mask);
    hex_read(&r, doc, "attributes", q.attributes, sizeof q.attributes);
    hex_read(&r, doc, "attributesMask", q.attributes_mask, sizeof q.attributes_mask);
    hex_read(&r, doc, "mrsigner", q.mr_signer, sizeof q.mr_signer);
    q.isv_prod_id = (uint16_t)number_read(&r, doc, "isvprodid", UINT16_MAX);
    svn_levels_read(&r, doc, &q.levels);
    if (!r.bad) {
        q.doc = json_incref(doc);
        *out = q;
    }
    return finish(&r, v);
}

void tdx_qe_identity_fini(struct tdx_qe_identity *q)
{
    json_decref(q->doc);
    q->doc = NULL;
}
