/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cc-attest collateral: fill a directory with what vendors sign about platforms, and carry it to
 * places that cannot reach them. Verifiers read the directory and nothing else, so a start never
 * waits for a vendor's service; run `fetch` from a timer.
 */
#include "attest/cli/cli.h"

#include "attest/collateral/bundle.h"
#include "attest/collateral/fetch.h"
#include "attest/hex.h"
#include "attest/json.h"
#include "attest/verify/snp/evidence.h"
#include "attest/verify/tdx/tdx.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TRUSTED_KEYS_MAX 16

struct request {
    struct collateral_store store;
    struct fetch_from from;
    const char *type, *fmspc, *ca, *product, *out, *bundle;
    char *evidence;
    size_t evidence_len;
    uint8_t root[TDX_ROOT_SIZE]; /* Intel's, and AMD's; or those of --root */
    struct snp_root own_root;
    struct snp_roots snp_roots;
    struct crypto_key *key, *trusted[TRUSTED_KEYS_MAX];
    size_t trusted_count;
};

static void request_fini(struct request *q)
{
    free(q->evidence);
    crypto_key_free(q->key);
    for (size_t i = 0; i < q->trusted_count; i++) { crypto_key_free(q->trusted[i]); }
}
#define auto_request __attribute__((cleanup(request_fini))) struct request

/* ---- which items ----------------------------------------------------------------------------- */

struct wanted {
    struct collateral_id id[COLLATERAL_OF_REPORT_MAX];
    size_t count;
};

static int refused(const struct verdict *v, struct err *e)
{
    return err_set(e, EBADMSG, "--evidence: %s (%s)", v->reasons[0].text, v->reasons[0].code);
}

/* JSON as a guest sends it, bare or as tee-evidence has it; NULL when the evidence is not JSON. */
static int evidence_doc(const struct request *q, json_t **out_doc, const json_t **out_primary,
                        struct err *e)
{
    *out_doc = NULL;
    if (q->evidence_len == 0 || q->evidence[0] != '{') { return 0; }
    int r =
        json_load_strict("--evidence", q->evidence, q->evidence_len, q->evidence_len, out_doc, e);
    if (r < 0) { return r; }
    const json_t *inner = json_object_get(*out_doc, "primary_evidence");
    *out_primary = inner ? inner : *out_doc;
    return 0;
}

/* The platform behind a quote. Its chain is checked: the answer names a kind of processor. */
static int tdx_of_evidence(const struct request *q, struct wanted *w, struct err *e)
{
    auto_json doc = NULL;
    const json_t *primary;
    auto_tdx_evidence ev = {0};
    const void *bytes = q->evidence;
    size_t len = q->evidence_len;
    struct verdict v = {0};
    struct tdx_quote quote;
    int r = evidence_doc(q, &doc, &primary, e);
    if (r == 0 && doc) {
        r = tdx_evidence_parse(primary, &ev, e);
        bytes = ev.quote, len = ev.quote_len;
    }
    if (r < 0) { return r; }
    auto_tdx_endorsements m = tdx_endorsements_new(q->root);
    if (!m) { return err_set(e, ENOMEM, "out of memory"); }
    const struct tdx_endorsement *n =
        tdx_quote_parse(bytes, len, &quote, &v) ? tdx_endorsements_get(m, &quote, &v) : NULL;
    if (!n) { return refused(&v, e); }
    w->id[w->count++] = collateral_of_platform(n);
    return 0;
}

static int tdx_by_name(const struct request *q, struct wanted *w, struct err *e)
{
    struct collateral_id *id = &w->id[w->count++];
    bool processor = q->ca && strcmp(q->ca, "processor") == 0;
    *id = (struct collateral_id){.kind = COLLATERAL_TDX, .processor_ca = processor};
    if (!q->fmspc || !hex_decode(q->fmspc, strlen(q->fmspc), id->fmspc, TDX_FMSPC)) {
        return err_set(e, EINVAL, "--fmspc: wanted 12 digits of lower-case hex, or --evidence");
    }
    if (q->ca && !processor && strcmp(q->ca, "platform") != 0) {
        return err_set(e, EINVAL, "--ca: wanted platform or processor");
    }
    return 0;
}

