/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cc-run: one image, one guest, one exit status. cc_run() is the order of start:
 *
 *   1. resolve the reference: blobs are found and opened, the launch spec is written
 *   2. initdata: the owner's, or made for exactly this spec
 *   3. --dry-run ends here
 *   4. guest image, software TEE's key, terminal, signals
 *   5. the monitor runs the guest until it ends
 *
 * Nothing is unpacked here and no key passes through here.
 */
#include "attest/initdata.h"
#include "attest/json.h"
#include "attest/hex.h"
#include "attest/measure.h"
#include "attest/sim_signer.h"
#include "guest/base/hosted.h"
#include "loader/guest_image.h"
#include "loader/init/policy.h"
#include "loader/opts.h"
#include "loader/owner.h"
#include "loader/signals.h"
#include "loader/terminal.h"
#include "vmm/vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#define EXIT_OWN_FAILURE 125
#define CERT_MAX         65536u
#define SOCKETS_MAX      8192u

struct run {
    struct opts opts;
    struct resolved image;
    char *initdata; /* NULL = none */
    size_t initdata_len;
    uint8_t initdata_digest[CRYPTO_HASH_MAX];
    size_t initdata_digest_len;
    uint8_t host_data[INITDATA_FIELD_SNP];
    struct guest_image guest;
    struct sim_signer *signer;
    struct streams_blob *blobs; /* the image's, then volumes */
    size_t blob_count;
    char (*digests)[DIGEST_TEXT_SIZE];
    enum vmm_tee tee;
    uint64_t start_ns, resolved_ns;
};

static void run_fini(struct run *r)
{
    for (size_t i = r->image.blob_count; i < r->blob_count; i++) { (void)close(r->blobs[i].fd); }
    free(r->blobs);
    free(r->digests);
    free(r->initdata);
    sim_signer_free(r->signer);
    guest_image_fini(&r->guest);
    resolved_fini(&r->image);
    opts_fini(&r->opts);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A small file whole, NUL behind it. */
static int read_text(const char *path, size_t max, char **out, size_t *out_len, struct err *e)
{
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    auto_free char *text = malloc(max + 2);
    size_t len = 0;
    ssize_t n = 1;

    if (fd < 0) { return err_set(e, errno, "%.120s: %s", path, strerror(errno)); }
    if (text == NULL) { return err_set(e, ENOMEM, "out of memory"); }
    while (n > 0 && len <= max) {
        n = read(fd, text + len, max + 1 - len);
        if (n < 0) { return err_set(e, errno, "%.120s: %s", path, strerror(errno)); }
        len += (size_t)n;
    }
    if (len == 0 || len > max) {
        return err_set(e, EFBIG, "%.120s: wanted 1 to %zu bytes", path, max);
    }
    text[len] = '\0';
    *out = steal_ptr(&text);
    *out_len = len;
    return 0;
}

/* ---- 2: what the owner decided --------------------------------------------------------------- */

/* What was added by hand: mistakes are told here and not by a guest. */
static int check_policy(const char *initdata, const struct launch_spec *spec, struct err *e)
{
    auto_initdata d = {0};
    auto_policy p = NULL;
    if (initdata_parse(initdata, strlen(initdata), &d, e) < 0) { return -e->code; }
    const char *text = initdata_text(&d, INITDATA_POLICY);
    if (policy_load(text, strlen(text), &p, e) < 0) { return -e->code; }
    return policy_judge(p, spec, e);
}

static int make_initdata(struct run *r, struct err *e)
{
    struct launch_spec spec;
    auto_free char *cert = NULL;
    auto_free char *more = NULL;
    size_t len;

    if (read_text(r->opts.kbs_cert, CERT_MAX, &cert, &len, e) < 0) { return -e->code; }
    if (r->opts.policy != NULL && read_text(r->opts.policy, POLICY_MAX, &more, &len, e) < 0) {
        return err_wrap(e, "--policy");
    }
    if (spec_parse(r->image.spec, r->image.spec_len, &spec, e) < 0) { return -e->code; }
    struct owner_broker broker = {.url = r->opts.kbs_url, .cert = cert};
    int rc = owner_initdata(&spec, &broker, more, &r->initdata, e);
    if (rc == 0 && more != NULL) { rc = check_policy(r->initdata, &spec, e); }
    spec_fini(&spec);
    if (rc == 0) { r->initdata_len = strlen(r->initdata); }
    return rc;
}

static int find_initdata(struct run *r, struct err *e)
{
    auto_initdata d = {0};

    if (r->opts.initdata != NULL) {
        if (read_text(r->opts.initdata, INITDATA_MAX, &r->initdata, &r->initdata_len, e) < 0) {
            return err_wrap(e, "--initdata");
        }
    } else if (r->opts.kbs_url != NULL) {
        if (make_initdata(r, e) < 0) { return err_wrap(e, "initdata"); }
    } else {
        return 0;
    }
    if (initdata_parse(r->initdata, r->initdata_len, &d, e) < 0) { return -e->code; }
    memcpy(r->initdata_digest, d.digest, d.digest_len);
    r->initdata_digest_len = d.digest_len;
    initdata_field(&d, r->host_data, sizeof r->host_data);
    return 0;
}

/* ---- 3: dry run ------------------------------------------------------------------------------ */

struct digests {
    char manifest[DIGEST_TEXT_SIZE];
    char spec[2 * SPEC_REGISTER_SIZE + 1], initdata[2 * CRYPTO_HASH_MAX + 1],
        host_data[2 * INITDATA_FIELD_SNP + 1];
};

static void make_digests(const struct run *r, struct digests *out)
{
    uint8_t spec[SPEC_REGISTER_SIZE];

    *out = (struct digests){0};
    digest_text(&r->image.manifest, out->manifest);
    spec_register_spec(r->image.spec, r->image.spec_len, spec);
    hex_encode(spec, sizeof spec, out->spec);
    if (r->initdata != NULL) {
        hex_encode(r->initdata_digest, r->initdata_digest_len, out->initdata);
        hex_encode(r->host_data, sizeof r->host_data, out->host_data);
    }
}

static int print_json(const struct run *r, const struct digests *d, struct err *e)
{
    auto_json j =
        json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s?}", "manifest", d->manifest, "spec",
                  r->image.spec, "spec_sha384", d->spec, "initdata", r->initdata, "initdata_digest",
                  r->initdata ? d->initdata : NULL, "host_data", r->initdata ? d->host_data : NULL);
    if (j == NULL || json_dumpf(j, stdout, JSON_SORT_KEYS | JSON_INDENT(2)) < 0) {
        return err_set(e, ENOMEM, "dry run: out of memory");
    }
    (void)puts("");
    return 0;
}

