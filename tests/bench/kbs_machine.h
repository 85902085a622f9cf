/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine of cc-bench kbs is made of: for kbs_machine.c, and for the broker that must believe it. */
#ifndef CASEMATE_TESTS_BENCH_KBS_MACHINE_H
#define CASEMATE_TESTS_BENCH_KBS_MACHINE_H

#include "attest/sim_signer.h"
#include "tests/bench/kbs.h"

struct bench_machine {
    const struct bench_kind *kind;
    struct sim_signer *sim;
    uint8_t measurement[48], host_data[32], initdata[48];
};

#endif