static int snp_of_evidence(const struct request *q, struct wanted *w, struct err *e)
{
    auto_json doc = NULL;
    const json_t *primary;
    auto_snp_evidence ev = {0};
    const uint8_t *bytes = (const uint8_t *)q->evidence;
    size_t len = q->evidence_len;
    struct verdict v = {0};
    struct snp_report report;
    if (!q->evidence) { return err_set(e, EINVAL, "--type snp: wanted --evidence"); }
    int r = evidence_doc(q, &doc, &primary, e);
    if (r == 0 && doc) {
        r = snp_evidence_parse(primary, &ev, e);
        bytes = ev.report, len = sizeof ev.report;
    }
    if (r < 0) { return r; }
    if (!snp_report_parse(bytes, len, &report, &v)) { return refused(&v, e); }
    enum snp_product product = report.cpu_product;
    if (q->product) { product = snp_product_find(q->product, strlen(q->product)); }
    if (product == SNP_PRODUCT_NONE) {
        return err_set(e, EINVAL,
                       "--product: wanted Milan, Genoa or Turin: the report does not say");
    }
    w->count = collateral_of_report(&report, product, w->id);
    return 0;
}

/* ---- fetch ----------------------------------------------------------------------------------- */

static int fetch_one(const struct request *q, const struct collateral_id *id, struct err *e)
{
    char name[COLLATERAL_NAME_MAX];
    auto_free char *bytes = NULL;
    size_t len;
    collateral_name(id, name);
    int r = fetch_item(&q->from, id, &bytes, &len, e);
    if (r == 0) { r = collateral_write(&q->store, id, bytes, len, e); }
    if (r == 0) { (void)printf("%s\n", name); }
    return r;
}

struct renewal {
    const struct request *q;
    size_t failed;
};

/* One vendor that does not answer is no reason to leave the others out. */
static int renew_one(void *ctx, const struct collateral_id *id, struct err *e)
{
    struct renewal *n = ctx;
    struct err why = {0};
    (void)e;
    if (id->kind == COLLATERAL_VCEK || id->kind == COLLATERAL_AMD_CHAIN) { return 0; } /* forever */
    if (fetch_one(n->q, id, &why) < 0) {
        (void)cli_fail("collateral", &why);
        n->failed++;
    }
    return 0;
}

static int renew_all(const struct request *q, struct err *e)
{
    struct renewal n = {.q = q};
    int r = collateral_each(&q->store, renew_one, &n, e);
    if (r == 0 && n.failed) {
        r = err_set(e, EIO, "%zu item(s) could not be renewed; the old ones stay", n.failed);
    }
    return r;
}

static int fetch(struct request *q, struct err *e)
{
    struct wanted w = {0};
    int r;
    if (!q->type) { return renew_all(q, e); }
    if (strcmp(q->type, "tdx") == 0) {
        r = q->evidence ? tdx_of_evidence(q, &w, e) : tdx_by_name(q, &w, e);
    } else if (strcmp(q->type, "snp") == 0) {
        r = snp_of_evidence(q, &w, e);
    } else {
        r = err_set(e, EINVAL, "--type: wanted tdx or snp");
    }
    for (size_t i = 0; r == 0 && i < w.count; i++) { r = fetch_one(q, &w.id[i], e); }
    return r;
}

/* ---- export, import -------------------------------------------------------------------------- */

static int export(struct request *q, struct err *e)
{
    auto_free char *text = NULL;
    size_t len;
    if (!q->key || !q->out) { return err_set(e, EINVAL, "export: wanted --key and --out"); }
    int r = bundle_export(&q->store, q->key, (int64_t)time(NULL), &text, &len, e);
    if (r < 0) { return r; }
    auto_file f = fopen(q->out, "wbe");
    if (!f) { return err_set(e, errno, "%s: %s", q->out, strerror(errno)); }
    bool good = fwrite(text, 1, len, f) == len;
    good = fclose(steal_ptr(&f)) == 0 && good;
    return good ? 0 : err_set(e, EIO, "%s: cannot be written", q->out);
}

