/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything a container needs from brokers, gathered from image, launch spec and policy, fetched
 * in one conversation before seal, handed out afterwards:
 *
 *   keys          that open the image's layers (ocicrypt)
 *   environment   each value of the spec that begins with "sealed." becomes what it stands for; the
 *                 policy has judged the sealed text, so a pattern there lets the host choose among
 *                 all secrets that the owner has sealed
 *   files         [[file]] of the policy: regular files in the root, mode 0400, the process's own
 *   volumes       [[volume]] of the policy: their content likewise (volume.h)
 *
 * A secret that does not come stops the start: no container ever sees a sealed text in its place.
 */
#ifndef CASEMATE_INIT_SECRETS_H
#define CASEMATE_INIT_SECRETS_H

#include "loader/image/ocicrypt.h"
#include "loader/image/spec.h"
#include "loader/image/user.h"
#include "loader/init/agent.h"
#include "loader/init/policy.h"

struct secrets {
    struct wanted *wanted; /* AGENT_WANTS_MAX of them: keys, environment, files, volumes */
    size_t count, key_count, env_count, file_count;
    char (*uris)[KEK_URI_MAX];
    size_t *env_at;                  /* [env_count]: which variables of the spec */
    const struct secret_file *files; /* of the policy, borrowed */
    const struct policy_volume *volumes;
    const char **env; /* heap list, made by secrets_env() */
    char **env_made;  /* [env_count], heap texts in it */
};
void secrets_fini(struct secrets *s); /* wipes; zeroed is fine */

/* What is needed. policy may be NULL: then nothing may be. Image, spec, policy stay borrowed. */
MUST_CHECK int secrets_gather(struct secrets *s, const struct image *image,
                              const struct launch_spec *spec, const struct policy *policy,
                              struct err *e);

/* The image's keys, key_count of them, heap; the caller wipes and frees. The values are wiped here. */
MUST_CHECK int secrets_keys(struct secrets *s, struct kek **out, struct err *e);

/* The spec's environment with the secrets in place; a view, as long as s. */
MUST_CHECK int secrets_env(struct secrets *s, const struct launch_spec *spec,
                           const char *const **out, struct err *e);

/* Write files and volumes into the unpacked root, and wipe what they came from here. */
MUST_CHECK int secrets_place(struct secrets *s, struct tree *t, const struct user *u,
                             struct err *e);

#endif
