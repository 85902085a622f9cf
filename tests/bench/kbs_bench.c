/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cc-bench kbs: full key releases, by one broker or by two in turns.
 *
 * Clients and broker share the machine, so a rate says as much about the clients as about the broker. What does not
 * depend on them: the broker's processor time per release, which gives releases per second and core; and the ratio of
 * that time to the bare cost of the public-key operations in it, measured by this process in the same run. Two brokers
 * take turns of one second, so that whatever else the machine does hits both.
 */
#include "tests/bench/bench.h"
#include "tests/bench/kbs.h"

#include "attest/crypto.h"
#include "guest/base/hosted.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define CLIENTS_MAX 64
#define TURN_NS     1000000000u
#define SAMPLES_MAX (1u << 20)

static const char help[] =
    "cc-bench kbs - full key releases: challenge, evidence, resource, opened\n"
    "\n"
    "usage: cc-bench kbs [OPTIONS]\n"
    "\n"
    "Starts a broker of this build that believes a machine made for the run, and asks it for a\n"
    "32-byte resource with a fresh P-256 key each time.\n"
    "\n"
    "  -t, --tee KIND      sim, snp, tdx or sample (default sim)\n"
    "  -c, --clients N     that many at once, each on its own connection (default 1)\n"
    "  -n, --seconds N     of each broker, after one that is not counted (default 5)\n"
    "      --tls           over TLS 1.3, a new connection per release (default plain http, kept)\n"
    "      --url URL       a broker that runs already, http://ADDRESS:PORT, instead of one of ours\n"
    "      --pid PID       its process, for its processor time\n"
    "      --against URL   a second broker, in turns of one second; --against-pid PID\n"
    "      --resource P    what to ask brokers given by URL for (default default/key/bench)\n"
    "      --idle N        instead: memory of the broker for N attested sessions that wait\n"
    "      --json          one JSON object on standard output\n"
    "\n"
    "Exit status: 0 done, 1 a broker refused or failed, 2 wrong arguments.\n";

struct options {
    const struct bench_kind *kind;
    unsigned clients, seconds, idle;
    bool tls, json;
    const char *url[2], *resource;
    pid_t pid[2];
};

struct sample {
    uint32_t waited_us[BENCH_PHASES];
};

/* One broker and what was measured of it. */
struct side {
    const char *name;
    struct bench_target target;
    pid_t pid; /* 0 = unknown */
    struct sample *samples;
    size_t count;
    double wall_s, cpu_s;
};

/* ---- processor time ---------------------------------------------------------------------------- */

static double clock_s(clockid_t id)
{
    struct timespec t;
    return clock_gettime(id, &t) == 0 ? (double)t.tv_sec + (double)t.tv_nsec / 1e9 : 0;
}

static double process_cpu_s(pid_t pid)
{
    clockid_t id;
    return pid > 0 && clock_getcpuclockid(pid, &id) == 0 ? clock_s(id) : 0;
}

/* ---- the bare cost ----------------------------------------------------------------------------- */

/* Means over the run: a piece before each turn, so that a busy moment hits operations and releases alike. */
struct bare {
    double verify_p384_us, verify_p256_us, sign_p256_us, agree_p256_us;
    double judge_us; /* the verifier alone, with the signatures in it */
};

#define BARE_ROUNDS 20

static int bare_verify(enum crypto_key_type t, double *out_us, double *out_sign_us)
{
    auto_key key = NULL;
    uint8_t digest[CRYPTO_SHA384_SIZE] = {1}, sig[2 * CRYPTO_COORD_MAX];
    size_t len, digest_len = t == CRYPTO_P384 ? 48 : 32;
    int rc = crypto_key_generate(t, 0, &key);
    double start = clock_s(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; rc == 0 && i < BARE_ROUNDS; i++) {
        rc = crypto_ecdsa_sign(key, digest, digest_len, sig, &len);
    }
    double signed_at = clock_s(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; rc == 0 && i < BARE_ROUNDS; i++) {
        rc = crypto_ecdsa_verify(key, digest, digest_len, sig, len);
    }
    *out_sign_us = (signed_at - start) * 1e6 / BARE_ROUNDS;
    *out_us = (clock_s(CLOCK_THREAD_CPUTIME_ID) - signed_at) * 1e6 / BARE_ROUNDS;
    return rc;
}

