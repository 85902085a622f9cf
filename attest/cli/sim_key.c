/* SPDX-License-Identifier: Apache-2.0 */
/* cc-attest sim-key: the public key of this machine's software TEE. */
#include "attest/cli/cli.h"

#include "attest/sim_signer.h"
#include "guest/base/hosted.h"

#include <getopt.h>

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"key", required_argument, NULL, 'k'}, {0}};
    struct err e = {0};
    auto_sim_signer s = NULL;
    auto_free char *pem = NULL;
    const char *path = NULL;
    size_t len;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o != 'k') { return cli_usage("sim-key", "wrong option"); }
        path = optarg;
    }
    if (optind != argc) { return cli_usage("sim-key", "takes no arguments"); }
    if (sim_signer_open(path, &s, &e) < 0) { return cli_fail("sim-key", &e); }
    if (crypto_key_to_pem(sim_signer_key(s), false, &pem, &len) < 0) {
        return cli_usage("sim-key", "cannot be written");
    }
    (void)fputs(pem, stdout);
    return 0;
}

const struct cli_command cli_sim_key = {
    .name = "sim-key",
    .help = "usage: cc-attest sim-key [--key FILE]\n"
            "Prints the public key of this machine's software TEE; makes the key when\n"
            "there is none.\n"
            "  --key FILE             another place than the usual one\n",
    .run = run,
};
