/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner's policy on what a host may ask to run: "casemate.toml" in initdata. The launch spec
 * must satisfy it whole; what it does not name is refused.
 *
 *   version = 1
 *   manifests = ["sha256:…"]         # images, by manifest digest, literally
 *
 *   [[process]]                      # the spec must satisfy one of these whole
 *   args = ["sh", "-c", "echo *"]    # one pattern per argument, as many as arguments
 *   env = ["PATH=/bin", "LANG=*"]    # each variable of the spec matches one of these
 *   cwd = "/"
 *   user = ""
 *   hostname = ""                    # the rest may be left out, which means "" and false
 *   stdin = false                    # may the host write to standard input?
 *   tty = false                      # a terminal; what the host types then arrives
 *   readonly = false
 *
 *   [[process.mount]]                # each mount of the spec is one of these, literally
 *   target = "/scratch"
 *   kind = "tmpfs"
 *   readonly = false
 *
 * A pattern matches a whole text: '*' stands for any bytes, also none; '\' takes the next byte as
 * it is; everything else stands for itself. Variables that loaders and interpreters read
 * (LD_PRELOAD, PYTHONPATH, PATH and the like) match only a pattern without '*'.
 */
#ifndef CASEMATE_INIT_POLICY_H
#define CASEMATE_INIT_POLICY_H

#include "loader/image/spec.h"

#define POLICY_MAX (256u << 10)

/*
 * 0 when the policy (its text) allows the spec; -EACCES with the first member that it does not, or
 * why it is no policy.
 */
MUST_CHECK int policy_judge(const char *policy, size_t len, const struct launch_spec *spec,
                            struct err *e);

/* Exposed for tests. */
bool policy_pattern_matches(const char *pattern, const char *text);
bool policy_env_is_sensitive(const char *text);

#endif
