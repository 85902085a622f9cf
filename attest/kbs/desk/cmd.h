/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of cc-kbs that need no broker: approvals are signed by people on machines of their own,
 * and a policy is tried before it is uploaded.
 *
 * argv[0] is the command's name. The exit status is returned: 0 done, or allowed; 1 failed, and one
 * line on standard error says why; 3 refused; or CMD_USAGE: the arguments make no sense.
 */
#ifndef CASEMATE_ATTEST_KBS_DESK_CMD_H
#define CASEMATE_ATTEST_KBS_DESK_CMD_H

#define CMD_USAGE 2

int cmd_approve(int argc, char **argv);
int cmd_policy(int argc, char **argv);

#endif