static int dry_run(const struct run *r, struct err *e)
{
    struct digests d;

    make_digests(r, &d);
    if (r->opts.json) {
        if (print_json(r, &d, e) < 0) { return -e->code; }
    } else {
        (void)printf("launch spec, %zu bytes:\n%s\n\n", r->image.spec_len, r->image.spec);
        if (r->initdata != NULL) {
            (void)printf("initdata, %zu bytes:\n%s\n", r->initdata_len, r->initdata);
        }
        (void)printf("manifest         %s\nspec-sha384      %s\n", d.manifest, d.spec);
        if (r->initdata != NULL) {
            (void)printf("initdata-digest  %s\nhost-data        %s\n", d.initdata, d.host_data);
        }
        if (r->initdata == NULL) {
            (void)puts("no initdata: the host may run anything, and no broker releases a key");
        }
    }
    return fflush(stdout) == 0 ? 0 : err_set(e, errno, "standard output: %s", strerror(errno));
}

/* ---- 4: what the guest needs ----------------------------------------------------------------- */

static int choose_tee(struct run *r, struct err *e)
{
    static const enum vmm_tee kind[] = {[OPTS_TEE_NONE] = VMM_TEE_NONE,
                                        [OPTS_TEE_SIM] = VMM_TEE_SIM,
                                        [OPTS_TEE_SNP] = VMM_TEE_SNP,
                                        [OPTS_TEE_TDX] = VMM_TEE_TDX};

    if (r->opts.tee != OPTS_TEE_AUTO) {
        r->tee = kind[r->opts.tee];
    } else if (r->initdata != NULL) {
        return err_set(
            e, ENODEV,
            "this processor has no TEE that this version supports, and a key broker is asked for: "
            "--tee sim runs the same without protection, and only a broker that was told so accepts it");
    } else {
        r->tee = VMM_TEE_SIM;
    }
    if (r->tee == VMM_TEE_SIM) {
        (void)fputs(
            "cc-run: warning: software TEE: this host can read and change everything in the guest\n",
            stderr);
        return sim_signer_open(r->opts.sim_key, &r->signer, e);
    }
    return 0;
}

