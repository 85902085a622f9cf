/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ocicrypt's key provider protocol, command form: one JSON request, one JSON answer [ocicrypt
 * "keyprovider"]. Serves the provider name "attestation-agent" the way CoCo's does: layer keys are
 * wrapped with a key that a broker holds under a kbs:/// name.
 */
#ifndef CASEMATE_LOADER_KEYPROVIDER_H
#define CASEMATE_LOADER_KEYPROVIDER_H

#include "loader/keys.h"

#define KEYPROVIDER_REQUEST_MAX (1u << 20)

/*
 * keys       what is held already; wrapping may add the key file that the request names
 * int_array  answer with arrays of numbers (CoCo's library) instead of base64 (everybody else);
 *            requests may use either
 * out        the answer, without a newline; heap
 */
MUST_CHECK int keyprovider_answer(struct keys *keys, const void *request, size_t len,
                                  bool int_array, char **out, struct err *e);

#endif
