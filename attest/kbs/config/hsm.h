/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storage key under a key that never leaves a hardware security module. The module holds an RSA key of 2048 bits or
 * more, made there by the owner; a file holds the storage key, encrypted to it (RSA-OAEP with SHA-1 and MGF1: the one form
 * that all modules know; nothing here rests on SHA-1 resisting collisions). To start, the broker asks the module to decrypt
 * it; from then on the storage key is in the broker's memory, as it is with a key file.
 */
#ifndef CASEMATE_ATTEST_KBS_CONFIG_HSM_H
#define CASEMATE_ATTEST_KBS_CONFIG_HSM_H

#include "guest/base/cc.h"
#include "guest/base/err.h"

#define HSM_WRAPPED_MAX 1024

struct hsm {
    const char *module; /* file name of the PKCS#11 module */
    const char *token;  /* label of the token */
    const char *key;    /* label of the RSA key pair */
    const char *pin;
};

/* wrapped -> key of key_len bytes, exactly. -EKEYREJECTED when it was not made for this key. */
MUST_CHECK int hsm_unwrap(const struct hsm *h, const uint8_t *wrapped, size_t wrapped_len,
                          uint8_t *out_key, size_t key_len, struct err *e);

/* The other way. *out_len: in capacity, out bytes. */
MUST_CHECK int hsm_wrap(const struct hsm *h, const uint8_t *key, size_t key_len, uint8_t *out,
                        size_t *out_len, struct err *e);

#endif
