/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cc-attest: predict launch digests offline, judge evidence, show the key of this machine's
 * software TEE. The program is its command line; the work is in measure.h, verify_sim.h and
 * sim_signer.h.
 */
#include "attest/hex.h"
#include "attest/json.h"
#include "attest/measure.h"
#include "attest/sim_signer.h"
#include "attest/verify/sim.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#define EXIT_WRONG   1 /* no file, wrong arguments */
#define EXIT_REFUSED 3
#define FILE_MAX     (1u << 20)
#define KEYS_MAX     16
#define DIGESTS_MAX  64

static const char help[] =
    "cc-attest - launch digests and evidence\n"
    "\n"
    "usage: cc-attest measure [--type sim] [--images DIR] [--ward open|guarded] [--digest]\n"
    "       cc-attest verify --type sim --evidence FILE [--insecure-sim-key PEM]...\n"
    "                        [--policy JSON] [--json]\n"
    "       cc-attest sim-key [--key FILE]\n"
    "       cc-attest --help | --version\n"
    "\n"
    "measure     Computes what a guest's launch digest will be, from the images alone.\n"
    "            Prints a JSON object that `cc-kbs admin set-reference` takes.\n"
    "  --type sim             kind of TEE\n"
    "  --images DIR           folder with stub.bin and launch.page; absent:\n"
    "                         CASEMATE_IMAGE, or beside this program\n"
    "  --ward open|guarded    page-table regime, as given to cc-run; a measured flag\n"
    "                         (absent: open)\n"
    "  --digest               the digest alone, one line\n"
    "\n"
    "verify      Judges a report: layout, key, signature, report data, launch digest,\n"
    "            initdata. Says first what nobody demanded anything of, then every\n"
    "            reason to refuse.\n"
    "  --evidence FILE        the report's 1184 bytes, or the JSON a guest sends:\n"
    "                         {\"report\":\"<base64>\"}\n"
    "  --insecure-sim-key PEM a machine whose software TEE is believed; without one\n"
    "                         everything is refused\n"
    "  --policy JSON          {\"report_data\":H,\"host_data\":H,\"measurements\":[H,...]},\n"
    "                         each optional, H in hex\n"
    "  --json                 {\"verdict\",\"reasons\",\"unbound\",\"claims\"}\n"
    "\n"
    "sim-key     Prints the public key of this machine's software TEE; makes the key when\n"
    "            there is none.\n"
    "  --key FILE             another place than the usual one\n"
    "\n"
    "exit status: 0 done or accepted, 1 no file or wrong arguments, 3 refused\n";

static int fail(const char *command, const struct err *e)
{
    (void)fprintf(stderr, "cc-attest: %s: %s\n", command, e->text);
    return EXIT_WRONG;
}

static int usage(const char *what)
{
    (void)fprintf(stderr, "cc-attest: %s; see cc-attest --help\n", what);
    return EXIT_WRONG;
}

/* The whole of a file of at most FILE_MAX bytes, a zero byte behind it. */
static int read_file(const char *path, char **out, size_t *out_len, struct err *e)
{
    auto_file f = fopen(path, "rbe");
    auto_free char *p = malloc(FILE_MAX + 1);
    if (!f) { return err_set(e, errno, "%s: %s", path, strerror(errno)); }
    if (!p) { return err_set(e, ENOMEM, "out of memory"); }
    size_t len = fread(p, 1, FILE_MAX, f);
    if (ferror(f)) { return err_set(e, EIO, "%s: cannot be read", path); }
    if (len == FILE_MAX) { return err_set(e, EFBIG, "%s: more than %u bytes", path, FILE_MAX - 1); }
    p[len] = '\0';
    *out = steal_ptr(&p);
    *out_len = len;
    return 0;
}

/* ---- measure */

/* $CASEMATE_IMAGE, else the build tree this program lies in, else the installed place. */
static int images_dir(char *out, size_t cap, struct err *e)
{
    static const char *const places[] = {"../image", "../lib/casemate"};
    const char *named = getenv("CASEMATE_IMAGE");
    char exe[512], probe[600];
    if (named) {
        (void)snprintf(out, cap, "%s", named);
        return 0;
    }
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n < 0) { return err_set(e, errno, "/proc/self/exe: %s", strerror(errno)); }
    exe[n] = '\0';
    *strrchr(exe, '/') = '\0';
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        (void)snprintf(probe, sizeof probe, "%s/%s/stub.bin", exe, places[i]);
        if (access(probe, R_OK) != 0) { continue; }
        (void)snprintf(out, cap, "%s/%s", exe, places[i]);
        return 0;
    }
    return err_set(e, ENOENT, "no images beside this program; give --images DIR");
}

