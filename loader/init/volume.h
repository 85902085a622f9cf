/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content of an encrypted volume as a file of the container. The host serves the volume under
 * the name "volume:NAME"; what comes out of it is copied, decrypted, into memory before the start,
 * because this guest has neither block devices nor a file system of disks. So a volume is as large
 * as memory allows, and what the application writes stays in memory.
 */
#ifndef CASEMATE_INIT_VOLUME_H
#define CASEMATE_INIT_VOLUME_H

#include "loader/image/user.h"
#include "loader/init/policy.h"

/* key: the password. What does not open, or is not what the policy says, stops the start. */
MUST_CHECK int volume_place(struct tree *t, const struct policy_volume *v, const void *key,
                            size_t key_len, const struct user *u, struct err *e);

#endif
