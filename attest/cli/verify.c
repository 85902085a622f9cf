/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cc-attest verify: judge a file of evidence and say why. Says first what nobody demanded anything
 * of: an accepted report of an unknown workload must not look like a yes.
 */
#include "attest/cli/cli.h"
#include "attest/cli/request.h"

#include "attest/json.h"
#include "attest/verify/explain.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* ---- the answer */

#define FIELD_WIDTH 28
#define VALUE_WIDTH 40

/* A value in its column; the middle of a long one is left out, the lines below have all of it. */
static void print_value(const char *value, bool last)
{
    size_t len = strlen(value);
    if (len <= VALUE_WIDTH) {
        (void)printf(" %-*s", last ? 0 : VALUE_WIDTH, value);
    } else {
        (void)printf(" %.*s...%s", VALUE_WIDTH - 12, value, value + len - 9);
    }
}

static void print_table(const struct verdict_table *t)
{
    static const char *const words[] = {
        [VERDICT_HELD] = "ok", [VERDICT_FAILED] = "REFUSED", [VERDICT_UNBOUND] = "not demanded"};
    (void)printf("%-*s %-12s %-*s %s\n", FIELD_WIDTH, "field", "verdict", VALUE_WIDTH, "found",
                 "expected");
    for (size_t i = 0; i < t->count; i++) {
        const struct verdict_row *r = &t->rows[i];
        (void)printf("%-*s %-12s", FIELD_WIDTH, r->field, words[r->state]);
        print_value(r->found, !r->wanted[0]);
        if (r->wanted[0]) { print_value(r->wanted, true); }
        (void)putchar('\n');
    }
}

/* All that the evidence says, in full, whatever was demanded of it. */
static void print_claims(const json_t *claims)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)claims, name, value) {
        auto_free char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        const char *shown = json_is_string(value) ? json_string_value(value) : text;
        (void)printf("says: %-*s %s\n", FIELD_WIDTH - 6, name, shown ? shown : "");
    }
}

static void print_text(const struct verdict *v, const json_t *claims)
{
    for (size_t i = 0; i < v->unbound_count; i++) {
        (void)printf("nobody demanded: %s\n", v->unbound[i]);
    }
    print_table(v->table);
    print_claims(claims);
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
    int r = request_judge(q, &v, claims, e);
    if (r < 0) { return r; }
    if (q->as_json) {
        auto_json out = verdict_to_json(&v, claims);
        r = cli_print_json(out, e);
        if (r < 0) { return r; }
    } else {
        print_text(&v, claims);
    }
    return v.result == VERDICT_ACCEPTED ? 0 : CLI_REFUSED;
}

static int run(int argc, char **argv)
{
    struct err e = {0};
    auto_request q = {0};
    int r = request_parse(argc, argv, &q, &e);
    if (r == 0 && optind != argc) { r = err_set(&e, EINVAL, "takes no arguments"); }
    if (r == 0 && q.refusal.bytes) { r = err_set(&e, EINVAL, "--refusal is explain's"); }
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
