/* SPDX-License-Identifier: Apache-2.0 */
/* Private calls of init's world, guest/abi/init.h. */
#ifndef CASEMATE_GUEST_SYS_PRIVATE_H
#define CASEMATE_GUEST_SYS_PRIVATE_H

#include "guest/los.h"

/* -ENOSYS for everyone outside init's world. */
int64_t private_call(uint32_t nr, const uint64_t a[6]);

/*
 * A signal that the host asks for. It goes to the container's first process if the policy's control
 * rules allow it (guest/control.h); before there is one, INT and TERM end the guest, and KILL
 * always does.
 */
void host_signal(int signo);

#endif
