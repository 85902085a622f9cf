/* SPDX-License-Identifier: Apache-2.0 */
/* The agent from its request to its last answer (agent.h): what both mains call. */
#ifndef CASEMATE_ATTEST_AGENT_SERVE_H
#define CASEMATE_ATTEST_AGENT_SERVE_H

#include "attest/agent/env.h"

/*
 * Returns the exit status: 0 everything delivered, 1 AGENT_FAILED was sent or could not be. In
 * AGENT_MODE_SERVE it returns only when the service ends; both descriptors are closed then.
 */
int agent_serve(const struct agent_env *env, int in_fd, int out_fd);

#endif