/* Volumes are blobs by name; their files stay open until run_fini(). */
static int add_volumes(struct run *r, struct err *e)
{
    for (size_t i = 0; i < r->opts.volume_count; i++) {
        const struct opts_volume *v = &r->opts.volumes[i];
        struct stat st;
        auto_fd fd = open(v->path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0) {
            return err_set(e, errno, "%.100s: %s", v->path, strerror(errno));
        }
        if (!S_ISREG(st.st_mode)) {
            return err_set(e, EINVAL, "%.100s: not a regular file", v->path);
        }
        r->blobs[r->blob_count++] = (struct streams_blob){
            .digest = v->name, .fd = steal_fd(&fd), .size = (uint64_t)st.st_size};
    }
    return 0;
}

static int make_blobs(struct run *r, struct err *e)
{
    size_t n = r->image.blob_count;

    r->blobs = calloc(n + r->opts.volume_count, sizeof *r->blobs);
    r->digests = calloc(n, sizeof *r->digests);
    if (r->blobs == NULL || r->digests == NULL) { return err_set(e, ENOMEM, "out of memory"); }
    for (size_t i = 0; i < n; i++) {
        const struct resolved_blob *b = &r->image.blobs[i];
        digest_text(&b->digest, r->digests[i]);
        r->blobs[i] = (struct streams_blob){
            .digest = r->digests[i], .fd = b->fd, .off = b->base, .size = b->size};
    }
    r->blob_count = n;
    return add_volumes(r, e);
}

/* Standard input as the guest gets it; a terminal of ours turns raw. */
static int prepare_terminal(const struct run *r, struct streams_config *c, struct err *e)
{
    int size_fd = isatty(STDOUT_FILENO) ? STDOUT_FILENO : STDIN_FILENO;

    c->stdio[0] = r->opts.process.interactive ? STDIN_FILENO : -1;
    c->stdio[1] = STDOUT_FILENO;
    c->stdio[2] = STDERR_FILENO;
    if (r->opts.process.tty && r->opts.process.interactive && !isatty(STDIN_FILENO)) {
        return err_set(e, ENOTTY, "-i -t: standard input is not a terminal");
    }
    if (signals_start(r->opts.process.tty ? size_fd : -1, e) < 0) { return -e->code; }
    if (!r->opts.process.tty) { return 0; }
    (void)terminal_size(size_fd, &c->rows, &c->cols);
    return r->opts.process.interactive ? terminal_raw(STDIN_FILENO, e) : 0;
}

static void print_log(void *arg, const char *line)
{
    (void)arg;
    (void)fprintf(stderr, "guest: %s\n", line);
}

/* Of those this process may use. */
static unsigned spare_cores(unsigned cpus)
{
    cpu_set_t ours;
    unsigned count = sched_getaffinity(0, sizeof ours, &ours) == 0 ? (unsigned)CPU_COUNT(&ours) : 1;
    return count > cpus ? count - cpus : 0;
}

/* ---- 5 --------------------------------------------------------------------------------------- */

static void print_timings(const struct run *r, const struct vmm_result *v)
{
    static const struct {
        unsigned phase;
        const char *name;
    } phases[] = {
        {VMM_PHASE_START, "monitor"},
        {VMM_PHASE_MACHINE, "machine made"},
        {VMM_PHASE_PLACED, "guest image placed"},
        {VMM_PHASE_GUEST + STREAM_PHASE_INIT, "init started"},
        {VMM_PHASE_GUEST + STREAM_PHASE_ATTESTED, "keys fetched"},
        {VMM_PHASE_GUEST + STREAM_PHASE_UNPACKED, "image unpacked"},
        {VMM_PHASE_GUEST + STREAM_PHASE_STARTED, "program started"},
        {VMM_PHASE_EXIT, "guest ended"},
        {VMM_PHASE_END, "machine gone"},
    };
    (void)fprintf(stderr, "%-20s %8.3f ms\n", "image resolved",
                  (double)(r->resolved_ns - r->start_ns) / 1e6);
    for (size_t i = 0; i < ARRAY_COUNT(phases); i++) {
        uint64_t at = v->phase_ns[phases[i].phase];
        if (at != 0) {
            (void)fprintf(stderr, "%-20s %8.3f ms\n", phases[i].name,
                          (double)(at - r->start_ns) / 1e6);
        }
    }
}

