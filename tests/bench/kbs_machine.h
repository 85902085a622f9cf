/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a machine of cc-bench kbs is made of, for the files of its kinds and for the broker that must believe it. A kind
 * brings both ends: the hand that signs evidence, and the verifier with the anchor that it signs under.
 */
#ifndef CASEMATE_TESTS_BENCH_KBS_MACHINE_H
#define CASEMATE_TESTS_BENCH_KBS_MACHINE_H

#include "attest/kbs/evidence/verifier.h"
#include "tests/bench/kbs.h"

struct bench_ops {
    struct bench_kind kind;
    /* Fills in m->own, and m->measurement where the evidence has one. dir: for files of its own, gone with the run. */
    int (*open)(struct bench_machine *m, const char *dir, struct err *e);
    void (*close)(struct bench_machine *m); /* m->own may be NULL */
    int (*evidence)(struct bench_machine *m, const uint8_t data[BENCH_REPORT_DATA], json_t **out,
                    struct err *e);
    /* A verifier as a broker has it, which lives in m. */
    struct verifier (*verifier)(struct bench_machine *m);
};

struct bench_machine {
    const struct bench_ops *ops;
    uint8_t measurement[48];
    uint8_t
        initdata[48]; /* the digest of BENCH_INITDATA, and as SNP's HOST_DATA its first 32 bytes */
    void *own;
};

extern const struct bench_ops bench_sim, bench_sample; /* kbs_sim.c */
extern const struct bench_ops bench_snp;               /* kbs_snp.c */
extern const struct bench_ops bench_tdx;               /* kbs_tdx.c */

#endif
