/* SPDX-License-Identifier: Apache-2.0 */
/* What disks need, XTS and PBKDF2: published answers, and OpenSSL's own code as the other opinion. */
#include "attest/crypto.h"

#include "attest/hex.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

/* [RFC 7914 §11] */
Test(pbkdf2, published_answer)
{
    static const char hex[] = "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
                              "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783";
    uint8_t found[64], wanted[64];
    cr_assert(hex_decode(hex, 128, wanted, 64));
    cr_assert_eq(crypto_pbkdf2(CRYPTO_SHA256, "passwd", 6, "salt", 4, 1, found, 64), 0);
    cr_assert_arr_eq(found, wanted, 64);
}

Test(pbkdf2, agrees_with_openssl_for_both_hashes_and_odd_lengths)
{
    static const char longer_than_a_block[] =
        "0123456789012345678901234567890123456789012345678901234567890123456789"
        "0123456789012345678901234567890123456789012345678901234567890123456789";
    static const size_t lengths[] = {1, 32, 33, 64, 65, 130};
    for (int big = 0; big < 2; big++) {
        for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
            const char *pw = i % 2 ? longer_than_a_block : "";
            uint8_t found[130], wanted[130];
            cr_assert_eq(PKCS5_PBKDF2_HMAC(pw, (int)strlen(pw), (const unsigned char *)"NaCl", 4,
                                           77, big ? EVP_sha512() : EVP_sha256(), (int)lengths[i],
                                           wanted),
                         1);
            cr_assert_eq(crypto_pbkdf2(big ? CRYPTO_SHA512 : CRYPTO_SHA256, pw, strlen(pw), "NaCl",
                                       4, 77, found, lengths[i]),
                         0);
            cr_expect_arr_eq(found, wanted, lengths[i]);
        }
    }
}

Test(pbkdf2, refuses_other_hashes_and_no_iterations)
{
    uint8_t out[16];
    cr_assert_eq(crypto_pbkdf2(CRYPTO_SHA384, "p", 1, "s", 1, 1, out, 16), -EINVAL);
    cr_assert_eq(crypto_pbkdf2(CRYPTO_SHA1, "p", 1, "s", 1, 1, out, 16), -EINVAL);
    cr_assert_eq(crypto_pbkdf2(CRYPTO_SHA256, "p", 1, "s", 1, 0, out, 16), -EINVAL);
}

/* [IEEE 1619-2007 annex B, vector 10]: the first two blocks of its ciphertext. */
Test(xts, published_answer)
{
    uint8_t key[64], found[32];
    struct crypto_xts x;
    cr_assert(hex_decode("2718281828459045235360287471352662497757247093699959574966967627"
                         "3141592653589793238462643383279502884197169399375105820974944592",
                         128, key, 64));
    cr_assert(hex_decode("1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b", 64,
                         found, 32));
    crypto_xts_init(&x, key);
    crypto_xts_decrypt(&x, 0xff, found, 32);
    for (unsigned i = 0; i < 32; i++) { cr_expect_eq(found[i], i); }
}

Test(xts, opens_what_openssl_closes)
{
    static const struct {
        uint64_t sector;
        int len;
    } cases[] = {{0, 16}, {1, 112}, {7, 128}, {8, 512}, {UINT64_MAX, 4096}, {1ull << 32, 144}};
    uint8_t key[64], plain[4096], text[4096];
    for (size_t i = 0; i < sizeof key; i++) { key[i] = (uint8_t)(3 * i + 1); }
    for (size_t i = 0; i < sizeof plain; i++) { plain[i] = (uint8_t)(i ^ i >> 8); }
    struct crypto_xts x;
    crypto_xts_init(&x, key);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t iv[16] = {0};
        int n = 0;
        memcpy(iv, &cases[i].sector, 8);
        EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
        cr_assert_eq(EVP_EncryptInit_ex(c, EVP_aes_256_xts(), NULL, key, iv), 1);
        cr_assert_eq(EVP_EncryptUpdate(c, text, &n, plain, cases[i].len), 1);
        cr_assert_eq(n, cases[i].len);
        EVP_CIPHER_CTX_free(c);
        crypto_xts_decrypt(&x, cases[i].sector, text, (size_t)cases[i].len);
        cr_expect_arr_eq(text, plain, (size_t)cases[i].len);
    }
}
