/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cc-kbs: the key broker, and its administrator's tool.
 *
 * Exit status: see the end of the help text.
 */
#include "attest/hex.h"
#include "attest/kbs/audit.h"
#include "attest/kbs/desk/cmd.h"
#include "attest/kbs/desk/command.h"
#include "attest/kbs/config/config.h"
#include "attest/kbs/file.h"
#include "attest/kbs/serve.h"
#include "attest/kbs/desk/setup.h"
#include "attest/kbs/desk/split.h"

#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

static const char help_text[] =
    "cc-kbs - key broker: releases secrets to guests whose evidence it has verified\n"
    "\n"
    "usage: cc-kbs COMMAND [OPTION]... [ARGUMENT]...\n"
    "       cc-kbs --help | --version\n"
    "\n"
    "the broker\n"
    "  init DIR [--listen ADDRESS:PORT] [--name HOST]... [--insecure-sim-key PEM]\n"
    "                          make DIR with configuration, TLS key and certificate,\n"
    "                          storage key and an administrator's token\n"
    "  serve --config FILE [--insecure-http]\n"
    "                          answer guests until INT or TERM; HUP reads\n"
    "                          configuration, policies and certificates again and\n"
    "                          keeps the old ones where the new are bad\n"
    "  check-config FILE       say what is wrong with a configuration\n"
    "  wrap-storage-key FILE   make the file that [storage.pkcs11] of FILE names\n"
    "  copy-store FROM TO      fill the empty database of configuration TO from that\n"
    "                          of FROM, whose broker is stopped: for a new storage\n"
    "                          key, or the way to PostgreSQL\n"
    "  audit verify FILE...    check the hash chain of an audit log, oldest file first\n"
    "\n"
    "at a desk, without a broker\n"
    "  policy check FILE       does it load? A policy is JSON rules or Rego\n"
    "  policy test FILE {--claims TOKEN|JSON | --evidence JSON --tee TEE --config TOML}\n"
    "       {--resource REPO/TYPE/TAG | --eval RULE}\n"
    "       [--references JSON] [--approval FILE]... [--at TIME] [--insecure-policy]\n"
    "                          what the policy answers to these claims, which rule\n"
    "                          decided, and why the others did not. Evidence is what a\n"
    "                          guest sent to /attest, judged as a broker with that\n"
    "                          configuration would, but for its nonce\n"
    "  approve sign --key PEM --as NAME --resource REPO/TYPE/TAG --initdata FILE|HEX\n"
    "       --measurement HEX|any --image sha256:HEX|any --until TIME [--count N]\n"
    "                          a statement that `admin approve` uploads\n"
    "  approve show FILE       what a statement says\n"
    "  approve key PEM         a key as policies name it\n"
    "  split --need K FILE SHARE SHARE...\n"
    "                          one share of a secret for each of as many brokers; any\n"
    "                          K of them join in a guest whose initdata name the\n"
    "                          brokers (brokers.toml) and shares:///REPO/TYPE/TAG\n"
    "  admin-token --key PEM [--issuer NAME] [--days N]\n"
    "                          a token for an administrator, on standard output\n"
    "\n"
    "administration: cc-kbs admin --url URL --cert PEM --token FILE [--insecure-http] ...\n"
    "  set-resource REPO/TYPE/TAG FILE     delete-resource REPO/TYPE/TAG\n"
    "  set-policy FILE                     get-policy              delete-policy\n"
    "  set-reference FILE...               get-reference NAME      delete-reference NAME\n"
    "  set-attestation-policy ID FILE      get-attestation-policy ID\n"
    "                                      delete-attestation-policy ID\n"
    "  approve FILE                        withdraw APPROVER/ID\n"
    "  list [resources|references|approvals]\n"
    "  import DIR                          the `repository` folder of a CoCo broker that\n"
    "                                      kept files\n"
    "FILE is - for standard input. An attestation policy (ID default_cpu, default_gpu) is\n"
    "Rego. set-reference takes what cc-attest measure prints, a JSON object of names and\n"
    "values, or a message of CoCo's reference value service; several files together\n"
    "replace the values of their names.\n"
    "\n"
    "exit status: 0 done; 1 failed, or refused by the broker, with one line that says\n"
    "why; 2 wrong arguments; 3 policy test: the policy says no.\n";

static int usage(void)
{
    (void)fputs("cc-kbs: wrong arguments; see cc-kbs --help\n", stderr);
    return 2;
}

