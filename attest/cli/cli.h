/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cc-attest's commands share this: what a command is, reading files, saying what went wrong. A new
 * command is a file of its own and a line in cc_attest.c.
 */
#ifndef CASEMATE_ATTEST_CLI_CLI_H
#define CASEMATE_ATTEST_CLI_CLI_H

#include "guest/base/err.h"

#include <jansson.h>

#define CLI_WRONG    1          /* exit status: no file, wrong arguments */
#define CLI_REFUSED  3          /* exit status: the answer is no */
#define CLI_FILE_MAX (8u << 20) /* bytes; collateral with its lists is the largest */

struct cli_command {
    const char *name;
    const char *help; /* usage line, then what it does and its options; ends in a newline */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit status */
};

/* Both print one line on standard error and return CLI_WRONG. */
int cli_fail(const char *command, const struct err *e);
int cli_usage(const char *command, const char *what);

/* The whole of a file of at most CLI_FILE_MAX bytes, a zero byte behind it; freed by the caller. */
MUST_CHECK int cli_read_file(const char *path, char **out, size_t *out_len, struct err *e);

/* A JSON document on standard output. */
MUST_CHECK int cli_print_json(const json_t *j, struct err *e);

extern const struct cli_command cli_measure, cli_verify, cli_explain, cli_collateral, cli_sim_key;

#endif
