/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an owner decides, written down: from a launch spec (made on his own machine, cc-run
 * --dry-run) to initdata that allow exactly that and nothing else. Patterns can be loosened by hand
 * afterwards (loader/init/policy.h says how).
 */
#ifndef CASEMATE_LOADER_OWNER_H
#define CASEMATE_LOADER_OWNER_H

#include "loader/image/spec.h"

struct owner_broker {
    const char *url;  /* NULL = no broker: no key will ever be asked for */
    const char *cert; /* PEM text of the broker's certificate; required with url */
};

/* The launch policy (casemate.toml), heap, NUL-terminated. */
MUST_CHECK int owner_policy(const struct launch_spec *spec, char **out, struct err *e);

/*
 * Whole initdata, SHA-384: the policy, and aa.toml with the broker. Heap, NUL-terminated.
 * more  TOML behind the policy, [[file]], [[control]], [agent] and the like, or NULL. It is not read
 *       here, but must not end the text it stands in.
 */
MUST_CHECK int owner_initdata(const struct launch_spec *spec, const struct owner_broker *broker,
                              const char *more, char **out, struct err *e);

#endif
