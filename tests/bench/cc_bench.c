/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cc-bench: two commands side by side, as ratios. Runs alternate (A, B, A, B, …), so that whatever else the machine does hits
 * both; the figure is the median. What a command prints is thrown away; a run that ends with another status than the
 * first one of its side stops everything, because a figure of a failure is worth nothing.
 * The key broker has a command of its own: kbs_bench.c.
 */
#include "tests/bench/bench.h"

#include "guest/base/err.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define RUNS_MAX 1000

extern char **environ;

static const char help[] =
    "cc-bench - compare the cost of two commands, as ratios\n"
    "\n"
    "usage: cc-bench compare [OPTIONS] A-COMMAND [ARGS...] --- B-COMMAND [ARGS...]\n"
    "       cc-bench time [OPTIONS] COMMAND [ARGS...]\n"
    "       cc-bench kbs [OPTIONS]                       see cc-bench kbs --help\n"
    "\n"
    "Times commands from exec to exit. compare alternates A and B and prints both medians\n"
    "and their ratio (A / B); time runs one command alone.\n"
    "\n"
    "  -n, --runs N      runs of each side (default 20)\n"
    "  -w, --warmup N    runs before that are not counted (default 2)\n"
    "      --json        one JSON object on standard output\n"
    "      --label TEXT  name of the comparison in the output\n"
    "      --show        leave the commands' output alone\n"
    "  -h, --help        this text\n"
    "      --version     version\n"
    "\n"
    "Exit status: 0 done, 1 a command could not run or changed its exit status, 2 wrong arguments.\n";

struct sample {
    double wall_ms, cpu_ms;
};

struct side {
    char **argv;
    int status;
    struct sample s[RUNS_MAX];
};

struct options {
    unsigned runs, warmup;
    bool json, show;
    const char *label;
};

