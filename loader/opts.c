/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command line of cc-run: decode, check, nothing else. Options end at the image: what follows
 * belongs to the program.
 */
#include "loader/opts.h"

#include "guest/base/hosted.h"
#include "guest/base/ovf.h"
#include "vmm/vmm.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#define MEMORY_DEFAULT (512ull << 20)
#define MEMORY_MIN     (64ull << 20)
#define ENV_FILE_MAX   (1u << 20)

const char opts_help[] =
    "cc-run - run a container image in a confidential guest of its own\n"
    "\n"
    "usage: cc-run [OPTION]... IMAGE [ARGUMENT]...\n"
    "       cc-run check [--init-sim]\n"
    "       cc-run --help | --version\n"
    "\n"
    "IMAGE is oci:DIR[:TAG], oci-archive:FILE[:TAG] or dir:ROOTFS. ARGUMENTs replace\n"
    "the image's own. Standard input, output and error are those of the program in\n"
    "the guest; they are readable by this host.\n"
    "\n"
    "the process\n"
    "  -e, --env NAME[=VALUE]  set a variable; without a value, as it is set here\n"
    "      --env-file FILE     variables, one NAME[=VALUE] a line; # begins a comment\n"
    "      --entrypoint PROG   instead of the image's; its arguments are dropped.\n"
    "                          Empty: ARGUMENTs are the whole command\n"
    "  -w, --workdir DIR       working directory inside the image\n"
    "  -u, --user USER[:GROUP] names or numbers of the image\n"
    "      --hostname NAME\n"
    "  -i, --interactive       give the program standard input; without it, it reads\n"
    "                          an end at once\n"
    "  -t, --tty               give it a terminal; with -i this terminal turns raw\n"
    "                          until the program ends\n"
    "      --read-only         the image's files cannot be changed\n"
    "      --tmpfs DIR         an empty directory in guest memory; may be repeated\n"
    "      --volume NAME=FILE  an encrypted volume (LUKS2) for initdata that name it;\n"
    "                          read when the guest starts; may be repeated\n"
    "      --network host|none connections are made in this program's network\n"
    "                          namespace (default), or not at all\n"
    "\n"
    "the guest\n"
    "      --tee KIND          auto  a TEE of this processor, else sim with a\n"
    "                                warning; never instead of one that was asked\n"
    "                                for, and never with a key broker (default)\n"
    "                          snp, tdx  AMD SEV-SNP, Intel TDX\n"
    "                          sim   software TEE: the same launch, signed by a key\n"
    "                                of this machine; protects nothing\n"
    "                          none  no TEE, no evidence: this host is trusted\n"
    "      --kbs URL           key broker, https://HOST[:PORT]\n"
    "      --kbs-cert FILE     the broker's certificate, PEM; belongs to --kbs\n"
    "      --initdata FILE     what the owner decided (TOML). With --kbs instead,\n"
    "                          initdata are made that allow exactly this process of\n"
    "                          exactly this image\n"
    "      --policy FILE       with --kbs: what those initdata allow and give beside;\n"
    "                          [[file]], [[volume]], [[control]], [agent] (TOML)\n"
    "      --cpus N            1 to 16 (default 1)\n"
    "  -m, --memory SIZE       all memory of the guest, 64m to 512g (default 512m);\n"
    "                          b, k, m, g\n"
    "      --ward open|guarded who keeps page tables under none and sim (default\n"
    "                          open); a TEE is always guarded\n"
    "      --rewrite on|off    turn system calls of the program into jumps (default\n"
    "                          on); off to debug\n"
    "      --guest DIR         guest image (default: $CASEMATE_IMAGE, or ../image or\n"
    "                          ../lib/casemate beside this program)\n"
    "      --sim-key FILE      key of the software TEE\n"
    "\n"
    "this program\n"
    "      --dry-run           start nothing; print launch spec, initdata and their\n"
    "                          digests, for a broker to register\n"
    "      --json              the same as one JSON object\n"
    "      --timings           when each phase was reached, on standard error\n"
    "      --debug             the guest's log, on standard error\n"
    "      --rm                what happens anyway: nothing stays of a guest\n"
    "\n"
    "cc-run check tells what this host can do and what is missing, and fails where no\n"
    "guest can be started; --init-sim makes the key of the software TEE.\n"
    "\n"
    "exit status: the program's own; 128+N when signal N ended it; 125 this program,\n"
    "the guest or its policy failed; 126 the program cannot be run; 127 it was not\n"
    "found. HUP, INT, QUIT, TERM, USR1 and USR2 are passed to the guest, which obeys\n"
    "those that its policy allows; the third INT or TERM in a row ends this program.\n";

