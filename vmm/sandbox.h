/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a monitor that a guest has taken over can still ask of the host's kernel: to run this guest,
 * to move bytes between descriptors that are open, and, where the guest has a network, TCP and UDP.
 * No file is opened, no program started, no memory made executable, no other process touched.
 */
#ifndef CASEMATE_VMM_SANDBOX_H
#define CASEMATE_VMM_SANDBOX_H

#include "guest/base/err.h"

#include <sys/types.h>

struct sandbox {
    bool network; /* sockets may be made */
    pid_t helper; /* may be killed and waited for; 0 = none */
};

/*
 * All threads of this process, for good. Everything else that is asked ends the process with a
 * message that names the call.
 */
MUST_CHECK int sandbox_enter(const struct sandbox *s, struct err *e);

#endif