static int load_image(const char *dir, const char *name, char **out, size_t *out_len, struct err *e)
{
    char path[700];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return read_file(path, out, out_len, e);
}

static json_t *describe_part(const struct launch_part *p)
{
    char hex[HEX_LEN(32)];
    hex_encode(p->sha256, sizeof p->sha256, hex);
    return json_pack("{s:I, s:s}", "size", (json_int_t)p->size, "sha256", hex);
}

static json_t *describe_plan(const struct plan *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->count; i++) {
        char gpa[24];
        bool vmsa = p->page[i].kind == PLAN_VMSA;
        (void)snprintf(gpa, sizeof gpa, "0x%" PRIx64,
                       vmsa ? (uint64_t)MEASURE_VMSA_GPA : p->page[i].gpa);
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s}", "kind", vmsa ? "vmsa" : "normal", "gpa", gpa));
    }
    return list;
}

static int measure(const char *dir, bool guarded, bool digest_only, struct err *e)
{
    auto_free char *stub = NULL;
    auto_free char *launch = NULL;
    size_t stub_len, launch_len;
    uint8_t digest[MEASURE_SNP_SIZE];
    char hex[HEX_LEN(MEASURE_SNP_SIZE)];
    struct plan p;

    int r = load_image(dir, "stub.bin", &stub, &stub_len, e);
    if (r == 0) { r = load_image(dir, "launch.page", &launch, &launch_len, e); }
    if (r == 0) {
        r = plan_make(&p, stub, stub_len, launch, launch_len, guarded ? LAUNCH_GUARDED : 0, e);
    }
    if (r < 0) { return r; }
    r = measure_sim(NULL, &p, digest);
    if (r < 0) { return err_set(e, -r, "the launch plan cannot be measured"); }
    hex_encode(digest, sizeof digest, hex);
    if (digest_only) {
        (void)printf("%s\n", hex);
        return 0;
    }
    auto_json j =
        json_pack("{s:s, s:s, s:I, s:o, s:o, s:o}", "tee", "sim", "measurement", hex,
                  "launch_flags", (json_int_t)p.launch.flags, "core", describe_part(&p.launch.core),
                  "agent", describe_part(&p.launch.agent), "plan", describe_plan(&p));
    if (!j || json_dumpf(j, stdout, JSON_INDENT(1)) != 0) {
        return err_set(e, EIO, "cannot write");
    }
    (void)putchar('\n');
    return 0;
}

enum {
    OPT_TYPE = 256,
    OPT_IMAGES,
    OPT_WARD,
    OPT_DIGEST,
    OPT_EVIDENCE,
    OPT_SIM_KEY,
    OPT_POLICY,
    OPT_JSON,
    OPT_KEY
};

static int cmd_measure(int argc, char **argv)
{
    static const struct option options[] = {{"type", required_argument, NULL, OPT_TYPE},
                                            {"images", required_argument, NULL, OPT_IMAGES},
                                            {"ward", required_argument, NULL, OPT_WARD},
                                            {"digest", no_argument, NULL, OPT_DIGEST},
                                            {0}};
    struct err e = {0};
    char dir[600];
    const char *images = NULL;
    bool guarded = false, digest_only = false;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case OPT_TYPE:
            if (strcmp(optarg, "sim") != 0) { return usage("measure: --type: wanted sim"); }
            break;
        case OPT_IMAGES: images = optarg; break;
        case OPT_WARD:
            guarded = strcmp(optarg, "guarded") == 0;
            if (!guarded && strcmp(optarg, "open") != 0) {
                return usage("measure: --ward: wanted open or guarded");
            }
            break;
        case OPT_DIGEST: digest_only = true; break;
        default: return usage("measure: wrong option");
        }
    }
    if (optind != argc) { return usage("measure: takes no arguments"); }
    int r = images ? 0 : images_dir(dir, sizeof dir, &e);
    if (r == 0) { r = measure(images ? images : dir, guarded, digest_only, &e); }
    return r < 0 ? fail("measure", &e) : 0;
}

/* ---- verify */

struct judge {
    struct crypto_key *keys[KEYS_MAX];
    size_t key_count;
    uint8_t report_data[SNP_REPORT_DATA_SIZE], host_data[SNP_HOST_DATA_SIZE];
    uint8_t measurements[DIGESTS_MAX][SNP_MEASUREMENT_SIZE];
    struct sim_demand demand;
};

