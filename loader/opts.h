/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of cc-run. Texts are borrowed from argv unless the parser made them; opts_fini()
 * frees those.
 */
#ifndef CASEMATE_LOADER_OPTS_H
#define CASEMATE_LOADER_OPTS_H

#include "loader/resolve.h"

enum opts_command { OPTS_RUN, OPTS_CHECK, OPTS_HELP, OPTS_VERSION };
enum opts_tee { OPTS_TEE_AUTO, OPTS_TEE_NONE, OPTS_TEE_SIM, OPTS_TEE_SNP, OPTS_TEE_TDX };

/* A file the guest may read by name; what is in it is for initdata to know. */
struct opts_volume {
    const char *name; /* "volume:NAME", made */
    const char *path;
};

struct opts {
    enum opts_command command;
    bool init_sim; /* check: make the key of the software TEE */

    const char *image;
    struct resolve_opts process; /* lists end with NULL */

    enum opts_tee tee;
    const char *kbs_url, *kbs_cert; /* URL; file with the broker's certificate */
    const char *initdata;           /* file */
    const char *policy;             /* file: what is added to the policy that --kbs makes */
    unsigned cpus;
    uint64_t memory; /* bytes */
    bool guarded, network, keep_syscalls;
    const char *guest_dir; /* guest image; NULL = the usual places */
    const char *sim_key;   /* NULL = the usual place */
    bool dry_run, json, timings, debug;

    char **made; /* texts that the parser made */
    size_t made_count;
    const char **env, *entrypoint[2];
    struct spec_mount *mounts;
    struct opts_volume *volumes; /* --volume */
    size_t volume_count;
};

/*
 * On failure *out is as opts_fini() leaves it. Reads --env-file and, for -e NAME, the caller's
 * environment.
 */
MUST_CHECK int opts_parse(int argc, char *const *argv, struct opts *out, struct err *e);
void opts_fini(struct opts *o);

/* "512m" and the like: a number with an optional b, k, m or g. */
MUST_CHECK int opts_size(const char *text, uint64_t *out);

extern const char opts_help[];

#endif