/* What encrypting to a guest's key needs: an ephemeral key, and the shared point. */
static int bare_agreement(double *out_us)
{
    auto_key peer = NULL;
    uint8_t z[CRYPTO_COORD_MAX];
    size_t len;
    int rc = crypto_key_generate(CRYPTO_P256, 0, &peer);
    double start = clock_s(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; rc == 0 && i < BARE_ROUNDS; i++) {
        auto_key mine = NULL;
        rc = crypto_key_generate(CRYPTO_P256, 0, &mine);
        if (rc == 0) { rc = crypto_ecdh(mine, peer, z, &len); }
    }
    *out_us = (clock_s(CLOCK_THREAD_CPUTIME_ID) - start) * 1e6 / BARE_ROUNDS;
    return rc;
}

/* One of `pieces` equal pieces of the mean. */
static int bare_measure(struct bench_machine *m, struct bare *sum, unsigned pieces, struct err *e)
{
    double ignored;
    struct bare b = {0};
    int rc = bare_verify(CRYPTO_P384, &b.verify_p384_us, &ignored);
    if (rc == 0) { rc = bare_verify(CRYPTO_P256, &b.verify_p256_us, &b.sign_p256_us); }
    if (rc == 0) { rc = bare_agreement(&b.agree_p256_us); }
    if (rc < 0) { return err_set(e, -rc, "bare operations failed"); }
    rc = bench_machine_verify_us(m, &b.judge_us, e);
    if (rc < 0) { return rc; }
    sum->judge_us += b.judge_us / pieces;
    sum->verify_p384_us += b.verify_p384_us / pieces;
    sum->verify_p256_us += b.verify_p256_us / pieces;
    sum->sign_p256_us += b.sign_p256_us / pieces;
    sum->agree_p256_us += b.agree_p256_us / pieces;
    return 0;
}

static double bare_evidence_us(const struct bare *b, const struct bench_kind *k)
{
    return k->verify_p384 * b->verify_p384_us + k->verify_p256 * b->verify_p256_us;
}

/* The evidence, one token, one key agreement. */
static double bare_us(const struct bare *b, const struct bench_kind *k)
{
    return bare_evidence_us(b, k) + b->sign_p256_us + b->agree_p256_us;
}

/* ---- clients ----------------------------------------------------------------------------------- */

struct client {
    pthread_t thread;
    const struct bench_target *target;
    uint64_t until_ns;
    struct sample *samples;
    size_t count, room;
    struct err e;
};

static void *client_run(void *arg)
{
    struct client *c = arg;
    struct bench_guest *g = NULL;
    int rc = bench_guest_new(c->target, &g, &c->e);
    while (rc == 0 && bench_now_ns() < c->until_ns && c->count < c->room) {
        uint64_t waited[BENCH_PHASES] = {0};
        rc = bench_guest_release(g, true, waited, &c->e);
        for (size_t i = 0; i < BENCH_PHASES; i++) {
            c->samples[c->count].waited_us[i] = (uint32_t)(waited[i] / 1000);
        }
        c->count += rc == 0;
    }
    bench_guest_free(g);
    return NULL;
}

/* One turn of all clients at one broker. */
static int turn(struct side *s, unsigned clients, bool counts, struct err *e)
{
    static struct client c[CLIENTS_MAX];
    size_t room = (SAMPLES_MAX - s->count) / clients;
    double cpu = process_cpu_s(s->pid);
    uint64_t start = bench_now_ns();
    int rc = 0;
    unsigned started = 0;
    for (; started < clients; started++) {
        c[started] = (struct client){.target = &s->target,
                                     .until_ns = start + TURN_NS,
                                     .room = room,
                                     .samples = calloc(room, sizeof(struct sample))};
        if (!c[started].samples ||
            pthread_create(&c[started].thread, NULL, client_run, &c[started]) != 0) {
            free(c[started].samples);
            rc = err_set(e, ENOMEM, "a client cannot be started");
            break;
        }
    }
    for (unsigned i = 0; i < started; i++) {
        (void)pthread_join(c[i].thread, NULL);
        if (rc == 0 && c[i].e.code != 0) {
            *e = c[i].e;
            rc = err_wrap(e, "%s", s->name);
        }
        if (counts && rc == 0) {
            memcpy(s->samples + s->count, c[i].samples, c[i].count * sizeof(struct sample));
            s->count += c[i].count;
        }
        free(c[i].samples);
    }
    if (counts) {
        s->wall_s += (double)(bench_now_ns() - start) / 1e9;
        s->cpu_s += process_cpu_s(s->pid) - cpu;
    }
    return rc;
}