static int fail(const struct err *e)
{
    (void)fprintf(stderr, "cc-kbs: %s\n", e->text);
    return 1;
}

static int64_t now_s(void) { return (int64_t)time(NULL); }

/* ---- serve, check-config, audit -------------------------------------------------------------- */

static int cmd_serve(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"insecure-http", no_argument, NULL, 'i'}, {0}};
    const char *config = NULL;
    bool insecure_http = false;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'c': config = optarg; break;
        case 'i': insecure_http = true; break;
        default: return usage();
        }
    }
    if (!config || optind != argc) { return usage(); }
    struct err e = {0};
    return serve_run(config, insecure_http, &e) < 0 ? fail(&e) : 0;
}

static int cmd_check_config(int argc, char **argv)
{
    struct err e = {0};
    if (argc != 2) { return usage(); }
    return serve_check(argv[1], &e) < 0 ? fail(&e) : 0;
}

static int cmd_wrap_storage_key(int argc, char **argv)
{
    struct err e = {0};
    if (argc != 2) { return usage(); }
    if (config_wrap_storage_key(argv[1], &e) < 0) { return fail(&e); }
    (void)printf("cc-kbs: made a storage key, wrapped\n");
    return 0;
}

static int store_of(const char *config, struct store **out, struct err *e)
{
    auto_config c = {0};
    int rc = config_load(config, NULL, &c, e);
    if (rc == 0) { rc = store_open(c.database, c.storage_key, out, e); }
    return rc < 0 ? err_wrap(e, "%s", config) : 0;
}

static int cmd_copy_store(int argc, char **argv)
{
    struct store *from = NULL, *to = NULL;
    uint64_t count = 0;
    struct err e = {0};
    if (argc != 3) { return usage(); }
    int rc = store_of(argv[1], &from, &e);
    if (rc == 0) { rc = store_of(argv[2], &to, &e); }
    if (rc == 0) { rc = store_copy(from, to, &count, &e); }
    store_close(from);
    store_close(to);
    if (rc < 0) { return fail(&e); }
    (void)printf("cc-kbs: copied %" PRIu64 " items\n", count);
    return 0;
}

/* Prints where the chain ends: whoever keeps that elsewhere sees a cut end, too. */
static int cmd_audit(int argc, char **argv)
{
    struct audit_check c = {0};
    struct err e = {0};
    char head[HEX_LEN(CRYPTO_SHA256_SIZE)];
    if (argc < 3 || strcmp(argv[1], "verify") != 0) { return usage(); }
    for (int i = 2; i < argc; i++) {
        if (audit_check_file(&c, argv[i], &e) < 0) { return fail(&e); }
    }
    if (c.lines == 0) {
        (void)printf("empty\n");
        return 0;
    }
    hex_encode(c.head, sizeof c.head, head);
    (void)printf("good: lines %" PRIu64 " to %" PRIu64 ", the last with SHA-256 %s\n", c.first_seq,
                 c.seq, head);
    if (c.first_seq > 1) {
        hex_encode(c.first_prev, sizeof c.first_prev, head);
        (void)printf("it goes on behind a line with SHA-256 %s\n", head);
    }
    if (c.torn) {
        (void)printf("%" PRIu64 " line(s) were torn by a kill or a full disk\n", c.torn);
    }
    if (c.lost) { (void)printf("%" PRIu64 " line(s) could not be written\n", c.lost); }
    return 0;
}

/* ---- init, admin-token ----------------------------------------------------------------------- */

static int cmd_init(int argc, char **argv)
{
    static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
                                            {"name", required_argument, NULL, 'n'},
                                            {"insecure-sim-key", required_argument, NULL, 's'},
                                            {0}};
    struct setup_options s = {.listen = "127.0.0.1:8443", .now = now_s()};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'l': s.listen = optarg; break;
        case 's': s.insecure_sim_key = optarg; break;
        case 'n':
            if (s.name_count == SETUP_NAMES_MAX) { return usage(); }
            s.names[s.name_count++] = optarg;
            break;
        default: return usage();
        }
    }
    if (optind != argc - 1) { return usage(); }
    s.dir = argv[optind];
    struct err e = {0};
    if (setup_run(&s, &e) < 0) { return fail(&e); }
    (void)printf("cc-kbs: made %s; start it with: cc-kbs serve --config %s/" SETUP_CONFIG "\n",
                 s.dir, s.dir);
    return 0;
}

