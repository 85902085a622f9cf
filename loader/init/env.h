/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What init asks of the library OS (guest/abi/init.h), as functions, so that tests can stand in for
 * it. All return 0 or more, or a negative errno. Items and blobs come from the host and are
 * untrusted.
 */
#ifndef CASEMATE_INIT_ENV_H
#define CASEMATE_INIT_ENV_H

#include "guest/abi/init.h"
#include "guest/abi/streams.h"

#include <sys/types.h>

/* Bytes of the whole item; at most size are written. */
ssize_t env_item(int item, void *buf, size_t size);
int env_blob_open(const char *digest);
int env_agent_open(void);
int env_register_set(int index, const uint8_t value[48]);
int env_seal(void);
int env_tee(void);
int env_launch_flags(void);
int env_stay(void);
void env_phase(int phase); /* STREAM_PHASE_ATTESTED, STREAM_PHASE_UNPACKED */
/* Returns only when it failed. */
int env_start(const struct cc_container *c);
/* The guest ends. */
void env_fail(int status);

#endif
