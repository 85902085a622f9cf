/* SPDX-License-Identifier: Apache-2.0 */
/* The administrator's commands, each one request to a broker; answers go to standard output. */
#ifndef CASEMATE_ATTEST_KBS_DESK_COMMAND_H
#define CASEMATE_ATTEST_KBS_DESK_COMMAND_H

#include "attest/kbs/desk/client.h"

/*
 * argv[0] is the command. Returns 0; -EINVAL with an empty e for a command or arguments that do not exist; otherwise a
 * negative errno with the reason, the broker's own words where it refused.
 */
MUST_CHECK int command_run(const struct client *c, int argc, char **argv, struct err *e);

#endif