static int measure(const struct options *o, struct side *sides, size_t count, struct bare *bare,
                   struct err *e)
{
    for (unsigned t = 0; t <= o->seconds; t++) {
        int bad = bare_measure(sides[0].target.machine, bare, o->seconds + 1, e);
        if (bad < 0) { return bad; }
        for (size_t i = 0; i < count; i++) {
            int rc = turn(&sides[i], o->clients, t > 0, e);
            if (rc < 0) { return rc; }
        }
    }
    return 0;
}

/* ---- report ------------------------------------------------------------------------------------ */

static const char *const phase_names[BENCH_PHASES] = {"auth", "attest", "resource"};

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

struct quantiles {
    double p50_ms, p99_ms;
};

/* phase BENCH_PHASES: all of them together. */
static struct quantiles quantiles_of(const struct side *s, size_t phase)
{
    auto_free uint32_t *v = calloc(s->count + 1, sizeof *v);
    if (!v || s->count == 0) { return (struct quantiles){0}; }
    for (size_t i = 0; i < s->count; i++) {
        for (size_t p = 0; p < BENCH_PHASES; p++) {
            if (p == phase || phase == BENCH_PHASES) { v[i] += s->samples[i].waited_us[p]; }
        }
    }
    qsort(v, s->count, sizeof *v, by_value);
    return (struct quantiles){v[s->count / 2] / 1e3, v[s->count * 99 / 100] / 1e3};
}

static void print_side(const struct side *s, double bare)
{
    struct quantiles q = quantiles_of(s, BENCH_PHASES);
    printf("%s: %.0f releases/s, p50 %.2f ms, p99 %.2f ms (", s->name, (double)s->count / s->wall_s,
           q.p50_ms, q.p99_ms);
    for (size_t p = 0; p < BENCH_PHASES; p++) {
        struct quantiles one = quantiles_of(s, p);
        printf("%s%s %.2f", p ? ", " : "p50 ", phase_names[p], one.p50_ms);
    }
    printf(")\n");
    if (s->cpu_s > 0) {
        double us = s->cpu_s * 1e6 / (double)s->count;
        printf("%s: %.0f us of processor per release: %.0f per second and core, %.2f x the bare "
               "operations\n",
               s->name, us, 1e6 / us, us / bare);
    }
}

static json_t *side_json(const struct side *s, double bare)
{
    struct quantiles q = quantiles_of(s, BENCH_PHASES);
    json_t *j = json_pack("{s:s, s:I, s:f, s:f, s:f}", "broker", s->name, "releases",
                          (json_int_t)s->count, "per_second", (double)s->count / s->wall_s,
                          "p50_ms", q.p50_ms, "p99_ms", q.p99_ms);
    for (size_t p = 0; p < BENCH_PHASES; p++) {
        struct quantiles one = quantiles_of(s, p);
        (void)json_object_set_new(
            j, phase_names[p], json_pack("{s:f, s:f}", "p50_ms", one.p50_ms, "p99_ms", one.p99_ms));
    }
    if (s->cpu_s > 0) {
        double us = s->cpu_s * 1e6 / (double)s->count;
        (void)json_object_set_new(j, "cpu_us", json_real(us));
        (void)json_object_set_new(j, "per_second_and_core", json_real(1e6 / us));
        (void)json_object_set_new(j, "cpu_over_bare", json_real(us / bare));
    }
    return j;
}