static int import(struct request *q, struct err *e)
{
    auto_free char *text = NULL;
    size_t len;
    struct bundle_result result;
    if (!q->bundle || q->trusted_count == 0) {
        return err_set(e, EINVAL, "import: wanted --bundle and --trusted-key");
    }
    int r = cli_read_file(q->bundle, &text, &len, e);
    if (r == 0) {
        r = bundle_import(&q->store, (const struct crypto_key *const *)q->trusted, q->trusted_count,
                          text, len, &result, e);
    }
    if (r == 0) {
        (void)printf("%zu item(s) imported, %zu older than what was there\n", result.written,
                     result.older);
    }
    return r;
}

/* ---- the command line ------------------------------------------------------------------------ */

enum {
    OPT_DIR = 256,
    OPT_TYPE,
    OPT_EVIDENCE,
    OPT_FMSPC,
    OPT_CA,
    OPT_PRODUCT,
    OPT_INTEL,
    OPT_INTEL_CA,
    OPT_AMD,
    OPT_ROOT,
    OPT_KEY,
    OPT_OUT,
    OPT_TRUSTED,
    OPT_BUNDLE
};

static const struct option options[] = {{"dir", required_argument, NULL, OPT_DIR},
                                        {"type", required_argument, NULL, OPT_TYPE},
                                        {"evidence", required_argument, NULL, OPT_EVIDENCE},
                                        {"fmspc", required_argument, NULL, OPT_FMSPC},
                                        {"ca", required_argument, NULL, OPT_CA},
                                        {"product", required_argument, NULL, OPT_PRODUCT},
                                        {"intel-url", required_argument, NULL, OPT_INTEL},
                                        {"intel-ca-url", required_argument, NULL, OPT_INTEL_CA},
                                        {"amd-url", required_argument, NULL, OPT_AMD},
                                        {"root", required_argument, NULL, OPT_ROOT},
                                        {"key", required_argument, NULL, OPT_KEY},
                                        {"out", required_argument, NULL, OPT_OUT},
                                        {"trusted-key", required_argument, NULL, OPT_TRUSTED},
                                        {"bundle", required_argument, NULL, OPT_BUNDLE},
                                        {0}};

static int take_key(const char *path, struct crypto_key **out, struct err *e)
{
    auto_free char *pem = NULL;
    size_t len;
    int r = cli_read_file(path, &pem, &len, e);
    if (r < 0) { return r; }
    r = crypto_key_from_pem(pem, len, out);
    wipe(pem, len);
    return r < 0 ? err_set(e, EINVAL, "%s: not a key in PEM form", path) : 0;
}

/* One that AMD could have named is for AMD's items, too. */
static int take_root(struct request *q, const char *path, struct err *e)
{
    auto_free char *der = NULL;
    auto_cert cert = NULL;
    size_t len;
    struct verdict v = {0};
    int r = cli_read_file(path, &der, &len, e);
    if (r < 0) { return r; }
    if (crypto_cert_from_der(der, len, &cert) < 0 || crypto_cert_key_sha256(cert, q->root) < 0) {
        return err_set(e, EINVAL, "%s: not a certificate in DER form", path);
    }
    if (snp_root_from_cert(cert, &q->own_root, &v)) {
        q->snp_roots = (struct snp_roots){.v = &q->own_root, .count = 1};
    }
    (void)fputs("cc-attest: collateral: warning: --root: believing another root than the maker's\n",
                stderr);
    return 0;
}

