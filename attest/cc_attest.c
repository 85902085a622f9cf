/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cc-attest: predict launch digests offline, judge evidence, keep collateral, show the key
 * of this machine's software TEE. Each command is a file in cli/.
 */
#include "attest/cli/cli.h"

#include <stdio.h>
#include <string.h>

static const struct cli_command *const commands[] = {&cli_measure, &cli_verify, &cli_explain,
                                                     &cli_collateral, &cli_sim_key};

static int help(void)
{
    (void)fputs("cc-attest - launch digests and evidence\n\n", stdout);
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) { (void)printf("%s\n", commands[i]->help); }
    (void)fputs("usage: cc-attest --help | --version\n"
                "exit status: 0 done or accepted, 1 no file or wrong arguments, 3 refused\n",
                stdout);
    return 0;
}

static int run(int argc, char **argv)
{
    if (argc < 2) { return cli_usage("command line", "no command"); }
    if (strcmp(argv[1], "--help") == 0) { return help(); }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("cc-attest %s\n", CASEMATE_VERSION);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        if (strcmp(argv[1], commands[i]->name) == 0) {
            return commands[i]->run(argc - 1, argv + 1);
        }
    }
    return cli_usage(argv[1], "no such command");
}

int main(int argc, char **argv)
{
    int status = run(argc, argv);
    return fflush(stdout) != 0 && status == 0 ? CLI_WRONG : status;
}
