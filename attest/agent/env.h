/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent needs from where it runs. Two sides exist: the guest, by private system calls
 * (main.c), and a test on the host, which signs with a sim key from a file and connects by itself.
 */
#ifndef CASEMATE_ATTEST_AGENT_ENV_H
#define CASEMATE_ATTEST_AGENT_ENV_H

#include "guest/base/err.h"

#include <jansson.h>

struct agent_env {
    void *ctx;
    const char *tee; /* name for /auth, attest/abi/evidence.h */
    unsigned
        timeout_ms; /* for everything together, from the first connection to the last resource */
    /* A connected TCP descriptor. */
    int (*connect)(void *ctx, const char *host, uint16_t port, unsigned timeout_ms, int *out_fd,
                   struct err *e);
    /*
     * primary_evidence for these 64 bytes of report data; a new reference.
     * sealed  false: as they are; true: in the register form, the only one there is after seal
     */
    int (*evidence)(void *ctx, bool sealed, const uint8_t report_data[64], json_t **out,
                    struct err *e);
    /* Into runtime register 3: new = SHA-384(old || value). */
    int (*extend)(void *ctx, const uint8_t value[48], struct err *e);
};

#endif
