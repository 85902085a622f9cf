/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JOSE, the part that key release and image decryption need: keys as JWK, encryption as JWE,
 * signatures as JWS and JWT.
 *
 *   J1  Everything that comes in is strict: base64url in one form, duplicate JSON names refused,
 *       sizes bounded.
 *   J2  The algorithm is never the message's choice alone: the caller names what is allowed, and
 *       the key's type must be the one that algorithm is for. `none` and HMAC do not exist here. A
 *       header with `crit`, `zip` or `b64` is refused.
 *   J3  What is authenticated is the text as received, never a re-serialised one.
 *   J4  Plaintext comes out only after its tag verified; secrets on the way are wiped.
 *
 * Sources: [RFC 7515] JWS, [RFC 7516] JWE, [RFC 7517] JWK, [RFC 7518] algorithms, [RFC 8037]
 * Ed25519.
 */
#ifndef CASEMATE_ATTEST_JOSE_H
#define CASEMATE_ATTEST_JOSE_H

#include "attest/base64.h"
#include "attest/crypto.h"
#include "attest/json.h"
#include "guest/base/err.h"

/* ---- JWK */

#define JWK_TEXT_MAX 16384

struct jwk {
    struct crypto_key *key;
    char alg[32];  /* "" = absent */
    char kid[256]; /* "" = absent */
};
void jwk_fini(struct jwk *k);
#define auto_jwk __attribute__((cleanup(jwk_fini))) struct jwk

/*
 * A key that a stranger sent: RSA, EC (P-256, P-384, P-521), OKP (Ed25519), the public half alone.
 * `d` is refused before anything is computed: whether p and q are primes takes the library seconds.
 * Members it does not know are ignored [§4].
 */
MUST_CHECK int jwk_from_json(const json_t *j, struct jwk *out, struct err *e);
/* A key of our own, or one a broker gave us: private when `d` is there. */
MUST_CHECK int jwk_parse(const char *text, size_t len, struct jwk *out, struct err *e);

/*
 * Exactly the members CoCo knows: kty, crv, alg, x, y or kty, alg, n, e, and the private ones on
 * request.
 * alg  NULL = leave it out
 */
MUST_CHECK int jwk_to_json(const struct crypto_key *k, const char *alg, bool with_private,
                           json_t **out);

/*
 * A JWK set [RFC 7517 §5]. Keys of kinds we do not have, and those for encryption, are passed over, as the RFC asks;
 * a set in which none is left is an error.
 */
#define JWK_SET_MAX      32
#define JWK_SET_TEXT_MAX (256u << 10)
struct jwk_set {
    size_t count;
    struct jwk v[JWK_SET_MAX];
};
MUST_CHECK int jwk_set_parse(const char *text, size_t len, struct jwk_set *out, struct err *e);
void jwk_set_fini(struct jwk_set *s); /* a zeroed one is fine */

/* The thumbprint of a public key: base64url of SHA-256 over its canonical members [RFC 7638]. */
#define JWK_THUMBPRINT_SIZE 44
MUST_CHECK int jwk_thumbprint(const struct crypto_key *k, char out[JWK_THUMBPRINT_SIZE]);

/* ---- JWE */

#define JWE_TEXT_MAX       (16u << 20) /* a 2 MiB resource, twice over, in base64 */
#define JWE_RECIPIENTS_MAX 64

enum jwe_alg {
    JWE_DIR = 1,
    JWE_RSA_OAEP,     /* SHA-1: ocicrypt's choice */
    JWE_RSA_OAEP_256, /* the KBS protocol's */
    JWE_ECDH_ES,
    JWE_ECDH_ES_A128KW,
    JWE_ECDH_ES_A192KW,
    JWE_ECDH_ES_A256KW,
};
#define JWE_ALLOW(a)  (1u << (a))
#define JWE_ALLOW_KBS (JWE_ALLOW(JWE_RSA_OAEP_256) | JWE_ALLOW(JWE_ECDH_ES_A256KW))
#define JWE_ALLOW_OCICRYPT                                                                         \
    (JWE_ALLOW(JWE_RSA_OAEP) | JWE_ALLOW(JWE_RSA_OAEP_256) | JWE_ALLOW(JWE_ECDH_ES) |              \
     JWE_ALLOW(JWE_ECDH_ES_A128KW) | JWE_ALLOW(JWE_ECDH_ES_A192KW) |                               \
     JWE_ALLOW(JWE_ECDH_ES_A256KW))