static void judge_fini(struct judge *j)
{
    for (size_t i = 0; i < j->key_count; i++) { crypto_key_free(j->keys[i]); }
}
#define auto_judge __attribute__((cleanup(judge_fini))) struct judge

static int take_key(struct judge *j, const char *path, struct err *e)
{
    auto_free char *pem = NULL;
    size_t len;
    if (j->key_count == KEYS_MAX) { return err_set(e, E2BIG, "more than %d keys", KEYS_MAX); }
    int r = read_file(path, &pem, &len, e);
    if (r < 0) { return r; }
    if (crypto_key_from_pem(pem, len, &j->keys[j->key_count]) < 0) {
        return err_set(e, EINVAL, "%s: not a key in PEM form", path);
    }
    j->key_count++;
    return 0;
}

static int take_hex(const json_t *v, const char *name, uint8_t *out, size_t len, struct err *e)
{
    if (!json_is_string(v) || !hex_decode(json_string_value(v), json_string_length(v), out, len)) {
        return err_set(e, EINVAL, "policy: %s: wanted %zu digits of lower-case hex", name, 2 * len);
    }
    return 0;
}

static int take_measurements(struct judge *j, const json_t *list, struct err *e)
{
    size_t count = json_array_size(list);
    if (count == 0 || count > DIGESTS_MAX) {
        return err_set(e, EINVAL, "policy: measurements: wanted a list of 1 to %d", DIGESTS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        int r = take_hex(json_array_get(list, i), "measurements", j->measurements[i],
                         SNP_MEASUREMENT_SIZE, e);
        if (r < 0) { return r; }
    }
    j->demand.measurements = j->measurements;
    j->demand.measurement_count = count;
    return 0;
}

static int take_policy(struct judge *j, const char *path, struct err *e)
{
    auto_free char *text = NULL;
    auto_json doc = NULL;
    size_t len;
    const char *name;
    json_t *v;
    int r = read_file(path, &text, &len, e);
    if (r == 0) { r = json_load_strict("policy", text, len, FILE_MAX, &doc, e); }
    if (r < 0) { return r; }
    if (!json_is_object(doc)) { return err_set(e, EINVAL, "policy: not an object"); }
    json_object_foreach (doc, name, v) {
        if (strcmp(name, "report_data") == 0) {
            r = take_hex(v, name, j->report_data, sizeof j->report_data, e);
            j->demand.report_data = j->report_data;
        } else if (strcmp(name, "host_data") == 0) {
            r = take_hex(v, name, j->host_data, sizeof j->host_data, e);
            j->demand.host_data = j->host_data;
        } else if (strcmp(name, "measurements") == 0) {
            r = take_measurements(j, v, e);
        } else {
            r = err_set(e, EINVAL, "policy: unknown member \"%.60s\"", name);
        }
        if (r < 0) { return r; }
    }
    return 0;
}

/*
 * Raw bytes as they are; JSON as a guest sends it. What is neither is judged, too: as a report of
 * the wrong size.
 */
static void judge_file(const char *bytes, size_t len, const struct judge *j,
                       struct sim_facts *facts, struct verdict *v)
{
    uint8_t report[SNP_REPORT_SIZE];
    struct err e = {0};
    auto_json doc = NULL;
    if (len == 0 || bytes[0] != '{') {
        verify_sim((const uint8_t *)bytes, len, &j->demand, facts, v);
    } else if (json_load_strict("evidence", bytes, len, FILE_MAX, &doc, &e) < 0 ||
               sim_evidence_parse(doc, report, &e) < 0) {
        verdict_refuse(v, &sim_codes[SIM_EVIDENCE], "JSON that is no evidence",
                       "{\"report\":\"<base64>\"}", "%s", e.text);
    } else {
        verify_sim(report, sizeof report, &j->demand, facts, v);
    }
}

static json_t *claims_of(const struct sim_facts *f)
{
    char measurement[HEX_LEN(48)], host[HEX_LEN(32)], data[HEX_LEN(64)], key[HEX_LEN(48)];
    hex_encode(f->measurement, 48, measurement);
    hex_encode(f->host_data, 32, host);
    hex_encode(f->report_data, 64, data);
    hex_encode(f->key_sha384, 48, key);
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "tee", "sim", "measurement", measurement,
                     "host_data", host, "report_data", data, "sim_key", key);
}

