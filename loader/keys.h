/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys for images on the host: the ones that wrap layer keys and the ones that open them. Only
 * cc-image holds them; a guest gets its keys from a broker and keeps them in struct kek alone.
 */
#ifndef CASEMATE_LOADER_KEYS_H
#define CASEMATE_LOADER_KEYS_H

#include "attest/crypto.h"
#include "loader/image/ocicrypt.h"

#define KEYS_MAX 64

struct keys {
    struct kek kek[KEYS_MAX];
    size_t kek_count;
    struct crypto_key *private_key[KEYS_MAX]; /* open JWE packets */
    size_t private_count;
    struct crypto_key *public_key[KEYS_MAX]; /* JWE recipients */
    size_t public_count;
};

void keys_fini(struct keys *k); /* wipes; zeroed is fine */
static inline void keys_cleanup(struct keys **k)
{
    if (*k) { keys_fini(*k); }
    free(*k);
}
#define auto_keys __attribute__((cleanup(keys_cleanup))) struct keys *

/* "kbs:///a/b/c=FILE": FILE holds 32 raw bytes. */
MUST_CHECK int keys_add_kek(struct keys *k, const char *text, struct err *e);
/* The same from a URI and a file apart. */
MUST_CHECK int keys_add_kek_file(struct keys *k, const char *uri, const char *path, struct err *e);
MUST_CHECK int keys_add_private(struct keys *k, const char *path, struct err *e);
/* "jwe:PUB.pem" or "kbs:///a/b/c=FILE". */
MUST_CHECK int keys_add_recipient(struct keys *k, const char *text, struct err *e);

const struct kek *keys_find_kek(const struct keys *k, const char *uri);

/* k as what opens layers; a view. */
struct ocicrypt_keys keys_for_ocicrypt(struct keys *k);

/* An annotation packet of version 1, JSON text, heap. */
MUST_CHECK int keys_seal_packet(const struct kek *kek, const void *plain, size_t len, char **out,
                                struct err *e);

/*
 * Wrap private options for every recipient: the values of the two annotations, base64, heap; NULL
 * when there is no recipient of that kind.
 */
MUST_CHECK int keys_wrap(const struct keys *k, const char *private_opts, char **out_jwe,
                         char **out_provider, struct err *e);

#endif