/* The enum for a name, 0 for a name we do not have. */
enum jwe_alg jwe_alg_of(const char *name);
const char *jwe_alg_name(enum jwe_alg a);

struct jwe_recipient {
    enum jwe_alg alg;
    const struct crypto_key *key; /* NULL for JWE_DIR */
    const uint8_t *dir_key;       /* 32 bytes, JWE_DIR alone */
};

/*
 * Encrypt with A256GCM. One recipient gives the flattened form with everything in `protected`,
 * compact and in the order alg, enc, epk {crv, kty, x, y}: CoCo's client serialises the header
 * again and needs exactly that text. Several give the general form. Heap JSON text, NUL-terminated.
 */
MUST_CHECK int jwe_encrypt(const struct jwe_recipient *to, size_t to_count, const void *plain,
                           size_t len, char **out, struct err *e);

/*
 * Decrypt any of the three serialisations; content encryption A256GCM, A192GCM or A128GCM.
 *
 * allowed  mask of JWE_ALLOW()
 * key      private key, or NULL; dir_key 32 bytes, or NULL
 * out      heap, *out_len bytes and a NUL behind them; wiped and freed by the caller
 *
 * In the general form each recipient that fits the key is tried; any one is enough. A top-level
 * `encrypted_key` beside `recipients`, which ocicrypt writes against the RFC, is ignored.
 */
MUST_CHECK int jwe_decrypt(const char *text, size_t len, unsigned allowed,
                           const struct crypto_key *key, const uint8_t *dir_key, uint8_t **out,
                           size_t *out_len, struct err *e);

/* ---- JWS and JWT, compact serialisation */

#define JWS_TEXT_MAX (256u << 10) /* tokens that carry evidence reach 100 KiB */

enum jws_alg {
    JWS_ES256 = 1,
    JWS_ES384,
    JWS_ES512,
    JWS_EDDSA,
    JWS_RS256, /* RSA: verified, never signed */
    JWS_RS384,
    JWS_RS512,
    JWS_PS256,
    JWS_PS384,
    JWS_PS512,
};
#define JWS_ALLOW(a) (1u << (a))
#define JWS_ALLOW_EC (JWS_ALLOW(JWS_ES256) | JWS_ALLOW(JWS_ES384) | JWS_ALLOW(JWS_ES512))

enum jws_alg jws_alg_of(const char *name);
const char *jws_alg_name(enum jws_alg a);
/* What jws_sign() uses for such a key; 0 for kinds we do not sign with. */
enum jws_alg jws_alg_for(enum crypto_key_type t);

/*
 * Taken apart, nothing verified. The header may be read to find a key; the payload is `_raw` until
 * jws_verify().
 */
struct jws {
    enum jws_alg alg;
    json_t *header;
    uint8_t *payload_raw;
    size_t payload_len;
    uint8_t *sig;
    size_t sig_len;
    struct view signed_text; /* into the caller's text */
};
void jws_fini(struct jws *s);
#define auto_jws __attribute__((cleanup(jws_fini))) struct jws

MUST_CHECK int jws_parse(const char *text, size_t len, struct jws *out, struct err *e);
/* -EKEYREJECTED when the signature is wrong or the algorithm is not allowed or not for this key. */
MUST_CHECK int jws_verify(const struct jws *s, const struct crypto_key *key, unsigned allowed,
                          struct err *e);

/*
 * Sign bytes; the algorithm follows from the key (P-256 ES256, P-384 ES384, P-521 ES512, Ed25519
 * EdDSA).
 * header  further header members, or NULL; borrowed; must not name alg
 */
MUST_CHECK int jws_sign(const struct crypto_key *key, const json_t *header, const void *payload,
                        size_t len, char **out, struct err *e);

/* The same with claims as payload and "typ":"JWT". */
MUST_CHECK int jwt_sign(const struct crypto_key *key, const json_t *header, const json_t *claims,
                        char **out, struct err *e);
/* jws_parse, jws_verify, payload as an object. Times are not looked at. */
MUST_CHECK int jwt_verify(const char *text, size_t len, const struct crypto_key *key,
                          unsigned allowed, json_t **out, struct err *e);
/*
 * exp must be there and not past, nbf if there not ahead, both with leeway seconds. now: seconds
 * since 1970.
 */
MUST_CHECK int jwt_check_times(const json_t *claims, int64_t now, int64_t leeway, struct err *e);

#endif