static double ms(struct timespec a, struct timespec b)
{
    return (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
}
static double tv_ms(struct timeval t) { return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3; }

static int run_once(const struct options *o, char **argv, struct sample *out, int *out_status,
                    struct err *e)
{
    posix_spawn_file_actions_t fa;
    struct timespec a, b;
    struct rusage ru;
    pid_t pid;
    int status;

    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    if (!o->show) {
        posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
    }
    clock_gettime(CLOCK_MONOTONIC, &a);
    int r = posix_spawnp(&pid, argv[0], &fa, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&fa);
    if (r != 0) { return err_set(e, r, "%s: %s", argv[0], strerror(r)); }
    while (wait4(pid, &status, 0, &ru) < 0) {
        if (errno != EINTR) { return err_set(e, errno, "wait: %s", strerror(errno)); }
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    *out = (struct sample){.wall_ms = ms(a, b), .cpu_ms = tv_ms(ru.ru_utime) + tv_ms(ru.ru_stime)};
    *out_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct stat_line {
    double min, median, max;
};

static struct stat_line summarize(const struct side *s, unsigned n, bool cpu)
{
    double v[RUNS_MAX];
    for (unsigned i = 0; i < n; i++) { v[i] = cpu ? s->s[i].cpu_ms : s->s[i].wall_ms; }
    qsort(v, n, sizeof v[0], by_value);
    return (struct stat_line){v[0], n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2, v[n - 1]};
}

static int measure(const struct options *o, struct side *sides, unsigned count, struct err *e)
{
    for (unsigned i = 0; i < o->warmup + o->runs; i++) {
        for (unsigned k = 0; k < count; k++) {
            struct sample s;
            int status = 0;
            if (run_once(o, sides[k].argv, &s, &status, e) < 0) { return -e->code; }
            if (i == 0) { sides[k].status = status; }
            if (status != sides[k].status || status == 125 || status == 126 || status == 127) {
                return err_set(e, EIO, "%s: run %u ended with status %d", sides[k].argv[0], i,
                               status);
            }
            if (k > 0 && status != sides[0].status) {
                return err_set(e, EIO, "%s ends with status %d, %s with %d: not the same work",
                               sides[0].argv[0], sides[0].status, sides[k].argv[0], status);
            }
            if (i >= o->warmup) { sides[k].s[i - o->warmup] = s; }
        }
    }
    return 0;
}

static json_t *side_json(const struct side *s, unsigned n)
{
    struct stat_line w = summarize(s, n, false), c = summarize(s, n, true);
    return json_pack("{s:s, s:i, s:{s:f, s:f, s:f}, s:{s:f, s:f, s:f}}", "command", s->argv[0],
                     "status", s->status, "wall_ms", "min", w.min, "median", w.median, "max", w.max,
                     "cpu_ms", "min", c.min, "median", c.median, "max", c.max);
}

static void print_side(char name, const struct side *s, unsigned n)
{
    struct stat_line w = summarize(s, n, false), c = summarize(s, n, true);
    printf("  %c  wall %8.2f ms (%.2f .. %.2f)   cpu %8.2f ms   exit %d   %s\n", name, w.median,
           w.min, w.max, c.median, s->status, s->argv[0]);
}

static void report(const struct options *o, const struct side *sides, unsigned count)
{
    double ratio = count == 2 ? summarize(&sides[0], o->runs, false).median /
                                    summarize(&sides[1], o->runs, false).median
                              : 0;

    if (o->json) {
        json_t *j = json_pack("{s:s, s:i, s:o}", "label", o->label, "runs", (int)o->runs, "a",
                              side_json(&sides[0], o->runs));
        if (count == 2) {
            json_object_set_new(j, "b", side_json(&sides[1], o->runs));
            json_object_set_new(j, "ratio", json_real(ratio));
        }
        json_dumpf(j, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
        json_decref(j);
        return;
    }
    printf("%s (%u runs each, median)\n", o->label, o->runs);
    print_side('A', &sides[0], o->runs);
    if (count == 2) {
        print_side('B', &sides[1], o->runs);
        printf("  A / B = %.2f\n", ratio);
    }
}

static bool parse_count(const char *text, unsigned lo, unsigned hi, unsigned *out)
{
    char *end;
    errno = 0;
    unsigned long v = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || v < lo || v > hi) { return false; }
    *out = (unsigned)v;
    return true;
}

/* Options, then the commands; optind is left at the first word of A. */
static int parse(int argc, char **argv, struct options *o, struct err *e)
{
    static const struct option longs[] = {
        {"runs", required_argument, NULL, 'n'}, {"warmup", required_argument, NULL, 'w'},
        {"json", no_argument, NULL, 'j'},       {"label", required_argument, NULL, 'l'},
        {"show", no_argument, NULL, 's'},       {NULL, 0, NULL, 0},
    };
    int c;

    *o = (struct options){.runs = 20, .warmup = 2, .label = argv[0]};
    while ((c = getopt_long(argc, argv, "+n:w:", longs, NULL)) != -1) {
        bool ok = true;
        switch (c) {
        case 'n': ok = parse_count(optarg, 1, RUNS_MAX, &o->runs); break;
        case 'w': ok = parse_count(optarg, 0, RUNS_MAX, &o->warmup); break;
        case 'j': o->json = true; break;
        case 'l': o->label = optarg; break;
        case 's': o->show = true; break;
        default: return err_set(e, EINVAL, "see cc-bench --help");
        }
        if (!ok) { return err_set(e, EINVAL, "not a number from 1 to %d: %s", RUNS_MAX, optarg); }
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct side sides[2];
    struct options o;
    struct err e = {0};
    unsigned count = 1;

    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(help, stdout);
        return 0;
    }
    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        puts("cc-bench " CASEMATE_VERSION);
        return 0;
    }
    if (argc >= 2 && strcmp(argv[1], "kbs") == 0) { return bench_kbs(argc - 1, argv + 1); }
    bool compare = argc >= 2 && strcmp(argv[1], "compare") == 0;
    if (argc < 3 || (!compare && strcmp(argv[1], "time") != 0)) {
        fputs("cc-bench: wanted `compare` or `time` and a command, or `kbs`; see cc-bench --help\n",
              stderr);
        return 2;
    }
    argv++, argc--;
    if (parse(argc, argv, &o, &e) < 0) {
        fprintf(stderr, "cc-bench: %s\n", e.text);
        return 2;
    }
    sides[0].argv = argv + optind;
    for (int i = optind; compare && i < argc; i++) {
        if (strcmp(argv[i], "---") == 0) {
            argv[i] = NULL;
            sides[1].argv = argv + i + 1;
            count = 2;
            break;
        }
    }
    if (sides[0].argv[0] == NULL || (compare && (count != 2 || sides[1].argv[0] == NULL))) {
        fputs("cc-bench: a command is missing; see cc-bench --help\n", stderr);
        return 2;
    }
    if (measure(&o, sides, count, &e) < 0) {
        fprintf(stderr, "cc-bench: %s\n", e.text);
        return 1;
    }
    report(&o, sides, count);
    return 0;
}
