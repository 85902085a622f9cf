/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cc-attest explain: why a broker refused, or would refuse, in words; offline. Reads what the
 * broker said, judges evidence itself, or tells what a code means.
 */
#include "attest/cli/cli.h"
#include "attest/cli/refusal.h"
#include "attest/cli/request.h"
#include "attest/cli/words.h"

#include "attest/json.h"
#include "attest/verify/explain.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static void print_values(const char *code, const char *found, const char *wanted)
{
    char difference[WORDS_MAX];
    if (!found[0] && !wanted[0]) { return; }
    (void)printf("   found    %s\n   expected %s\n", found, wanted);
    words_difference(code, found, wanted, difference);
    if (difference[0]) { (void)printf("   in words %s\n", difference); }
}

static void print_code(const struct verdict_code *c)
{
    (void)printf("%s: %s\n   layer    %s%s%s\n   field    %s\n   to do    %s\n", c->name, c->means,
                 c->check, c->ref[0] ? ", check " : "", c->ref, c->field, c->todo);
}

static void print_verdict(const struct verdict *v)
{
    for (size_t i = 0; i < v->reason_count && i < VERDICT_REASONS_MAX; i++) {
        const struct verdict_reason *r = &v->reasons[i];
        const struct verdict_code *c = explain_find(r->code);
        (void)printf("%zu. ", i + 1);
        if (c) { print_code(c); }
        if (!c || strcmp(c->means, r->text) != 0) { (void)printf("   said     %s\n", r->text); }
        print_values(r->code, r->found, r->wanted);
    }
    for (size_t i = 0; i < v->unbound_count; i++) {
        (void)printf("nobody demanded: %s\n", v->unbound[i]);
    }
    (void)printf("%s\n", v->result == VERDICT_ACCEPTED ? "accepted" : "refused");
}

static int explain_evidence(const struct request *q, struct err *e)
{
    struct verdict v = {0};
    auto_json claims = json_object();
    int r = request_check(q, e);
    if (r == 0) { r = request_judge(q, &v, claims, e); }
    if (r < 0) { return r; }
    print_verdict(&v);
    return v.result == VERDICT_ACCEPTED ? 0 : CLI_REFUSED;
}

static void print_reason(size_t i, const struct refusal_reason *r)
{
    const struct words_subject *w = words_find(r->subject, r->rule[0] != '\0');
    (void)printf("%zu. ", i + 1);
    if (r->code) {
        print_code(r->code);
    } else if (w) {
        (void)printf("%s%s%s%s: %s\n   to do    %s\n", r->rule[0] ? "rule " : "", r->rule,
                     r->rule[0] ? ", " : "", r->subject, w->means, w->todo);
    } else {
        (void)printf("a reason this program does not know\n");
    }
    (void)printf("   said     %s\n", r->text);
    print_values(r->code ? r->code->name : "", r->found, r->wanted);
}

static int explain_refusal(const struct request *q, struct err *e)
{
    auto_free struct refusal *f = calloc(1, sizeof *f);
    if (!f) { return err_set(e, ENOMEM, "out of memory"); }
    int r = refusal_parse(q->refusal.bytes, q->refusal.len, f, e);
    if (r < 0) { return err_wrap(e, "--refusal"); }
    for (size_t i = 0; i < f->count; i++) { print_reason(i, &f->reasons[i]); }
    if (f->more) { (void)printf("and more than these %d\n", REFUSAL_REASONS_MAX); }
    return 0;
}

static int explain_codes(char **names, size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        const struct verdict_code *c = explain_find(names[i]);
        if (!c) { return err_set(e, ENOENT, "%.60s: no verifier has this code", names[i]); }
        print_code(c);
    }
    return 0;
}

static int run(int argc, char **argv)
{
    struct err e = {0};
    auto_request q = {0};
    int status = 0, r = request_parse(argc, argv, &q, &e);
    bool evidence = q.judge || q.in.file[JUDGE_EVIDENCE].bytes;
    if (r == 0 && q.as_json) { r = err_set(&e, EINVAL, "--json is verify's"); }
    if (r == 0 && !evidence && !q.refusal.bytes && optind == argc) {
        r = err_set(&e, EINVAL, "wanted --refusal, --type and --evidence, or codes");
    }
    if (r == 0) { r = explain_codes(argv + optind, (size_t)(argc - optind), &e); }
    if (r == 0 && q.refusal.bytes) { r = explain_refusal(&q, &e); }
    if (r == 0 && evidence) { status = r = explain_evidence(&q, &e); }
    return r < 0 ? cli_fail("explain", &e) : status;
}

const struct cli_command cli_explain = {
    .name = "explain",
    .help = "usage: cc-attest explain --refusal FILE\n"
            "       cc-attest explain --type snp|tdx|sim --evidence FILE [as verify]\n"
            "       cc-attest explain CODE...\n"
            "Tells in words, offline, why evidence or a request is refused: which field, what\n"
            "was found, what was expected, in what they differ, what to do.\n"
            "  --refusal FILE         a broker's error body, lines of its audit log, or what\n"
            "                         verify --json printed\n"
            "  CODE                   a reason code, as snp-signature\n",
    .run = run,
};
