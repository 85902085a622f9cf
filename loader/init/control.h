/* SPDX-License-Identifier: Apache-2.0 */
/* [[control]] of the launch policy (policy.h), compiled for the library OS (guest/abi/control.h). */
#ifndef CASEMATE_INIT_CONTROL_H
#define CASEMATE_INIT_CONTROL_H

#include "attest/json.h"

/*
 * policy  the tree of casemate.toml
 * out     heap; NULL and 0 when there are no rules
 */
MUST_CHECK int control_compile(const json_t *policy, uint8_t **out, size_t *out_len, struct err *e);

#endif
