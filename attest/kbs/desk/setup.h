/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a broker's directory: configuration, TLS key and self-signed certificate, storage key, token key, and the key and
 * token of its first administrator. Existing files are never replaced.
 */
#ifndef CASEMATE_ATTEST_KBS_DESK_SETUP_H
#define CASEMATE_ATTEST_KBS_DESK_SETUP_H

#include "attest/crypto.h"
#include "guest/base/err.h"

#define SETUP_NAMES_MAX 16

struct setup_options {
    const char *dir;
    const char *listen;                 /* ADDRESS:PORT */
    const char *names[SETUP_NAMES_MAX]; /* further host names or addresses for the certificate */
    size_t name_count;
    const char *insecure_sim_key; /* file name of a machine's public key; NULL = none */
    int64_t now;
};

/* What ends up in the directory, by name. */
#define SETUP_CONFIG      "kbs.toml"
#define SETUP_TLS_CERT    "server.crt"
#define SETUP_TLS_KEY     "server.key"
#define SETUP_STORAGE_KEY "storage.key"
#define SETUP_TOKEN_KEY   "token.key"
#define SETUP_ADMIN_KEY   "admin.key"
#define SETUP_ADMIN_PUB   "admin.pub"
#define SETUP_ADMIN_TOKEN "admin.token"

MUST_CHECK int setup_run(const struct setup_options *o, struct err *e);

/* A token for an administrator. key: private, Ed25519 or P-256. *out: malloc. */
MUST_CHECK int setup_admin_token(const struct crypto_key *key, const char *issuer, int64_t now,
                                 int64_t seconds, char **out, struct err *e);

/*
 * A P-256 key and a certificate signed by itself, good for ten years, for localhost, 127.0.0.1, ::1 and the names given.
 * CA:FALSE, which CoCo's clients want of a leaf [coco §17.5]. *out_*: malloc, PEM.
 */
MUST_CHECK int setup_self_signed(const char *const *names, size_t name_count, int64_t now,
                                 char **out_key, char **out_cert, struct err *e);

#endif
