/* SPDX-License-Identifier: Apache-2.0 */
/* env.h by private system calls. */
#include "loader/init/env.h"

#include <errno.h>
#include <unistd.h>

static long result(long r) { return r < 0 ? -errno : r; }

ssize_t env_item(int item, void *buf, size_t size)
{
    return result(syscall(CC_GET_ITEM, item, buf, size));
}
int env_blob_open(const char *digest) { return (int)result(syscall(CC_BLOB_OPEN, digest)); }
int env_agent_open(void) { return (int)result(syscall(CC_AGENT_OPEN)); }
int env_register_set(int index, const uint8_t value[48])
{
    return (int)result(syscall(CC_REGISTER_SET, index, value, 48));
}
int env_seal(void) { return (int)result(syscall(CC_SEAL)); }
int env_launch_flags(void) { return (int)result(syscall(CC_LAUNCH_FLAGS)); }
int env_stay(void) { return (int)result(syscall(CC_STAY)); }
void env_phase(int phase) { (void)syscall(CC_PHASE, phase); }
int env_tee(void) { return (int)result(syscall(CC_TEE)); }
int env_start(const struct cc_container *c) { return (int)result(syscall(CC_START_CONTAINER, c)); }
void env_fail(int status) { (void)syscall(CC_FAIL, status); }
