/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypted layers [ocicrypt; CoCo]: AES-256-CTR over the compressed layer, HMAC-SHA-256 over the
 * ciphertext, both with one layer key. The key, the nonce and some bookkeeping (the private
 * options) are wrapped once per recipient and stand in the layer's annotations; any one that opens
 * is enough.
 *
 * What the scheme does not do: the HMAC covers neither nonce nor media type, and anybody with a
 * public key can make valid encrypted layers. Content is bound by the diff id, the image by its
 * manifest digest.
 */
#ifndef CASEMATE_LOADER_OCICRYPT_H
#define CASEMATE_LOADER_OCICRYPT_H

#include "guest/base/cc.h"
#include "guest/base/err.h"
#include "loader/image/image.h"

#define LAYER_KEY_SIZE   32
#define LAYER_NONCE_SIZE 16
#define KEK_SIZE         32
#define KEK_URI_MAX      512
#define PRIVATE_OPTS_MAX 4096  /* JSON of 230 bytes in practice */
#define PACKET_MAX       65536 /* one wrapped copy, decoded */

struct layer_secret {
    uint8_t key[LAYER_KEY_SIZE];
    uint8_t nonce[LAYER_NONCE_SIZE];
};

/*
 * A key-encryption key as a key broker releases it. uri is its resource,
 * "kbs:///repository/type/tag".
 */
struct kek {
    char uri[KEK_URI_MAX];
    uint8_t key[KEK_SIZE];
};

struct ocicrypt_keys {
    const struct kek *kek; /* borrowed */
    size_t kek_count;
    /*
     * Opens a JWE packet: 0 and the plaintext, at most PRIVATE_OPTS_MAX bytes, or a negative errno.
     * NULL where private keys are never held (in the guest), so that JOSE stays out.
     */
    int (*open_jwe)(void *ctx, const char *packet, size_t len, uint8_t out[PRIVATE_OPTS_MAX],
                    size_t *out_len);
    void *ctx;
};

/*
 * Decrypt one layer in place.
 *
 * blob  the ciphertext, private, its digest already checked; plaintext afterwards. After a failure
 *       its content is unspecified only if the HMAC had matched: no unauthenticated plaintext is
 *       ever left in it.
 */
MUST_CHECK int ocicrypt_decrypt(const struct image_layer *l, const struct ocicrypt_keys *keys,
                                uint8_t *blob, size_t len, struct err *e);

/* The same in two steps. -ENOKEY when no packet opens. */
MUST_CHECK int ocicrypt_unwrap(const struct image_layer *l, const struct ocicrypt_keys *keys,
                               struct layer_secret *out, struct err *e);
MUST_CHECK int ocicrypt_open(const struct image_layer *l, const struct layer_secret *s,
                             uint8_t *blob, size_t len, struct err *e);

/*
 * Which keys could open the image: each "kbs:///…" named by a packet of an encrypted layer, once.
 * out_count  in: room in out; out: URIs found; -ENOSPC when there are more
 */
MUST_CHECK int ocicrypt_key_uris(const struct image *img, char (*out)[KEK_URI_MAX],
                                 size_t *out_count, struct err *e);

/*
 * "kbs://[host]/a/b/c" -> "kbs:///a/b/c": the host is ignored, three segments of [A-Za-z0-9_.-] are
 * required. "shares:" likewise: a key in shares at several brokers (attest/shares.h).
 */
MUST_CHECK int kek_uri_normalise(const char *text, char out[KEK_URI_MAX], struct err *e);

/* ---- making them (host) */

/* Encrypt in place with a fresh secret; out_pubopts is the annotation's value, base64, heap. */
MUST_CHECK int ocicrypt_encrypt(uint8_t *blob, size_t len, struct layer_secret *out,
                                char **out_pubopts, struct err *e);
/*
 * The private options as JSON, heap; wiped and freed by the caller. digest: of the layer before
 * encryption.
 */
MUST_CHECK int ocicrypt_private_opts(const struct layer_secret *s, const struct digest *digest,
                                     char **out, struct err *e);
MUST_CHECK int ocicrypt_parse_private_opts(const uint8_t *p, size_t len, struct layer_secret *out,
                                           struct err *e);

/* ---- packets of the key provider "attestation-agent" (packet.c) */

/*
 * Take one apart and open it with the key it names. Decoded text, not base64. -ENOKEY when that key
 * is not there.
 */
MUST_CHECK int packet_open(const uint8_t *packet, size_t len, const struct kek *kek,
                           size_t kek_count, uint8_t out[PRIVATE_OPTS_MAX], size_t *out_len,
                           struct err *e);
/* Which key it names. */
MUST_CHECK int packet_kid(const uint8_t *packet, size_t len, char out[KEK_URI_MAX], struct err *e);

#endif
