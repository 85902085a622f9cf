/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key of the software TEE: made once per machine, never shipped, and what it signs proves
 * nothing about a processor. The loader opens it and hands the monitor sim_signer_report() as a
 * callback, so the monitor needs no cryptography.
 */
#ifndef CASEMATE_ATTEST_SIM_SIGNER_H
#define CASEMATE_ATTEST_SIM_SIGNER_H

#include "attest/crypto.h"
#include "guest/base/err.h"

struct sim_signer;
void sim_signer_free(struct sim_signer *s); /* NULL is fine */
static inline void sim_signer_cleanup(struct sim_signer **s) { sim_signer_free(*s); }
#define auto_sim_signer __attribute__((cleanup(sim_signer_cleanup))) struct sim_signer *

/*
 * The usual place, absolute: $XDG_STATE_HOME/casemate/sim.key, for root /var/lib/casemate/sim.key,
 * otherwise $HOME/.local/state/casemate/sim.key.
 */
MUST_CHECK int sim_signer_path(char *out, size_t cap, struct err *e);

/*
 * Open the key at path (NULL = the usual place); where there is none, make it with mode 0600, in a
 * folder with mode 0700. Two processes that come first at once end up with one key. A key file that
 * others may read, or that is not ours, is refused.
 */
MUST_CHECK int sim_signer_open(const char *path, struct sim_signer **out, struct err *e);

/*
 * A signed report, 1184 bytes (abi/evidence.h). The shape is that of the monitor's callback: ctx is
 * the struct sim_signer.
 * Returns 0 or a negative errno. May be called from several threads at once.
 */
MUST_CHECK int sim_signer_report(void *ctx, const uint8_t report_data[64],
                                 const uint8_t measurement[48], const uint8_t host_data[32],
                                 uint8_t out_report[1184]);

/*
 * The public half, borrowed: for crypto_key_to_pem() and jwk_to_json(), which is what a broker is
 * given.
 */
const struct crypto_key *sim_signer_key(const struct sim_signer *s);

#endif
