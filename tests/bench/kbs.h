/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cc-bench kbs, its parts: a machine that makes evidence, a broker that believes it, guests that ask for a key.
 *
 * The broker is the library's, in a process of its own, because no cc-kbs can be told to believe the hierarchies that
 * tests sign with: the trust anchor is a parameter of the library and never of the broker.
 */
#ifndef CASEMATE_TESTS_BENCH_KBS_H
#define CASEMATE_TESTS_BENCH_KBS_H

#include "attest/transcript.h"
#include "guest/base/err.h"

#include <jansson.h>
#include <sys/types.h>

#define BENCH_RESOURCE    "default/key/bench"
#define BENCH_VALUE_SIZE  32
#define BENCH_URL_MAX     128
#define BENCH_REPORT_DATA TRANSCRIPT_REPORT_DATA
/* Whose digest the evidence carries. */
#define BENCH_INITDATA                                                                             \
    "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n\"casemate.toml\" = \"run = 1\"\n"

/* ---- machines (kbs_machine.c and a file per kind) ------------------------------------------------------------------ */

struct bench_kind {
    const char *name; /* on the command line, in rules and reference values */
    const char *tee;  /* in /auth */
    /* the public-key work that one release of this kind cannot do without, beside its own token and key agreement */
    unsigned verify_p384, verify_p256;
    const char *rule; /* further members of the rule that lets it in; NULL = none */
};

/* NULL for a name that is none. */
const struct bench_kind *bench_kind_of(const char *name);

struct bench_machine;
/* dir: for its key file. */
MUST_CHECK int bench_machine_new(const struct bench_kind *kind, const char *dir,
                                 struct bench_machine **out, struct err *e);
void bench_machine_free(struct bench_machine *m);

/* tee-evidence.primary_evidence over these bytes; from several threads at once. */
MUST_CHECK int bench_machine_evidence(struct bench_machine *m,
                                      const uint8_t data[BENCH_REPORT_DATA], json_t **out,
                                      struct err *e);

/* Processor time of judging one piece of its evidence, microseconds, without a broker. */
MUST_CHECK int bench_machine_verify_us(struct bench_machine *m, double *out_us, struct err *e);

/* ---- the broker (kbs_broker.c) ----------------------------------------------------------------- */

struct bench_broker {
    pid_t pid;
    char url[BENCH_URL_MAX];
    char cert[4096]; /* PEM; empty = plain http */
};

/*
 * A process that serves BENCH_RESOURCE to guests of this machine that carry BENCH_INITDATA, with store and audit log as
 * files in dir.
 */
MUST_CHECK int bench_broker_start(struct bench_machine *m, const char *dir, bool tls,
                                  struct bench_broker *out, struct err *e);
void bench_broker_stop(struct bench_broker *b);

/* ---- guests (kbs_guest.c) ---------------------------------------------------------------------- */

struct bench_target {
    const char *url;      /* http://ADDRESS:PORT or https://... */
    const char *cert;     /* PEM, for https */
    const char *resource; /* repository/type/tag */
    struct bench_machine *machine;
    const char *tee;
};

enum bench_phase { BENCH_AUTH, BENCH_ATTEST, BENCH_GET, BENCH_PHASES };

struct bench_guest;
MUST_CHECK int bench_guest_new(const struct bench_target *t, struct bench_guest **out,
                               struct err *e);
void bench_guest_free(struct bench_guest *g);

/*
 * One release with a fresh P-256 key: challenge, evidence, resource, opened. get false = up to the token.
 * out_waited  nanoseconds between the end of a request and the end of its answer, by phase
 * The connection stays open; over TLS it is a new one each time, as for a guest that starts.
 */
MUST_CHECK int bench_guest_release(struct bench_guest *g, bool get,
                                   uint64_t out_waited[static BENCH_PHASES], struct err *e);

uint64_t bench_now_ns(void);

#endif