static int take_option(struct request *q, int o, struct err *e)
{
    switch (o) {
    case OPT_DIR: q->store.dir = optarg; return 0;
    case OPT_TYPE: q->type = optarg; return 0;
    case OPT_EVIDENCE:
        free(steal_ptr(&q->evidence));
        return cli_read_file(optarg, &q->evidence, &q->evidence_len, e);
    case OPT_FMSPC: q->fmspc = optarg; return 0;
    case OPT_CA: q->ca = optarg; return 0;
    case OPT_PRODUCT: q->product = optarg; return 0;
    case OPT_INTEL: q->from.intel = optarg; return 0;
    case OPT_INTEL_CA: q->from.intel_ca = optarg; return 0;
    case OPT_AMD: q->from.amd = optarg; return 0;
    case OPT_ROOT: return take_root(q, optarg, e);
    case OPT_KEY:
        return q->key ? err_set(e, EINVAL, "--key: given twice") : take_key(optarg, &q->key, e);
    case OPT_OUT: q->out = optarg; return 0;
    case OPT_TRUSTED: {
        if (q->trusted_count == TRUSTED_KEYS_MAX) {
            return err_set(e, E2BIG, "more than %d trusted keys", TRUSTED_KEYS_MAX);
        }
        int r = take_key(optarg, &q->trusted[q->trusted_count], e);
        if (r == 0) { q->trusted_count++; }
        return r;
    }
    case OPT_BUNDLE: q->bundle = optarg; return 0;
    default: return err_set(e, EINVAL, "wrong option; see cc-attest --help");
    }
}

static int run(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(struct request *q, struct err *e);
    } actions[] = {{"fetch", fetch}, {"export", export}, {"import", import}};
    struct err e = {0};
    auto_request q = {
        .from = {
            .intel = FETCH_INTEL, .intel_ca = FETCH_INTEL_CA, .amd = FETCH_AMD, .timeout_s = 30}};
    int r = 0;
    size_t action = 0;
    memcpy(q.root, tdx_intel_root, sizeof q.root);
    q.snp_roots = snp_amd_roots;
    q.store.tdx_root = q.root;
    q.store.snp_roots = &q.snp_roots;
    for (int o; r == 0 && (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        r = take_option(&q, o, &e);
    }
    if (r == 0 && optind + 1 == argc) {
        while (action < ARRAY_COUNT(actions) && strcmp(argv[optind], actions[action].name) != 0) {
            action++;
        }
    }
    if (r == 0 && (optind + 1 != argc || action == ARRAY_COUNT(actions))) {
        r = err_set(&e, EINVAL, "wanted fetch, export or import");
    }
    if (r == 0 && !q.store.dir) { r = err_set(&e, EINVAL, "wanted --dir"); }
    if (r == 0) { r = actions[action].run(&q, &e); }
    return r < 0 ? cli_fail("collateral", &e) : 0;
}

const struct cli_command cli_collateral = {
    .name = "collateral",
    .help = "usage: cc-attest collateral fetch --dir DIR [--type tdx|snp (--evidence FILE |\n"
            "                        --fmspc HEX [--ca platform|processor])] [--product NAME]\n"
            "                        [--intel-url URL] [--intel-ca-url URL] [--amd-url URL]\n"
            "       cc-attest collateral export --dir DIR --key PEM --out FILE\n"
            "       cc-attest collateral import --dir DIR --trusted-key PEM... --bundle FILE\n"
            "Keeps what vendors sign about platforms in a directory that verifiers read, so that\n"
            "no start needs their services. What is there never gives way to something older.\n"
            "fetch: from the vendors or a mirror with the same paths; with --type what this\n"
            "evidence needs, without it whatever in DIR can expire. Run it from a timer.\n"
            "export, import: all of it in one signed file, for places without a way there.\n"
            "  --dir DIR              the directory; made when it is not there\n"
            "  --key PEM              private key, Ed25519 or P-256\n"
            "  --trusted-key PEM      public key of an operator whose bundles are taken\n"
            "  --product NAME         Milan, Genoa or Turin, where a report does not say it\n"
            "  --root DER             believe this root instead of the maker's; for tests\n",
    .run = run,
};