static void report(const struct options *o, const struct side *sides, size_t count,
                   const struct bare *b)
{
    double bare = bare_us(b, o->kind);
    if (o->json) {
        json_t *j = json_pack("{s:s, s:i, s:b, s:f, s:f, s:f, s:o}", "tee", o->kind->name,
                              "clients", (int)o->clients, "tls", (int)o->tls, "bare_us", bare,
                              "verify_us", b->judge_us, "verify_bare_us",
                              bare_evidence_us(b, o->kind), "a", side_json(&sides[0], bare));
        if (count == 2) { (void)json_object_set_new(j, "b", side_json(&sides[1], bare)); }
        (void)json_dumpf(j, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        (void)putchar('\n');
        json_decref(j);
        return;
    }
    printf("%s evidence, %u client(s), %s, %u s each\n", o->kind->name, o->clients,
           o->tls ? "TLS, a connection per release" : "plain http, connections kept", o->seconds);
    printf("bare: verify P-384 %.0f us, P-256 %.0f us; sign P-256 %.0f us; agree P-256 %.0f us; "
           "one release %.0f us\n",
           b->verify_p384_us, b->verify_p256_us, b->sign_p256_us, b->agree_p256_us, bare);
    printf("verification alone: %.0f us, its signatures %.0f us\n", b->judge_us,
           bare_evidence_us(b, o->kind));
    for (size_t i = 0; i < count; i++) { print_side(&sides[i], bare); }
    if (count == 2) {
        struct quantiles a = quantiles_of(&sides[0], BENCH_PHASES),
                         z = quantiles_of(&sides[1], BENCH_PHASES);
        double rate =
            (double)sides[0].count / sides[0].wall_s / ((double)sides[1].count / sides[1].wall_s);
        printf("%s / %s: rate %.2f, p50 %.2f, p99 %.2f\n", sides[0].name, sides[1].name, rate,
               a.p50_ms / z.p50_ms, a.p99_ms / z.p99_ms);
    }
}

/* ---- idle sessions ----------------------------------------------------------------------------- */

static long resident_kib(pid_t pid)
{
    char path[64];
    long size, resident;
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    auto_file f = fopen(path, "r");
    if (!f || fscanf(f, "%ld %ld", &size, &resident) != 2) { return 0; }
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static int idle(const struct options *o, struct side *s, struct err *e)
{
    struct bench_guest *g = NULL;
    uint64_t waited[BENCH_PHASES];
    int rc = bench_guest_new(&s->target, &g, e);
    /* one turn first: what the broker allocates once is not a session's */
    for (unsigned i = 0; rc == 0 && i < 100; i++) { rc = bench_guest_release(g, true, waited, e); }
    long before = resident_kib(s->pid);
    for (unsigned i = 0; rc == 0 && i < o->idle; i++) {
        rc = bench_guest_release(g, false, waited, e);
    }
    bench_guest_free(g);
    if (rc < 0) { return err_wrap(e, "%s", s->name); }
    long grown = resident_kib(s->pid) - before;
    printf(
        "%s: %u attested sessions of %s wait in %.1f MiB, %.2f KiB each; the process has %.1f MiB\n",
        s->name, o->idle, o->kind->name, (double)grown / 1024, (double)grown / o->idle,
        (double)resident_kib(s->pid) / 1024);
    return 0;
}

/* ---- command ----------------------------------------------------------------------------------- */

static bool number(const char *text, unsigned max, unsigned *out)
{
    char *end;
    errno = 0;
    unsigned long v = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || v == 0 || v > max) { return false; }
    *out = (unsigned)v;
    return true;
}

static bool plain_url(const char *text, const char **out)
{
    *out = text;
    return strncmp(text, "http://", 7) == 0 && strlen(text) < BENCH_URL_MAX;
}

static int parse(int argc, char **argv, struct options *o, struct err *e)
{
    enum { TLS = 256, URL, PID, AGAINST, AGAINST_PID, RESOURCE, IDLE, JSON };
    static const struct option longs[] = {
        {"tee", required_argument, NULL, 't'},
        {"clients", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 'n'},
        {"tls", no_argument, NULL, TLS},
        {"url", required_argument, NULL, URL},
        {"pid", required_argument, NULL, PID},
        {"against", required_argument, NULL, AGAINST},
        {"against-pid", required_argument, NULL, AGAINST_PID},
        {"resource", required_argument, NULL, RESOURCE},
        {"idle", required_argument, NULL, IDLE},
        {"json", no_argument, NULL, JSON},
        {NULL, 0, NULL, 0},
    };
    unsigned pid = 0;
    *o = (struct options){
        .kind = bench_kind_of("sim"), .clients = 1, .seconds = 5, .resource = BENCH_RESOURCE};
    for (int c; (c = getopt_long(argc, argv, "t:c:n:", longs, NULL)) != -1;) {
        bool ok = true;
        switch (c) {
        case 't': ok = (o->kind = bench_kind_of(optarg)) != NULL; break;
        case 'c': ok = number(optarg, CLIENTS_MAX, &o->clients); break;
        case 'n': ok = number(optarg, 600, &o->seconds); break;
        case TLS: o->tls = true; break;
        case URL: ok = plain_url(optarg, &o->url[0]); break;
        case AGAINST: ok = plain_url(optarg, &o->url[1]); break;
        case PID: ok = number(optarg, INT_MAX, &pid), o->pid[0] = (pid_t)pid; break;
        case AGAINST_PID: ok = number(optarg, INT_MAX, &pid), o->pid[1] = (pid_t)pid; break;
        case RESOURCE: o->resource = optarg; break;
        case IDLE: ok = number(optarg, 100000, &o->idle); break;
        case JSON: o->json = true; break;
        default: return err_set(e, EINVAL, "see cc-bench kbs --help");
        }
        if (!ok) { return err_set(e, EINVAL, "%s: see cc-bench kbs --help", optarg); }
    }
    if (optind != argc) { return err_set(e, EINVAL, "%s: unexpected", argv[optind]); }
    if (o->tls && (o->url[0] || o->url[1])) {
        return err_set(e, EINVAL, "--tls is for a broker of ours alone");
    }
    return 0;
}

static int run(const struct options *o, const char *dir, struct err *e)
{
    struct bench_machine *m = NULL;
    struct bench_broker own = {0};
    struct bare bare = {0};
    struct side sides[2] = {{.name = "cc-kbs"}, {.name = "other"}};
    size_t count = o->url[1] ? 2 : 1;
    int rc = bench_machine_new(o->kind, dir, &m, e);
    if (rc == 0 && !o->url[0]) { rc = bench_broker_start(m, dir, o->tls, &own, e); }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        bool ours = i == 0 && !o->url[0];
        sides[i].pid = ours ? own.pid : o->pid[i];
        sides[i].target = (struct bench_target){.url = ours ? own.url : o->url[i],
                                                .cert = own.cert,
                                                .resource = ours ? BENCH_RESOURCE : o->resource,
                                                .machine = m,
                                                .tee = o->kind->tee};
        sides[i].samples = calloc(SAMPLES_MAX, sizeof(struct sample));
        if (!sides[i].samples) { rc = err_set(e, ENOMEM, "out of memory"); }
    }
    if (rc == 0 && o->idle) { rc = idle(o, &sides[0], e); }
    if (rc == 0 && !o->idle) {
        rc = measure(o, sides, count, &bare, e);
        if (rc == 0) { report(o, sides, count, &bare); }
    }
    for (size_t i = 0; i < count; i++) { free(sides[i].samples); }
    bench_broker_stop(&own);
    bench_machine_free(m);
    return rc;
}

/* What the broker and the machine leave behind: files, no folders. */
static void clean(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *f; d && (f = readdir(d)) != NULL;) {
        if (f->d_name[0] != '.') { (void)unlinkat(dirfd(d), f->d_name, 0); }
    }
    if (d) { (void)closedir(d); }
    (void)rmdir(dir);
}

int bench_kbs(int argc, char **argv)
{
    struct options o;
    struct err e = {0};
    const char *tmp = getenv("TMPDIR");
    char dir[PATH_MAX];
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        (void)fputs(help, stdout);
        return 0;
    }
    if (parse(argc, argv, &o, &e) < 0) {
        (void)fprintf(stderr, "cc-bench: %s\n", e.text);
        return 2;
    }
    (void)snprintf(dir, sizeof dir, "%s/cc-bench-kbs-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(dir)) {
        (void)fprintf(stderr, "cc-bench: %s: %s\n", dir, strerror(errno));
        return 1;
    }
    int rc = run(&o, dir, &e);
    clean(dir);
    if (rc < 0) { (void)fprintf(stderr, "cc-bench: %s\n", e.text); }
    return rc < 0;
}