static void print_text(const struct verdict *v, const json_t *claims)
{
    const char *name;
    json_t *value;
    for (size_t i = 0; i < v->unbound_count; i++) {
        (void)printf("nobody demanded: %s\n", v->unbound[i]);
    }
    json_object_foreach ((json_t *)(uintptr_t)claims, name, value) {
        (void)printf("%-12s %s\n", name, json_string_value(value));
    }
    for (size_t i = 0; i < v->reason_count && i < VERDICT_REASONS_MAX; i++) {
        const struct verdict_reason *r = &v->reasons[i];
        (void)printf("%s (%s): %s\n  found  %s\n  wanted %s\n", r->check, r->code, r->text,
                     r->found, r->wanted);
    }
    (void)printf("%s\n", v->result == VERDICT_ACCEPTED ? "accepted" : "refused");
}

static int verify(const char *path, struct judge *j, bool as_json, struct err *e)
{
    auto_free char *bytes = NULL;
    size_t len;
    struct sim_facts facts = {0};
    struct verdict v = {0};
    int r = read_file(path, &bytes, &len, e);
    if (r < 0) { return r; }
    j->demand.insecure_keys = (const struct crypto_key *const *)j->keys;
    j->demand.insecure_key_count = j->key_count;
    judge_file(bytes, len, j, &facts, &v);

    /* What does not parse claims nothing. */
    bool parsed = v.reason_count == 0 || strcmp(v.reasons[0].check, "parse") != 0;
    auto_json claims = parsed ? claims_of(&facts) : json_object();
    if (!as_json) {
        print_text(&v, claims);
    } else {
        auto_json out = verdict_to_json(&v, claims);
        if (!out || json_dumpf(out, stdout, JSON_INDENT(1)) != 0) {
            return err_set(e, EIO, "cannot write");
        }
        (void)putchar('\n');
    }
    return v.result == VERDICT_ACCEPTED ? 0 : EXIT_REFUSED;
}

static int cmd_verify(int argc, char **argv)
{
    static const struct option options[] = {
        {"type", required_argument, NULL, OPT_TYPE},
        {"evidence", required_argument, NULL, OPT_EVIDENCE},
        {"insecure-sim-key", required_argument, NULL, OPT_SIM_KEY},
        {"policy", required_argument, NULL, OPT_POLICY},
        {"json", no_argument, NULL, OPT_JSON},
        {0}};
    struct err e = {0};
    auto_judge j = {0};
    const char *type = NULL, *evidence = NULL;
    bool as_json = false;
    int r = 0;
    for (int o; r == 0 && (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case OPT_TYPE: type = optarg; break;
        case OPT_EVIDENCE: evidence = optarg; break;
        case OPT_SIM_KEY: r = take_key(&j, optarg, &e); break;
        case OPT_POLICY: r = take_policy(&j, optarg, &e); break;
        case OPT_JSON: as_json = true; break;
        default: return usage("verify: wrong option");
        }
    }
    if (r < 0) { return fail("verify", &e); }
    if (optind != argc || !type || !evidence) {
        return usage("verify: wanted --type sim --evidence FILE");
    }
    if (strcmp(type, "sim") != 0) { return usage("verify: --type: wanted sim"); }
    r = verify(evidence, &j, as_json, &e);
    return r < 0 ? fail("verify", &e) : r;
}

/* ---- sim-key */

static int cmd_sim_key(int argc, char **argv)
{
    static const struct option options[] = {{"key", required_argument, NULL, OPT_KEY}, {0}};
    struct err e = {0};
    auto_sim_signer s = NULL;
    auto_free char *pem = NULL;
    const char *path = NULL;
    size_t len;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o != OPT_KEY) { return usage("sim-key: wrong option"); }
        path = optarg;
    }
    if (optind != argc) { return usage("sim-key: takes no arguments"); }
    if (sim_signer_open(path, &s, &e) < 0) { return fail("sim-key", &e); }
    if (crypto_key_to_pem(sim_signer_key(s), false, &pem, &len) < 0) {
        return usage("sim-key: cannot be written");
    }
    (void)fputs(pem, stdout);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"measure", cmd_measure}, {"verify", cmd_verify}, {"sim-key", cmd_sim_key}};
    if (argc < 2) { return usage("no command"); }
    if (strcmp(argv[1], "--help") == 0) {
        (void)fputs(help, stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("cc-attest %s\n", CASEMATE_VERSION);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            int status = commands[i].run(argc - 1, argv + 1);
            return fflush(stdout) != 0 && status == 0 ? EXIT_WRONG : status;
        }
    }
    return usage("no such command");
}
