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
 *   [[file]]                         # a secret as a file of mode 0400, owned by the process's user
 *   path = "/run/secrets/db"         # plain and absolute; not below /dev, /proc or /sys
 *   resource = "kbs:///a/b/c"        # what is in it; or: sealed = "sealed.…"
 *
 *   [[volume]]                       # the content of an encrypted volume (luks.h) as a file likewise
 *   name = "model"                   # what the host serves under it: cc-run --volume model=FILE
 *   path = "/data/model"
 *   key = "kbs:///a/b/c"             # the password; or sealed
 *   sha256 = "…"                     # of the content; without it the host may change what it says
 *   size = 100000                    # bytes of content; absent: all whole sectors
 *
 *   [[control]]                      # what the host may ask of the running container
 *   name = "reload"                  # of a-z 0-9 -, unique: its use is an event of this name
 *   signals = ["HUP"]                # either signals …
 *   before = ["migrate", "evidence"] # only while none of these has happened: "never after"
 *   after = ["extend"]               # only once all of these have
 *   times = 3                        # at most so often; absent: no limit
 *
 *   [[control]]
 *   name = "migrate"
 *   exec = ["/bin/migrate", "*"]     # … or one more program: a pattern per argument
 *   env = ["LANG=C"]                 # the variables it may have, literally
 *   cwd = "/"
 *   user = ""
 *   tty = false                      # the rest may be left out
 *   stdin = false
 *
 *   [agent]                          # the agent's: attest/agent/settings.h
 *
 * Patterns are those of guest/base/glob.h. Variables that loaders, interpreters and TLS
 * libraries read (LD_PRELOAD, PYTHONPATH, PATH, SSLKEYLOGFILE and the like) match only a pattern
 * without '*'. The list is of what is known: an application's own switches are the owner's to name.
 *
 * Control: TERM, KILL, INT and WINCH need no rule; nothing else is allowed without one. Events are
 * the names of rules that were used, "evidence" (the application asked for evidence, a token or a
 * resource) and "extend" (it extended register 3). The first rule that fits and is open is used. The
 * library OS judges, after init is gone: guest/control.h.
 */
#ifndef CASEMATE_INIT_POLICY_H
#define CASEMATE_INIT_POLICY_H

#include "loader/image/spec.h"

#define POLICY_MAX (256u << 10)

/* A secret that becomes a file: views into the policy. */
struct secret_file {
    const char *path;
    const char *source; /* a kbs: URI, or a sealed secret */
    bool sealed;
};
#define POLICY_FILES_MAX 64

/* An encrypted volume that becomes a file: views into the policy. */
struct policy_volume {
    const char *name, *path;
    const char *key; /* a kbs: URI, or a sealed secret */
    bool sealed;
    bool has_digest;
    struct digest digest; /* of the content */
    uint64_t size;        /* of the content; 0 = not said */
};
#define POLICY_VOLUMES_MAX     16
#define POLICY_VOLUME_NAME_MAX 64

struct policy;
/* All of the text is checked here; -EACCES or another with why it is no policy. */
MUST_CHECK int policy_load(const char *text, size_t len, struct policy **out, struct err *e);
void policy_free(struct policy *p); /* NULL is fine */
static inline void policy_cleanup(struct policy **p) { policy_free(*p); }
#define auto_policy __attribute__((cleanup(policy_cleanup))) struct policy *

/* 0 when the policy allows the spec; -EACCES with the first member that it does not. */
MUST_CHECK int policy_judge(const struct policy *p, const struct launch_spec *spec, struct err *e);

/* What else it says; views, as long as the policy. */
const struct secret_file *policy_files(const struct policy *p, size_t *out_count);
const struct policy_volume *policy_volumes(const struct policy *p, size_t *out_count);
/* The control rules as guest/abi/control.h has them; NULL when there are none. */
const void *policy_control(const struct policy *p, size_t *out_len);
bool policy_wants_rest(const struct policy *p); /* is the agent to stay and serve? */

/* Exposed for tests. */
bool policy_env_is_sensitive(const char *text);

#endif
