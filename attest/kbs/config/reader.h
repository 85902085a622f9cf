/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading one table of a configuration: each function takes one member, held to its type and range, and says in one line
 * which file, which member, what was found and what was wanted. For config.c and whoever adds a table to it.
 */
#ifndef CASEMATE_ATTEST_KBS_CONFIG_READER_H
#define CASEMATE_ATTEST_KBS_CONFIG_READER_H

#include "attest/kbs/config/config.h"

#define CONFIG_MAX (64u * 1024)

/* One file being read: the tree, and the directory that names are relative to. */
struct reader {
    const char *path;
    json_t *doc;
    char *dir; /* malloc; ends in a slash, or is empty */
};

MUST_CHECK int reader_open(const char *path, struct reader *out, struct err *e);
void reader_fini(struct reader *r); /* a zeroed one is fine */
#define auto_reader __attribute__((cleanup(reader_fini))) struct reader

/*
 * Are all members of t known (NULL-terminated)? A name out of a CoCo broker's configuration gets an error that says what
 * it is called here.
 * name  of the table; "" = the whole
 */
MUST_CHECK int reader_only_known(struct reader *r, const char *name, const json_t *t,
                                 const char *const *known, struct err *e);

/* A table whose members are all known; borrowed; NULL when absent and not required. */
MUST_CHECK int reader_table(struct reader *r, const char *name, bool required,
                            const char *const *known, json_t **out, struct err *e);

/* table may be NULL: then every member is absent. *out of texts and paths: malloc. */
MUST_CHECK int reader_text(struct reader *r, const json_t *table, const char *name,
                           const char *absent, char **out, struct err *e);
MUST_CHECK int reader_number(struct reader *r, const json_t *table, const char *name,
                             int64_t absent, int64_t min, int64_t max, int64_t *out, struct err *e);
MUST_CHECK int reader_flag(struct reader *r, const json_t *table, const char *name, bool *out,
                           struct err *e);

/* A file name, relative to the configuration's directory; must be there. */
MUST_CHECK int reader_path(struct reader *r, const json_t *table, const char *name, char **out,
                           struct err *e);

/* Calls load() for each file that the list names; an absent list is empty. */
MUST_CHECK int reader_files(struct reader *r, const json_t *table, const char *name,
                            int (*load)(const char *path, void *out, struct err *e), void *out,
                            struct err *e);

/* 1 to CONFIG_KEYS_MAX PEM keys of the kinds in the mask (bit n: enum crypto_key_type n). */
MUST_CHECK int reader_keys(struct reader *r, const json_t *table, const char *name, unsigned kinds,
                           const char *wanted, struct config_keys *out, struct err *e);

/* ---- loaders */

/* For reader_files(): out is a struct config_certs, a struct jwk_set. */
MUST_CHECK int load_certs(const char *path, void *out, struct err *e);
MUST_CHECK int load_jwks(const char *path, void *out, struct err *e);

/* ---- names of CoCo (config_coco.c) */

/*
 * What a member of that table of a CoCo broker's configuration is called here, as half a sentence; NULL when CoCo has no
 * such member. [coco §11.1]
 */
const char *config_coco_name(const char *table, const char *name);

#endif
