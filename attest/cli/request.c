/* SPDX-License-Identifier: Apache-2.0 */
/* See request.h: the command line of verify and explain. */
#include "attest/cli/request.h"

#include "attest/cli/cli.h"
#include "attest/hex.h"
#include "attest/json.h"
#include "attest/rfc3339.h"
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

enum { OPT_TYPE = 256, OPT_DIR, OPT_SIM_KEY, OPT_AT, OPT_JSON, OPT_REFUSAL };

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
                                        {"refusal", required_argument, NULL, OPT_REFUSAL},
                                        {0}};

void request_fini(struct request *q)
{
    for (size_t i = 0; i < JUDGE_FILES; i++) { free(q->in.file[i].bytes); }
    for (size_t i = 0; i < q->in.sim_key_count; i++) { crypto_key_free(q->in.sim_keys[i]); }
    free(q->refusal.bytes);
}

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

static int take_refusal(struct request *q, struct err *e)
{
    if (q->refusal.bytes) { return err_set(e, EINVAL, "--refusal: given twice"); }
    return cli_read_file(optarg, &q->refusal.bytes, &q->refusal.len, e);
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
    case OPT_REFUSAL: return take_refusal(q, e);
    default: return err_set(e, EINVAL, "wrong option; see cc-attest --help");
    }
}

/* What was given must be what this kind takes: an option without effect is a mistake. */
int request_check(const struct request *q, struct err *e)
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

int request_parse(int argc, char **argv, struct request *q, struct err *e)
{
    q->in.now = (int64_t)time(NULL);
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int r = take_option(q, o, e);
        if (r < 0) { return r; }
    }
    return 0;
}

int request_judge(const struct request *q, struct verdict *v, json_t *claims, struct err *e)
{
    if (!claims) { return err_set(e, ENOMEM, "out of memory"); }
    if (q->in.file[JUDGE_ROOT].bytes) {
        (void)fputs(
            "cc-attest: warning: --root replaces the maker's roots: whoever has this root's "
            "key can make any evidence\n",
            stderr);
    }
    return q->judge->run(&q->in, v, claims, e);
}
