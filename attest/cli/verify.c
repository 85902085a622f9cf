/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cc-attest verify: judge a file of evidence and say why. Says first what nobody demanded anything
 * of: an accepted report of an unknown workload must not look like a yes.
 */
#include "attest/cli/cli.h"
#include "attest/cli/judge.h"

#include "attest/hex.h"
#include "attest/json.h"
#include "attest/rfc3339.h"
#include "attest/verify/explain.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <time.h>

static const struct judge *const judges[] = {&judge_snp, &judge_tdx, &judge_sim};

/* ---- what the judges share */

void judge_claim_hex(json_t *claims, const char *name, const uint8_t *p, size_t len)
{
    auto_free char *hex = malloc(HEX_LEN(len));
    if (!hex) { return; }
    hex_encode(p, len, hex);
    (void)json_object_set_new(claims, name, json_string(hex));
}

int judge_policy(const struct judge_input *in, json_t **out, struct err *e)
{
    const char *text = in->file[JUDGE_POLICY].bytes;
    if (!text) {
        *out = json_object();
        return *out ? 0 : err_set(e, ENOMEM, "out of memory");
    }
    auto_json doc = NULL;
    int r = json_load_strict("policy", text, in->file[JUDGE_POLICY].len, CLI_FILE_MAX, &doc, e);
    if (r < 0) { return r; }
    if (!json_is_object(doc)) { return err_set(e, EINVAL, "policy: not an object"); }
    *out = steal_ptr(&doc);
    return 0;
}

/* ---- the command line */

enum { OPT_TYPE = 256, OPT_DIR, OPT_SIM_KEY, OPT_AT, OPT_JSON };

/* Options that name a file are numbered as the file is. */
static const struct option options[] = {{"evidence", required_argument, NULL, JUDGE_EVIDENCE},
                                        {"vek", required_argument, NULL, JUDGE_VEK},
                                        {"chain", required_argument, NULL, JUDGE_CHAIN},
                                        {"root", required_argument, NULL, JUDGE_ROOT},
                                        {"crl", required_argument, NULL, JUDGE_CRL},
                                        {"collateral", required_argument, NULL, JUDGE_COLLATERAL},
                                        {"policy", required_argument, NULL, JUDGE_POLICY},
                                        {"collateral-dir", required_argument, NULL, OPT_DIR},
                                        {"type", required_argument, NULL, OPT_TYPE},
                                        {"insecure-sim-key", required_argument, NULL, OPT_SIM_KEY},
                                        {"at", required_argument, NULL, OPT_AT},
                                        {"json", no_argument, NULL, OPT_JSON},
                                        {0}};

struct request {
    const struct judge *judge;
    struct judge_input in;
    bool as_json;
};

static void request_fini(struct request *q)
{
    for (size_t i = 0; i < JUDGE_FILES; i++) { free(q->in.file[i].bytes); }
    for (size_t i = 0; i < q->in.sim_key_count; i++) { crypto_key_free(q->in.sim_keys[i]); }
}
#define auto_request __attribute__((cleanup(request_fini))) struct request

static int take_type(struct request *q, const char *type, struct err *e)
{
    char known[64] = "";
    for (size_t i = 0; i < ARRAY_COUNT(judges); i++) {
        if (strcmp(judges[i]->type, type) == 0) {
            q->judge = judges[i];
            return 0;
        }
        size_t at = strlen(known);
        (void)snprintf(known + at, sizeof known - at, "%s%s", i ? " or " : "", judges[i]->type);
    }
    return err_set(e, EINVAL, "--type: found %.40s, wanted %s", type, known);
}

static int take_key(struct judge_input *in, const char *path, struct err *e)
{
    auto_free char *pem = NULL;
    size_t len;
    if (in->sim_key_count == JUDGE_SIM_KEYS_MAX) {
        return err_set(e, E2BIG, "more than %d keys", JUDGE_SIM_KEYS_MAX);
    }
    int r = cli_read_file(path, &pem, &len, e);
    if (r < 0) { return r; }
    if (crypto_key_from_pem(pem, len, &in->sim_keys[in->sim_key_count]) < 0) {
        return err_set(e, EINVAL, "%s: not a key in PEM form", path);
    }
    in->sim_key_count++;
    return 0;
}