enum {
    OPT_ENV_FILE = 256,
    OPT_ENTRYPOINT,
    OPT_HOSTNAME,
    OPT_READ_ONLY,
    OPT_TMPFS,
    OPT_VOLUME,
    OPT_NETWORK,
    OPT_TEE,
    OPT_KBS,
    OPT_KBS_CERT,
    OPT_INITDATA,
    OPT_POLICY,
    OPT_CPUS,
    OPT_WARD,
    OPT_REWRITE,
    OPT_GUEST,
    OPT_SIM_KEY,
    OPT_DRY_RUN,
    OPT_JSON,
    OPT_TIMINGS,
    OPT_DEBUG,
    OPT_INIT_SIM,
    OPT_RM,
    OPT_NAME,
    OPT_HELP,
    OPT_VERSION,
};

static const struct option long_options[] = {
    {"env", required_argument, NULL, 'e'},
    {"env-file", required_argument, NULL, OPT_ENV_FILE},
    {"entrypoint", required_argument, NULL, OPT_ENTRYPOINT},
    {"workdir", required_argument, NULL, 'w'},
    {"user", required_argument, NULL, 'u'},
    {"hostname", required_argument, NULL, OPT_HOSTNAME},
    {"interactive", no_argument, NULL, 'i'},
    {"tty", no_argument, NULL, 't'},
    {"read-only", no_argument, NULL, OPT_READ_ONLY},
    {"tmpfs", required_argument, NULL, OPT_TMPFS},
    {"volume", required_argument, NULL, OPT_VOLUME},
    {"network", required_argument, NULL, OPT_NETWORK},
    {"tee", required_argument, NULL, OPT_TEE},
    {"kbs", required_argument, NULL, OPT_KBS},
    {"kbs-cert", required_argument, NULL, OPT_KBS_CERT},
    {"initdata", required_argument, NULL, OPT_INITDATA},
    {"policy", required_argument, NULL, OPT_POLICY},
    {"cpus", required_argument, NULL, OPT_CPUS},
    {"memory", required_argument, NULL, 'm'},
    {"ward", required_argument, NULL, OPT_WARD},
    {"rewrite", required_argument, NULL, OPT_REWRITE},
    {"guest", required_argument, NULL, OPT_GUEST},
    {"sim-key", required_argument, NULL, OPT_SIM_KEY},
    {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {"json", no_argument, NULL, OPT_JSON},
    {"timings", no_argument, NULL, OPT_TIMINGS},
    {"debug", no_argument, NULL, OPT_DEBUG},
    {"init-sim", no_argument, NULL, OPT_INIT_SIM},
    {"rm", no_argument, NULL, OPT_RM},
    {"detach", no_argument, NULL, 'd'},
    {"name", required_argument, NULL, OPT_NAME},
    {"publish", required_argument, NULL, 'p'},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

/* One of a closed list of words: its index. */
static int word(const char *option, const char *text, const char *const *words, int *out,
                struct err *e)
{
    char wanted[64] = "";
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return 0;
        }
        size_t at = strlen(wanted);
        (void)snprintf(wanted + at, sizeof wanted - at, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    return err_set(e, EINVAL, "%s %.40s: wanted one of %s", option, text, wanted);
}

static int number(const char *text, uint64_t *out, const char **end)
{
    uint64_t v = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (!mul_ok(v, 10, &v) || !add_ok(v, (uint64_t)(*p - '0'), &v)) { return -ERANGE; }
    }
    if (p == text) { return -EINVAL; }
    *out = v;
    *end = p;
    return 0;
}

int opts_size(const char *text, uint64_t *out)
{
    static const char suffixes[] = "bkmg";
    const char *end;
    uint64_t v, unit = 1;
    int r = number(text, &v, &end);
    if (r < 0) { return r; }
    if (*end != '\0') {
        const char *s = strchr(suffixes, *end >= 'A' && *end <= 'Z' ? *end + ('a' - 'A') : *end);
        if (s == NULL || end[1] != '\0') { return -EINVAL; }
        unit <<= 10 * (s - suffixes);
    }
    return mul_ok(v, unit, out) ? 0 : -ERANGE;
}

/* ---- growing lists --------------------------------------------------------------------------- */

/* Room for one more and the NULL behind it. */
static int grow(void *list_ptr, size_t count, size_t size, struct err *e)
{
    void **list = list_ptr;
    void *more = realloc(*list, (count + 2) * size);
    if (more == NULL) { return err_set(e, ENOMEM, "out of memory"); }
    memset((char *)more + count * size, 0, 2 * size);
    *list = more;
    return 0;
}

static size_t env_count(const struct opts *o)
{
    size_t n = 0;
    while (o->env != NULL && o->env[n] != NULL) { n++; }
    return n;
}

static int add_env(struct opts *o, const char *text, struct err *e)
{
    size_t n = env_count(o);
    if (grow(&o->env, n, sizeof *o->env, e) < 0) { return -e->code; }
    o->env[n] = text;
    return 0;
}

/* A text of our own. */
static int made(struct opts *o, char *take_text, struct err *e)
{
    if (take_text == NULL || grow(&o->made, o->made_count, sizeof *o->made, e) < 0) {
        free(take_text);
        return e->code != 0 ? -e->code : err_set(e, ENOMEM, "out of memory");
    }
    o->made[o->made_count++] = take_text;
    return 0;
}

/*
 * NAME=VALUE as it is, NAME as the environment has it; a name that is not set is left out, as
 * docker does.
 */
static int env_option(struct opts *o, const char *text, struct err *e)
{
    if (strchr(text, '=') != NULL) { return add_env(o, text, e); }
    const char *value = getenv(text);
    if (value == NULL) { return 0; }
    char *both = NULL;
    if (asprintf(&both, "%s=%s", text, value) < 0) { both = NULL; }
    if (made(o, both, e) < 0) { return -e->code; }
    return add_env(o, both, e);
}

static int env_file(struct opts *o, const char *path, struct err *e)
{
    auto_file f = fopen(path, "re");
    auto_free char *line = NULL;
    size_t room = 0, total = 0;
    ssize_t n;

    if (f == NULL) { return err_set(e, errno, "--env-file %.100s: %s", path, strerror(errno)); }
    while ((n = getline(&line, &room, f)) >= 0) {
        total += (size_t)n;
        if (total > ENV_FILE_MAX) {
            return err_set(e, EFBIG, "--env-file %.100s: more than %u bytes", path, ENV_FILE_MAX);
        }
        if (n > 0 && line[n - 1] == '\n') { line[n - 1] = '\0'; }
        if (line[0] == '\0' || line[0] == '#') { continue; }
        if (made(o, strdup(line), e) < 0 || env_option(o, o->made[o->made_count - 1], e) < 0) {
            return -e->code;
        }
    }
    return ferror(f) ? err_set(e, EIO, "--env-file %.100s: cannot be read", path) : 0;
}

static int add_tmpfs(struct opts *o, const char *target, struct err *e)
{
    size_t n = o->process.mount_count;
    if (strchr(target, ':') != NULL) { /* options, as others have them there */
        return err_set(e, EINVAL, "--tmpfs %.80s: wanted a directory alone", target);
    }
    if (grow(&o->mounts, n, sizeof *o->mounts, e) < 0) { return -e->code; }
    o->mounts[n] = (struct spec_mount){.target = target, .kind = "tmpfs"};
    o->process.mount_count++;
    return 0;
}

/* NAME=FILE. What begins with a path is another program's: HOST-DIR:DIR. */
static int add_volume(struct opts *o, const char *text, struct err *e)
{
    const char *eq = strchr(text, '=');
    char *name = NULL;
    if (text[0] == '/' || text[0] == '.') {
        return err_set(
            e, ENOTSUP,
            "--volume %.80s: host directories are not supported by this version; --tmpfs DIR is",
            text);
    }
    if (eq == NULL || eq == text || eq[1] == '\0') {
        return err_set(e, EINVAL, "--volume %.80s: wanted NAME=FILE", text);
    }
    if (asprintf(&name, "volume:%.*s", (int)(eq - text), text) < 0) { name = NULL; }
    if (made(o, name, e) < 0 || grow(&o->volumes, o->volume_count, sizeof *o->volumes, e) < 0) {
        return -e->code;
    }
    o->volumes[o->volume_count++] = (struct opts_volume){.name = name, .path = eq + 1};
    return 0;
}

/* ---- options --------------------------------------------------------------------------------- */

static int cpus_option(struct opts *o, const char *text, struct err *e)
{
    const char *end;
    uint64_t v;
    if (number(text, &v, &end) < 0 || *end != '\0' || v < 1 || v > VMM_CPUS_MAX) {
        return err_set(e, EINVAL, "--cpus %.40s: wanted a whole number from 1 to %u", text,
                       VMM_CPUS_MAX);
    }
    o->cpus = (unsigned)v;
    return 0;
}

static int memory_option(struct opts *o, const char *text, struct err *e)
{
    if (opts_size(text, &o->memory) < 0 || o->memory < MEMORY_MIN || o->memory > VMM_MEMORY_MAX) {
        return err_set(e, EINVAL, "--memory %.40s: wanted %um to %" PRIu64 "g", text,
                       (unsigned)(MEMORY_MIN >> 20), VMM_MEMORY_MAX >> 30);
    }
    return 0;
}

/* What other programs have under these names, and why it is not here. */
static int foreign_option(int c, struct err *e)
{
    switch (c) {
    case 'd':
        return err_set(
            e, ENOTSUP,
            "--detach: a guest lives as long as its cc-run; the shell's & detaches both");
    case 'p':
        return err_set(
            e, ENOTSUP,
            "--publish: the program listens in this network namespace itself; nothing is mapped");
    case OPT_NAME:
        return err_set(e, ENOTSUP, "--name: nothing stays of a guest that could have a name");
    default: return err_set(e, EINVAL, "wrong usage; see cc-run --help");
    }
}

static int process_option(struct opts *o, int c, const char *arg, struct err *e)
{
    switch (c) {
    case 'e': return env_option(o, arg, e);
    case OPT_ENV_FILE: return env_file(o, arg, e);
    case OPT_ENTRYPOINT:
        o->entrypoint[0] = *arg != '\0' ? arg : NULL;
        o->process.entrypoint = o->entrypoint;
        return 0;
    case 'w': o->process.workdir = arg; return 0;
    case 'u': o->process.user = arg; return 0;
    case OPT_HOSTNAME: o->process.hostname = arg; return 0;
    case 'i': o->process.interactive = true; return 0;
    case 't': o->process.tty = true; return 0;
    case OPT_READ_ONLY: o->process.readonly = true; return 0;
    case OPT_TMPFS: return add_tmpfs(o, arg, e);
    case 'v':
    case OPT_VOLUME: return add_volume(o, arg, e);
    default: return foreign_option(c, e);
    }
}

static int guest_option(struct opts *o, int c, const char *arg, struct err *e)
{
    static const char *const tees[] = {"auto", "none", "sim", "snp", "tdx", NULL};
    static const char *const wards[] = {"open", "guarded", NULL};
    static const char *const rewrites[] = {"on", "off", NULL};
    static const char *const networks[] = {"none", "host", NULL};
    int i = 0, r;

    switch (c) {
    case OPT_NETWORK:
        r = word("--network", arg, networks, &i, e);
        o->network = i == 1;
        return r;
    case OPT_TEE:
        r = word("--tee", arg, tees, &i, e);
        o->tee = (enum opts_tee)i;
        return r;
    case OPT_WARD:
        r = word("--ward", arg, wards, &i, e);
        o->guarded = i == 1;
        return r;
    case OPT_REWRITE:
        r = word("--rewrite", arg, rewrites, &i, e);
        o->keep_syscalls = i == 1;
        return r;
    case OPT_KBS: o->kbs_url = arg; return 0;
    case OPT_KBS_CERT: o->kbs_cert = arg; return 0;
    case OPT_INITDATA: o->initdata = arg; return 0;
    case OPT_POLICY: o->policy = arg; return 0;
    case OPT_CPUS: return cpus_option(o, arg, e);
    case 'm': return memory_option(o, arg, e);
    case OPT_GUEST: o->guest_dir = arg; return 0;
    case OPT_SIM_KEY: o->sim_key = arg; return 0;
    default: return process_option(o, c, arg, e);
    }
}

static int one_option(struct opts *o, int c, const char *arg, struct err *e)
{
    switch (c) {
    case OPT_HELP: o->command = OPTS_HELP; return 0;
    case OPT_VERSION: o->command = OPTS_VERSION; return 0;
    case OPT_DRY_RUN: o->dry_run = true; return 0;
    case OPT_JSON: o->json = true; return 0;
    case OPT_TIMINGS: o->timings = true; return 0;
    case OPT_DEBUG: o->debug = true; return 0;
    case OPT_INIT_SIM: o->init_sim = true; return 0;
    case OPT_RM: return 0;
    default: return guest_option(o, c, arg, e);
    }
}

/* What no single option can see. */
static int check_together(const struct opts *o, struct err *e)
{
    if (o->init_sim) { return err_set(e, EINVAL, "--init-sim belongs to cc-run check"); }
    if (o->json && !o->dry_run) { return err_set(e, EINVAL, "--json belongs to --dry-run"); }
    if (o->kbs_url != NULL && o->initdata != NULL) {
        return err_set(e, EINVAL, "--kbs with --initdata: initdata name the broker themselves");
    }
    if (o->policy != NULL && o->kbs_url == NULL) {
        return err_set(e, EINVAL, "--policy adds to the initdata that --kbs makes");
    }
    if ((o->kbs_url != NULL) != (o->kbs_cert != NULL)) {
        return err_set(
            e, EINVAL,
            "--kbs and --kbs-cert belong together: the guest trusts one certificate, not a name");
    }
    if (o->kbs_url != NULL && strncmp(o->kbs_url, "https://", 8) != 0) {
        return err_set(e, EINVAL, "--kbs %.80s: wanted https://HOST[:PORT]", o->kbs_url);
    }
    if (o->kbs_url != NULL && o->tee == OPTS_TEE_NONE) {
        return err_set(e, EINVAL, "--kbs with --tee none: such a guest has no evidence to show");
    }
    return 0;
}

static int parse(struct opts *o, int argc, char *const *argv, struct err *e)
{
    int c, at = 0;

    optind = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "+:e:w:u:v:m:p:itd", long_options, &at)) != -1) {
        const char *name = optind > 0 && optind <= argc ? argv[optind - 1] : "";
        if (c == ':') { return err_set(e, EINVAL, "%.60s needs a value; see cc-run --help", name); }
        if (c == '?' && name[0] == '-' && name[1] != '-' &&
            optopt != 0) { /* one of several letters */
            return err_set(e, EINVAL, "-%c: no such option; see cc-run --help", optopt);
        }
        if (c == '?') {
            return err_set(e, EINVAL, "%.60s: no such option; see cc-run --help", name);
        }
        if (one_option(o, c, optarg, e) < 0) { return -e->code; }
        if (o->command != OPTS_RUN) { return 0; }
    }
    if (optind == argc) { return err_set(e, EINVAL, "no image given; see cc-run --help"); }
    o->image = argv[optind];
    if (optind + 1 < argc) { o->process.args = (const char *const *)argv + optind + 1; }
    o->process.env = o->env;
    o->process.mounts = o->mounts;
    return check_together(o, e);
}

static int parse_check(struct opts *o, int argc, char *const *argv, struct err *e)
{
    o->command = OPTS_CHECK;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--init-sim") == 0) {
            o->init_sim = true;
        } else if (strcmp(argv[i], "--help") == 0) {
            o->command = OPTS_HELP;
        } else {
            return err_set(e, EINVAL, "check: %.60s: no such option; see cc-run --help", argv[i]);
        }
    }
    return 0;
}

int opts_parse(int argc, char *const *argv, struct opts *out, struct err *e)
{
    *out = (struct opts){.cpus = 1, .memory = MEMORY_DEFAULT, .network = true};
    int r = argc > 1 && strcmp(argv[1], "check") == 0 ? parse_check(out, argc, argv, e)
                                                      : parse(out, argc, argv, e);
    if (r < 0) { opts_fini(out); }
    return r;
}

void opts_fini(struct opts *o)
{
    for (size_t i = 0; i < o->made_count; i++) { free(o->made[i]); }
    free(o->made);
    free(o->env);
    free(o->mounts);
    free(o->volumes);
    *o = (struct opts){0};
}
