/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is given back all at once and never grows beyond what was promised: a policy has one,
 * and each evaluation has one.
 */
#ifndef CASEMATE_ATTEST_POLICY_ARENA_H
#define CASEMATE_ATTEST_POLICY_ARENA_H

#include "guest/base/cc.h"

struct arena_chunk;
struct arena {
    struct arena_chunk *chunks; /* the newest first */
    size_t used, max;           /* bytes handed out, and their ceiling */
};

/* Zeroed, aligned for everything here. NULL when the ceiling is reached or there is no memory. */
void *arena_alloc(struct arena *a, size_t len);
void arena_free(struct arena *a);
#define auto_arena __attribute__((cleanup(arena_free))) struct arena

#endif