/* "2026-06-01T00:00:00Z", or with an offset as +02:00; fractions of a second do not matter here. */
static int take_time(const char *text, int64_t *out, struct err *e)
{
    char utc[RFC3339_SIZE] = "";
    const char *rest = text + (strlen(text) < 19 ? strlen(text) : 19);
    int sign = 0, hours = 0, minutes = 0, used = 0;
    (void)snprintf(utc, sizeof utc, "%.19sZ", text);
    bool ok = rfc3339_parse(utc, strlen(utc), out);
    if (ok && *rest == '.') {
        size_t digits = strspn(rest + 1, "0123456789");
        ok = digits > 0;
        rest += 1 + digits;
    }
    if (ok && strcmp(rest, "Z") != 0) {
        sign = *rest == '+' ? 1 : *rest == '-' ? -1 : 0;
        ok = sign != 0 && strlen(rest) == 6 && strspn(rest + 1, "0123456789:") == 5 &&
             sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &used) == 2 && used == 5 &&
             hours < 24 && minutes < 60;
    }
    if (!ok) {
        return err_set(e, EINVAL, "--at: found %.40s, wanted a time as 2026-06-01T00:00:00Z", text);
    }
    *out -= sign * (hours * 3600 + minutes * 60);
    return 0;
}

static int take_option(struct request *q, int o, struct err *e)
{
    if (o >= 0 && o < JUDGE_FILES) {
        if (q->in.file[o].bytes) {
            return err_set(e, EINVAL, "--%s: given twice", options[o].name);
        }
        return cli_read_file(optarg, &q->in.file[o].bytes, &q->in.file[o].len, e);
    }
    switch (o) {
    case OPT_TYPE: return take_type(q, optarg, e);
    case OPT_DIR: q->in.collateral_dir = optarg; return 0;
    case OPT_SIM_KEY: return take_key(&q->in, optarg, e);
    case OPT_AT: return take_time(optarg, &q->in.now, e);
    case OPT_JSON: q->as_json = true; return 0;
    default: return err_set(e, EINVAL, "wrong option; see cc-attest --help");
    }
}

/* What was given must be what this kind of evidence takes: an option without effect is a mistake. */
static int request_check(const struct request *q, struct err *e)
{
    if (!q->judge || !q->in.file[JUDGE_EVIDENCE].bytes) {
        return err_set(e, EINVAL, "wanted --type and --evidence; see cc-attest --help");
    }
    for (size_t i = 0; i < JUDGE_FILES; i++) {
        if (q->in.file[i].bytes && !(q->judge->files & 1u << i)) {
            return err_set(e, EINVAL, "--%s has no meaning for --type %s", options[i].name,
                           q->judge->type);
        }
    }
    if (q->in.collateral_dir && !q->judge->dir) {
        return err_set(e, EINVAL, "--collateral-dir has no meaning for --type %s", q->judge->type);
    }
    if (q->in.sim_key_count && !q->judge->sim_keys) {
        return err_set(e, EINVAL, "--insecure-sim-key has no meaning for --type %s",
                       q->judge->type);
    }
    return 0;
}

/* ---- the answer */

#define FIELD_WIDTH 22
#define VALUE_WIDTH 40

/* A value in its column; the middle of a long one is left out, the reasons below have all of it. */
static void print_value(const char *value)
{
    size_t len = strlen(value);
    if (len <= VALUE_WIDTH) {
        (void)printf(" %-*s", VALUE_WIDTH, value);
    } else {
        (void)printf(" %.*s...%s", VALUE_WIDTH - 12, value, value + len - 9);
    }
}

static void print_table(const struct verdict_table *t)
{
    static const char *const words[] = {[VERDICT_HELD] = "ok",
                                        [VERDICT_FAILED] = "REFUSED",
                                        [VERDICT_UNBOUND] = "not demanded",
                                        [VERDICT_TOLD] = ""};
    (void)printf("%-*s %-12s %-*s %s\n", FIELD_WIDTH, "field", "verdict", VALUE_WIDTH, "found",
                 "expected");
    for (size_t i = 0; i < t->count; i++) {
        const struct verdict_row *r = &t->rows[i];
        (void)printf("%-*s %-12s", FIELD_WIDTH, r->field, words[r->state]);
        print_value(r->found);
        if (r->wanted[0]) { print_value(r->wanted); }
        (void)putchar('\n');
    }
}