static int admin_token(const char *key_file, const char *issuer, int64_t days, struct err *e)
{
    auto_key key = NULL;
    char *token = NULL;
    int rc = file_key(key_file, true, &key, e);
    if (rc == 0) { rc = setup_admin_token(key, issuer, now_s(), days * 24 * 3600, &token, e); }
    if (rc < 0) { return rc; }
    (void)printf("%s\n", token);
    wipe(token, strlen(token));
    free(token);
    return 0;
}

static int cmd_admin_token(int argc, char **argv)
{
    static const struct option options[] = {{"key", required_argument, NULL, 'k'},
                                            {"issuer", required_argument, NULL, 'i'},
                                            {"days", required_argument, NULL, 'd'},
                                            {0}};
    const char *key = NULL, *issuer = "cc-kbs", *days = "365";
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'k': key = optarg; break;
        case 'i': issuer = optarg; break;
        case 'd': days = optarg; break;
        default: return usage();
        }
    }
    char *end;
    errno = 0;
    long n = strtol(days, &end, 10);
    if (!key || optind != argc || errno || *end || n < 1 || n > 36500) { return usage(); }
    struct err e = {0};
    return admin_token(key, issuer, n, &e) < 0 ? fail(&e) : 0;
}

/* ---- split ----------------------------------------------------------------------------------- */

static int cmd_split(int argc, char **argv)
{
    static const struct option options[] = {{"need", required_argument, NULL, 'n'}, {0}};
    const char *need = "";
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o != 'n') { return usage(); }
        need = optarg;
    }
    char *end;
    errno = 0;
    unsigned long k = strtoul(need, &end, 10);
    if (errno || end == need || *end || k > UINT8_MAX || argc - optind < 3) { return usage(); }
    struct err e = {0};
    int rc =
        split_run((unsigned)k, argv[optind], argv + optind + 1, (size_t)(argc - optind - 1), &e);
    return rc < 0 ? fail(&e) : 0;
}

/* ---- policy, approve ------------------------------------------------------------------------- */

static int cmd_policy_or_usage(int argc, char **argv)
{
    int rc = cmd_policy(argc, argv);
    return rc == CMD_USAGE ? usage() : rc;
}

static int cmd_approve_or_usage(int argc, char **argv)
{
    int rc = cmd_approve(argc, argv);
    return rc == CMD_USAGE ? usage() : rc;
}

/* ---- admin ----------------------------------------------------------------------------------- */

static int admin(struct client *c, const char *token_file, int argc, char **argv, struct err *e)
{
    auto_store_value token = {0};
    int rc = file_read(token_file, 64 * 1024, true, &token, e);
    if (rc < 0) { return rc; }
    while (token.len && (token.p[token.len - 1] == '\n' || token.p[token.len - 1] == '\r')) {
        token.p[--token.len] = 0;
    }
    c->token = (const char *)token.p;
    return command_run(c, argc, argv, e);
}

static int cmd_admin(int argc, char **argv)
{
    static const struct option options[] = {{"url", required_argument, NULL, 'u'},
                                            {"cert", required_argument, NULL, 'c'},
                                            {"token", required_argument, NULL, 't'},
                                            {"insecure-http", no_argument, NULL, 'i'},
                                            {0}};
    struct client c = {0};
    const char *token = NULL;
    for (int o; (o = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        switch (o) {
        case 'u': c.url = optarg; break;
        case 'c': c.cert_pem = optarg; break;
        case 't': token = optarg; break;
        case 'i': c.insecure_http = true; break;
        default: return usage();
        }
    }
    if (!c.url || !token || (!c.cert_pem && !c.insecure_http) || optind == argc) { return usage(); }
    struct err e = {0};
    int rc = admin(&c, token, argc - optind, argv + optind, &e);
    return rc == -EINVAL && !e.text[0] ? usage() : rc < 0 ? fail(&e) : 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"init", cmd_init},
                    {"serve", cmd_serve},
                    {"check-config", cmd_check_config},
                    {"wrap-storage-key", cmd_wrap_storage_key},
                    {"copy-store", cmd_copy_store},
                    {"audit", cmd_audit},
                    {"split", cmd_split},
                    {"policy", cmd_policy_or_usage},
                    {"approve", cmd_approve_or_usage},
                    {"admin-token", cmd_admin_token},
                    {"admin", cmd_admin}};
    for (size_t i = 0; argc > 1 && i < ARRAY_COUNT(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) { return commands[i].run(argc - 1, argv + 1); }
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        (void)fputs(help_text, stdout);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        (void)puts("cc-kbs " CASEMATE_VERSION);
        return 0;
    }
    return usage();
}