static int run_guest(struct run *r, int *out_status, struct err *e)
{
    struct vmm_result result;
    struct vmm_launch l = {
        .tee = r->tee,
        .guarded = r->opts.guarded,
        .keep_syscalls = r->opts.keep_syscalls,
        .cpus = r->opts.cpus,
        .memory = r->opts.memory,
        .core = r->guest.core,
        .agent = r->guest.agent,
        .stub = r->guest.stub,
        .launch_page = r->guest.launch_page,
        .streams = {.item = {[STREAM_ITEM_LAUNCH_SPEC] = {r->image.spec, r->image.spec_len},
                             [STREAM_ITEM_INITDATA] = {r->initdata, r->initdata_len}},
                    .blobs = r->blobs,
                    .blob_count = r->blob_count,
                    .spare_cores = spare_cores(r->opts.cpus),
                    .sockets_max = r->opts.network ? SOCKETS_MAX : 0},
        .names = r->opts.network && r->initdata != NULL,
        .running = signals_to,
        .sim = {.arg = r->signer, .measure = measure_sim, .report = sim_signer_report},
        .log = r->opts.debug ? print_log : NULL,
    };

    memcpy(l.host_data, r->host_data, sizeof l.host_data);
    if (prepare_terminal(r, &l.streams, e) < 0) { return -e->code; }
    int rc = vmm_run(&l, &result, e);
    terminal_restore();
    if (r->opts.timings) { print_timings(r, &result); }
    if (rc == 0) { *out_status = (int)(result.exit.known ? result.exit.status : result.status); }
    return rc;
}

static int cc_run(struct run *r, int *out_status, struct err *e)
{
    if (resolve(r->opts.image, &r->opts.process, &r->image, e) < 0) { return -e->code; }
    r->resolved_ns = now_ns();
    if (find_initdata(r, e) < 0) { return err_wrap(e, "%.80s", r->opts.image); }
    if (r->opts.dry_run) {
        *out_status = 0;
        return dry_run(r, e);
    }
    if (choose_tee(r, e) < 0 || guest_image_open(r->opts.guest_dir, &r->guest, e) < 0 ||
        make_blobs(r, e) < 0 || run_guest(r, out_status, e) < 0) {
        return err_wrap(e, "%.80s", r->opts.image);
    }
    return 0;
}

/* ---- cc-run check ---------------------------------------------------------------------------- */

static bool check_guest_image(void)
{
    struct guest_image g;
    struct err e = {0};
    if (guest_image_open(NULL, &g, &e) < 0) {
        (void)printf("no    %s\n", e.text);
        return false;
    }
    (void)printf("ok    guest image: %zu KiB core, %zu KiB agent, %zu bytes measured code\n",
                 g.core.len >> 10, g.agent.len >> 10, g.stub.len);
    guest_image_fini(&g);
    return true;
}

static int check(bool init_sim, int *out_status, struct err *e)
{
    char path[4096];

    bool machine = vmm_check(stdout), image = check_guest_image();
    *out_status = machine && image ? 0 : EXIT_OWN_FAILURE;
    if (sim_signer_path(path, sizeof path, e) < 0) { return -e->code; }
    if (init_sim) {
        auto_sim_signer s = NULL;
        if (sim_signer_open(NULL, &s, e) < 0) { return err_wrap(e, "--init-sim"); }
        (void)printf("ok    key of the software TEE: %s\n", path);
    } else if (access(path, F_OK) == 0) {
        (void)printf("ok    key of the software TEE: %s\n", path);
    } else {
        (void)printf(
            "no    no key of the software TEE yet (%s): cc-run check --init-sim makes it, or first use\n",
            path);
    }
    return 0;
}

/*
 * Standard input, output and error exist, so that no file of ours is taken for one of them; and each
 * connection of the guest needs a descriptor, so we may have as many as we are allowed.
 */
static int prepare_descriptors(struct err *e)
{
    struct rlimit files;
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0) { return err_set(e, errno, "/dev/null: %s", strerror(errno)); }
    (void)close(fd);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files); /* fewer connections without */
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct run r = {.start_ns = now_ns()};
    struct err e = {0};
    int status = 0, rc = prepare_descriptors(&e);

    if (rc == 0) { rc = opts_parse(argc, argv, &r.opts, &e); }
    if (rc == 0) {
        switch (r.opts.command) {
        case OPTS_HELP: (void)fputs(opts_help, stdout); break;
        case OPTS_VERSION: (void)puts("cc-run " CASEMATE_VERSION); break;
        case OPTS_CHECK: rc = check(r.opts.init_sim, &status, &e); break;
        case OPTS_RUN: rc = cc_run(&r, &status, &e); break;
        }
    }
    if (rc < 0) {
        (void)fprintf(stderr, "cc-run: %s\n", e.text);
        status = EXIT_OWN_FAILURE;
    }
    run_fini(&r);
    return status;
}