static void print_text(const struct verdict *v)
{
    for (size_t i = 0; i < v->unbound_count; i++) {
        (void)printf("nobody demanded: %s\n", v->unbound[i]);
    }
    print_table(v->table);
    for (size_t i = 0; i < v->reason_count && i < VERDICT_REASONS_MAX; i++) {
        const struct verdict_reason *r = &v->reasons[i];
        const struct verdict_code *c = explain_find(r->code);
        (void)printf("%s (%s): %s\n  found    %s\n  expected %s\n", r->check, r->code, r->text,
                     r->found, r->wanted);
        if (c) { (void)printf("  to do    %s\n", c->todo); }
    }
    (void)printf("%s\n", v->result == VERDICT_ACCEPTED ? "accepted" : "refused");
}

static int answer(const struct request *q, struct err *e)
{
    struct verdict_table table = {0};
    struct verdict v = {.table = &table};
    auto_json claims = json_object();
    int r = claims ? q->judge->run(&q->in, &v, claims, e) : err_set(e, ENOMEM, "out of memory");
    if (r < 0) { return r; }
    if (q->in.file[JUDGE_ROOT].bytes) {
        (void)fputs(
            "cc-attest: warning: --root replaces the maker's roots: whoever has this root's "
            "key can make any evidence\n",
            stderr);
    }
    if (q->as_json) {
        auto_json out = verdict_to_json(&v, claims);
        r = cli_print_json(out, e);
        if (r < 0) { return r; }
    } else {
        print_text(&v);
    }
    return v.result == VERDICT_ACCEPTED ? 0 : CLI_REFUSED;
}

static int run(int argc, char **argv)
{
    struct err e = {0};
    auto_request q = {.in.now = (int64_t)time(NULL)};
    int r = 0;
    for (int o; r == 0 && (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        r = take_option(&q, o, &e);
    }
    if (r == 0 && optind != argc) { r = err_set(&e, EINVAL, "takes no arguments"); }
    if (r == 0) { r = request_check(&q, &e); }
    if (r == 0) { r = answer(&q, &e); }
    return r < 0 ? cli_fail("verify", &e) : r;
}

const struct cli_command cli_verify = {
    .name = "verify",
    .help = "usage: cc-attest verify --type snp|tdx|sim --evidence FILE [--policy JSON]\n"
            "                        [--at RFC3339] [--json] [--collateral-dir DIR]\n"
            "                        snp: [--vek DER] [--chain PEM] [--root DER] [--crl DER]\n"
            "                        tdx: [--collateral JSON] [--root DER]\n"
            "                        sim: [--insecure-sim-key PEM]...\n"
            "Judges evidence: layout, certificates, signature, report data, launch digest,\n"
            "initdata. Says first what nobody demanded anything of, then field by field what\n"
            "was found and expected, then every reason to refuse and what to do about it.\n"
            "  --evidence FILE        the report as the processor made it, or the JSON a guest\n"
            "                         sends to a key broker\n"
            "  --policy JSON          what is demanded; attest/verify/README.md has the members\n"
            "  --at RFC3339           judge as at that time; absent: now\n"
            "  --json                 {\"verdict\",\"reasons\",\"unbound\",\"claims\"}\n"
            "  --vek DER              certificate of the key that signed the report (VCEK, VLEK);\n"
            "                         absent: the evidence's own\n"
            "  --chain PEM            its issuer and the root; absent: the evidence's own\n"
            "  --root DER             trust this root and not the maker's; for tests\n"
            "  --crl DER              the root's revocation list\n"
            "  --collateral JSON      what the maker says about TCBs and revocation\n"
            "  --collateral-dir DIR   where what is not given is looked for: filled by\n"
            "                         `cc-attest collateral`\n"
            "  --insecure-sim-key PEM a machine whose software TEE is believed; without one all\n"
            "                         evidence of sim is refused\n",
    .run = run,
};
