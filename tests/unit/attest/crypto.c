/* SPDX-License-Identifier: Apache-2.0 */
/* The door to OpenSSL: known answers, and that a refusal leaves nothing readable behind. */
#include "attest/crypto.h"

#include "guest/base/ct.h"
#include "tests/unit/attest/vectors.h"

#include <errno.h>

static void expect_hex(const uint8_t *p, size_t n, const char *want)
{
    char text[2 * 512 + 1];
    cr_assert_leq(n, 512);
    hex_of(p, n, text);
    cr_assert_str_eq(text, want);
}

Test(crypto, hashes_give_the_standards_answers_in_any_number_of_pieces)
{
    uint8_t d[CRYPTO_HASH_MAX];
    struct crypto_sha c, copy;
    crypto_sha256("abc", 3, d);
    expect_hex(d, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    cr_assert_eq(crypto_sha_init(&c, CRYPTO_SHA384), 0);
    crypto_sha_update(&c, "a", 1);
    copy = c;
    crypto_sha_update(&c, "bc", 2);
    crypto_sha_final(&c, d);
    expect_hex(
        d, 48,
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
    crypto_sha_update(&copy, "bc", 2);
    crypto_sha_final(&copy, d);
    expect_hex(
        d, 48,
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
    cr_assert_eq(crypto_digest(CRYPTO_SHA512, "abc", 3, d), 0);
    expect_hex(
        d, 64,
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    cr_assert_eq(crypto_sha_init(&c, CRYPTO_SHA1), -EINVAL);
    cr_assert_eq(crypto_digest((enum crypto_hash)99, "", 0, d), -EINVAL);
}

Test(crypto, hmac_gives_rfc_4231_answers)
{
    uint8_t key[131], d[32];
    struct crypto_hmac h;
    crypto_hmac_init(&h, "Jefe", 4);
    crypto_hmac_update(&h, "what do ya want ", 16);
    crypto_hmac_update(&h, "for nothing?", 12);
    crypto_hmac_final(&h, d);
    expect_hex(d, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    crypto_hmac_init(&h, key, sizeof key);
    crypto_hmac_update(&h, "Test Using Larger Than Block-Size Key - Hash Key First", 54);
    crypto_hmac_final(&h, d);
    expect_hex(d, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

Test(crypto, counter_mode_agrees_with_the_vectors_however_it_is_cut)
{
    static const size_t cuts[] = {1, 7, 16, 100, 128, 4096, 1 << 20};
    json_t *all = vector_json("coco/layer-crypto/ctr-hmac.json"), *c;
    size_t i, seen = 0;
    json_array_foreach (json_object_get(all, "cases"), i, c) {
        uint8_t key[32], iv[16], mac[32], *plain = malloc(65536), *want = malloc(65536),
                                          *got = malloc(65536);
        unhex(member(c, "key_hex"), key, sizeof key);
        unhex(member(c, "iv_hex"), iv, sizeof iv);
        size_t len = unhex(member(c, "plaintext_hex"), plain, 65536);
        unhex(member(c, "ciphertext_hex"), want, 65536);
        for (size_t t = 0; t < sizeof cuts / sizeof cuts[0]; t++) {
            struct crypto_ctr ctr;
            crypto_ctr_init(&ctr, key, iv);
            for (size_t at = 0; at < len; at += cuts[t]) {
                size_t n = len - at < cuts[t] ? len - at : cuts[t];
                crypto_ctr_xor(&ctr, plain + at, got + at, n);
            }
            cr_assert(ct_eq(got, want, len), "%s cut at %zu", member(c, "name"), cuts[t]);
        }
        struct crypto_hmac h;
        crypto_hmac_init(&h, key, sizeof key);
        crypto_hmac_update(&h, want, len);
        crypto_hmac_final(&h, mac);
        expect_hex(mac, 32, member(c, "hmac_sha256_hex"));
        free(plain), free(want), free(got);
        seen++;
    }
    cr_assert_eq(seen, 9);
    json_decref(all);
}

Test(crypto, counter_starts_anywhere_in_a_stream)
{
    uint8_t key[32] = {1}, iv[16], at[16], whole[4096], part[4096 - 1600];
    struct crypto_ctr c;
    memset(iv, 0xff, sizeof iv);
    memset(whole, 0, sizeof whole);
    memset(part, 0, sizeof part);
    crypto_ctr_init(&c, key, iv);
    crypto_ctr_xor(&c, whole, whole, sizeof whole);
    crypto_ctr_at(iv, 100, at);
    crypto_ctr_init(&c, key, at);
    crypto_ctr_xor(&c, part, part, sizeof part);
    cr_assert(ct_eq(whole + 1600, part, sizeof part));
}

Test(crypto, gcm_gives_the_standards_answer_and_wipes_what_does_not_authenticate)
{
    /* [GCM] test case 16, AES-256 */
    static const uint8_t zero[60];
    uint8_t key[32], iv[12], aad[20], plain[60], out[60], tag[16];
    unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", key, 32);
    unhex("cafebabefacedbaddecaf888", iv, 12);
    unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2", aad, 20);
    unhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        plain, 60);
    cr_assert_eq(crypto_gcm_seal(key, 32, iv, aad, 20, plain, 60, out, tag), 0);
    expect_hex(
        out, 60,
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662");
    expect_hex(tag, 16, "76fc6ece0f4e1768cddf8853bb2d551b");
    cr_assert_eq(crypto_gcm_open(key, 32, iv, aad, 20, out, 60, tag, out), 0);
    cr_assert(ct_eq(out, plain, 60));
    tag[0] ^= 1;
    cr_assert_eq(crypto_gcm_open(key, 32, iv, aad, 20, plain, 60, tag, out), -EBADMSG);
    cr_assert(ct_eq(out, zero, 60));
    cr_assert_eq(crypto_gcm_open(key, 31, iv, aad, 20, plain, 60, tag, out), -EINVAL);
}

Test(crypto, key_wrap_gives_rfc_3394_answers_and_refuses_a_changed_one)
{
    uint8_t kek[32], key[32], out[40], back[32];
    unhex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", kek, 32);
    unhex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F", key, 32);
    cr_assert_eq(crypto_kw_wrap(kek, 32, key, 32, out), 0);
    expect_hex(out, 40,
               "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21");
    cr_assert_eq(crypto_kw_unwrap(kek, 32, out, 40, back), 0);
    cr_assert(ct_eq(back, key, 32));
    out[39] ^= 1;
    cr_assert_eq(crypto_kw_unwrap(kek, 32, out, 40, back), -EBADMSG);
    cr_assert_eq(crypto_kw_unwrap(kek, 32, out, 39, back), -EINVAL);
}

Test(crypto, agreement_is_the_x_coordinate_at_full_width)
{
    /* [NIST CAVS 14.1] ECC CDH, P-256, case 0 */
    uint8_t d[32], x[32], y[32], px[32], py[32], z[CRYPTO_COORD_MAX];
    size_t z_len;
    struct crypto_key *mine, *peer;
    unhex("7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534", d, 32);
    unhex("ead218590119e8876b29146ff89ca61770c4edbbf97d38ce385ed281d8a6b230", x, 32);
    unhex("28af61281fd35e2fa7002523acc85a429cb06ee6648325389f59edfce1405141", y, 32);
    unhex("700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287", px, 32);
    unhex("db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac", py, 32);
    struct crypto_parts a = {.x = {x, 32}, .y = {y, 32}, .d = {d, 32}},
                        b = {.x = {px, 32}, .y = {py, 32}};
    cr_assert_eq(crypto_key_from_parts(CRYPTO_P256, &a, &mine), 0);
    cr_assert_eq(crypto_key_from_parts(CRYPTO_P256, &b, &peer), 0);
    cr_assert_eq(crypto_ecdh(mine, peer, z, &z_len), 0);
    expect_hex(z, z_len, "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b");
    cr_assert_eq(crypto_ecdh(peer, mine, z, &z_len), -EINVAL, "without a private key");
    crypto_key_free(mine);
    crypto_key_free(peer);
}

/* Agreement leaves the check to whoever makes the key. */
Test(crypto, points_that_are_not_on_the_curve_make_no_key)
{
    static const enum crypto_key_type types[] = {CRYPTO_P256, CRYPTO_P384, CRYPTO_P521};
    for (size_t i = 0; i < 3; i++) {
        uint8_t x[CRYPTO_COORD_MAX], y[CRYPTO_COORD_MAX], zero[CRYPTO_COORD_MAX] = {0},
                                                          all_ones[CRYPTO_COORD_MAX];
        size_t n;
        struct crypto_key *k, *bad = NULL;
        memset(all_ones, 0xff, sizeof all_ones);
        cr_assert_eq(crypto_key_generate(types[i], 0, &k), 0);
        cr_assert_eq(crypto_key_part(k, CRYPTO_PART_X, x, sizeof x, &n), 0);
        cr_assert_eq(crypto_key_part(k, CRYPTO_PART_Y, y, sizeof y, &n), 0);
        struct crypto_parts good = {.x = {x, n}, .y = {y, n}}, origin = {{zero, n}, {zero, n}, {0}},
                            large = {{all_ones, n}, {y, n}, {0}};
        y[n - 1] ^= 1;
        cr_assert_eq(crypto_key_from_parts(types[i], &good, &bad), -EINVAL);
        y[n - 1] ^= 1;
        cr_assert_eq(crypto_key_from_parts(types[i], &origin, &bad), -EINVAL);
        cr_assert_eq(crypto_key_from_parts(types[i], &large, &bad), -EINVAL, "x above the prime");
        cr_assert_null(bad);
        cr_assert_eq(crypto_key_from_parts(types[i], &good, &bad), 0);
        cr_assert(crypto_key_same_public(k, bad));
        crypto_key_free(bad);
        crypto_key_free(k);
    }
}

Test(crypto, a_key_written_with_a_compressed_point_is_the_same_key)
{
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADw1B0tgO+p637h1P85G11C2Y47svU\n"
                              "H4PYF86/m+8qNFA=\n"
                              "-----END PUBLIC KEY-----\n";
    struct crypto_key *k;
    uint8_t part[CRYPTO_COORD_MAX], *spki;
    size_t len;
    cr_assert_eq(crypto_key_from_pem(pem, sizeof pem - 1, &k), 0);
    cr_assert_eq(crypto_key_part(k, CRYPTO_PART_Y, part, 31, &len), -ENOSPC);
    cr_assert_eq(crypto_key_part(k, CRYPTO_PART_Y, part, 32, &len), 0);
    expect_hex(part, len, "fec75a875667a331a088097815efbf310cb3b85725d902b36e0bebde80474221");
    cr_assert_eq(crypto_key_to_spki(k, &spki, &len), 0);
    expect_hex(spki, len, /* openssl ec -conv_form uncompressed */
               "3059301306072a8648ce3d020106082a8648ce3d030107034200"
               "04c35074b603bea7adfb8753fce46d750b6638eecbd41f83d817cebf9bef2a3450"
               "fec75a875667a331a088097815efbf310cb3b85725d902b36e0bebde80474221");
    free(spki);
    crypto_key_free(k);
}

Test(crypto, ecdsa_signature_verifies_for_its_digest_alone)
{
    static const enum crypto_key_type types[] = {CRYPTO_P256, CRYPTO_P384, CRYPTO_P521};
    static const size_t sizes[] = {64, 96, 132};
    for (size_t i = 0; i < 3; i++) {
        struct crypto_key *k;
        uint8_t digest[48] = {1, 2, 3}, sig[2 * CRYPTO_COORD_MAX];
        size_t len;
        cr_assert_eq(crypto_key_generate(types[i], 0, &k), 0);
        cr_assert_eq(crypto_ecdsa_sign(k, digest, sizeof digest, sig, &len), 0);
        cr_assert_eq(len, sizes[i]);
        cr_assert_eq(crypto_ecdsa_verify(k, digest, sizeof digest, sig, len), 0);
        cr_assert_eq(crypto_ecdsa_verify(k, digest, sizeof digest, sig, len - 1), -EKEYREJECTED);
        digest[0] ^= 1;
        cr_assert_eq(crypto_ecdsa_verify(k, digest, sizeof digest, sig, len), -EKEYREJECTED);
        memset(sig, 0, sizeof sig);
        cr_assert_eq(crypto_ecdsa_verify(k, digest, sizeof digest, sig, len), -EKEYREJECTED,
                     "r = s = 0");
        crypto_key_free(k);
    }
}

Test(crypto, keys_of_a_kind_or_size_we_do_not_name_are_refused)
{
    struct crypto_key *k = NULL;
    size_t len;
    static const char rsa1024[] =
        "-----BEGIN PUBLIC KEY-----\n"
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCqGKukO1De7zhZj6+H0qtjTkVxwTCpvKe4eCZ0\n"
        "FPqri0cb2JZfXJ/DgYSF6vUpwmJG8wVQZKjeGcjDOL5UlsuusFncCzWBQ7RKNUSesmQRMSGkVb1/\n"
        "3j+skZ6UtW+5u09lHNsj6tQ51s1SPrCBkedbNf0Tp0GbMJDyR4e9T04ZZwIDAQAB\n"
        "-----END PUBLIC KEY-----\n";
    cr_assert_eq(crypto_key_from_pem(rsa1024, sizeof rsa1024 - 1, &k), -EINVAL);
    cr_assert_eq(crypto_key_generate(CRYPTO_RSA, 1024, &k), -EINVAL);
    cr_assert_eq(crypto_key_from_pem("no key", 6, &k), -EINVAL);
    cr_assert_eq(crypto_key_from_pem("", 0, &k), -EINVAL);
    char *pem = vector_bytes("coco/images/keys/ec_p256_priv.pem", &len);
    cr_assert_eq(crypto_key_from_pem(pem, len, &k), 0);
    cr_assert(crypto_key_is_private(k));
    cr_assert_eq(crypto_key_type(k), CRYPTO_P256);
    free(pem);
    crypto_key_free(k);
}

Test(crypto, der_with_a_byte_behind_it_is_refused)
{
    struct crypto_key *k, *back = NULL;
    uint8_t *der, longer[256];
    size_t len;
    cr_assert_eq(crypto_key_generate(CRYPTO_P384, 0, &k), 0);
    cr_assert_eq(crypto_key_to_spki(k, &der, &len), 0);
    cr_assert_eq(crypto_key_from_der(der, len, &back), 0);
    cr_assert(crypto_key_same_public(k, back));
    cr_assert_not(crypto_key_is_private(back));
    memcpy(longer, der, len);
    longer[len] = 0;
    crypto_key_free(back);
    cr_assert_eq(crypto_key_from_der(longer, len + 1, &back), -EINVAL);
    free(der);
    crypto_key_free(k);
}

Test(crypto, private_text_needs_a_private_key)
{
    struct crypto_key *k, *pub = NULL, *back = NULL;
    char *pem;
    size_t len;
    cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &k), 0);
    cr_assert_eq(crypto_key_to_pem(k, false, &pem, &len), 0);
    cr_assert_eq(crypto_key_from_pem(pem, len, &pub), 0);
    free(pem);
    cr_assert_eq(crypto_key_to_pem(pub, true, &pem, &len), -EINVAL);
    cr_assert_eq(crypto_key_to_pem(k, true, &pem, &len), 0);
    cr_assert_eq(crypto_key_from_pem(pem, len, &back), 0);
    cr_assert(crypto_key_is_private(back));
    free(pem);
    crypto_key_free(k);
    crypto_key_free(pub);
    crypto_key_free(back);
}

Test(crypto, ed25519_gives_rfc_8032_answers)
{
    uint8_t d[32], x[32], want[64], sig[64];
    struct crypto_key *k;
    unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", d, 32);
    unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", x, 32);
    unhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        want, 64);
    struct crypto_parts parts = {.x = {x, 32}, .d = {d, 32}};
    cr_assert_eq(crypto_key_from_parts(CRYPTO_ED25519, &parts, &k), 0);
    cr_assert_eq(crypto_ed25519_sign(k, "", 0, sig), 0);
    cr_assert(ct_eq(sig, want, 64));
    cr_assert_eq(crypto_ed25519_verify(k, "", 0, sig, 64), 0);
    cr_assert_eq(crypto_ed25519_verify(k, "x", 1, sig, 64), -EKEYREJECTED);
    cr_assert_eq(crypto_ed25519_verify(k, "", 0, sig, 63), -EKEYREJECTED);
    crypto_key_free(k);
    x[0] ^= 1; /* a private key with another public half */
    cr_assert_eq(crypto_key_from_parts(CRYPTO_ED25519, &parts, &k), -EINVAL);
}

/* A file of tests/vectors; tests run from the root of the tree. */
static size_t tree_bytes(const char *path, uint8_t *out, size_t cap)
{
    FILE *f = fopen(path, "rb");
    cr_assert(f, "%s", path);
    size_t n = fread(out, 1, cap, f);
    fclose(f);
    return n;
}

Test(crypto, rsa_signatures_verify_for_their_padding_hash_and_salt_alone)
{
    static const struct {
        const char *file;
        enum crypto_rsa_padding padding;
        enum crypto_hash hash;
        int want;
    } cases[] = {
        {"tests/vectors/rsa/pkcs1-sha256.sig", CRYPTO_RSA_PKCS1, CRYPTO_SHA256, 0},
        {"tests/vectors/rsa/pss-sha384.sig", CRYPTO_RSA_PSS, CRYPTO_SHA384, 0},
        {"tests/vectors/rsa/pss-sha384-salt20.sig", CRYPTO_RSA_PSS, CRYPTO_SHA384, -EKEYREJECTED},
        {"tests/vectors/rsa/pkcs1-sha256.sig", CRYPTO_RSA_PSS, CRYPTO_SHA256, -EKEYREJECTED},
        {"tests/vectors/rsa/pss-sha384.sig", CRYPTO_RSA_PKCS1, CRYPTO_SHA384, -EKEYREJECTED},
        {"tests/vectors/rsa/pkcs1-sha256.sig", CRYPTO_RSA_PKCS1, CRYPTO_SHA512, -EKEYREJECTED},
        {"tests/vectors/rsa/pkcs1-sha256.sig", CRYPTO_RSA_PKCS1, CRYPTO_SHA1, -EINVAL},
    };
    uint8_t pem[1024], sig[256], digest[CRYPTO_HASH_MAX];
    struct crypto_key *k;
    size_t len = tree_bytes("tests/vectors/rsa/key.pub.pem", pem, sizeof pem);
    cr_assert_eq(crypto_key_from_pem(pem, len, &k), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_eq(tree_bytes(cases[i].file, sig, sizeof sig), 256);
        if (crypto_digest(cases[i].hash, "signed text", 11, digest) < 0) {
            memset(digest, 0, sizeof digest);
        }
        cr_assert_eq(crypto_rsa_verify(k, cases[i].padding, cases[i].hash, digest, sig, 256),
                     cases[i].want, "case %zu", i);
    }
    cr_assert_eq(crypto_rsa_verify(k, CRYPTO_RSA_PKCS1, CRYPTO_SHA256, digest, sig, 255),
                 -EKEYREJECTED);
    crypto_key_free(k);
}
