/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates step by step, revocation lists, DER: hierarchies made elsewhere, good and bad. */
#include "attest/crypto.h"
#include "attest/der.h"
#include "tests/unit/attest/vectors.h"

#include <errno.h>

#define DIR "snp/synthetic/"

static json_t *cases;

static void load(void) { cases = vector_json(DIR "cases.json"); }
static void unload(void) { json_decref(cases); }
TestSuite(x509, .init = load, .fini = unload);

/* The file that a synthetic case names as endorsement_key, trusted_root, chain or crl. */
static char *case_file(const char *id, const char *which, size_t *len)
{
    json_t *c;
    size_t i;
    char name[128];
    json_array_foreach (json_object_get(cases, "cases"), i, c) {
        if (strcmp(member(c, "id"), id) == 0) {
            (void)snprintf(name, sizeof name, DIR "%s", member(c, which));
            return vector_bytes(name, len);
        }
    }
    cr_assert(false, "no case %s", id);
    return NULL;
}

static struct crypto_cert *case_cert(const char *id, const char *which)
{
    size_t len;
    struct crypto_cert *c = NULL;
    char *der = case_file(id, which, &len);
    cr_assert_eq(crypto_cert_from_der(der, len, &c), 0, "%s", id);
    free(der);
    return c;
}

/* Intermediate and root of a case's chain. */
static void case_chain(const char *id, struct crypto_cert *out[2])
{
    size_t len, count;
    char *pem = case_file(id, "chain", &len);
    cr_assert_eq(crypto_certs_from_pem(pem, len, out, 2, &count), 0);
    cr_assert_eq(count, 2);
    free(pem);
}

static int signed_by(const struct crypto_cert *c, const struct crypto_cert *issuer,
                     enum crypto_cert_alg alg)
{
    auto_key k = NULL;
    cr_assert_eq(crypto_cert_key(issuer, &k), 0);
    return crypto_cert_signed_by(c, k, alg);
}

Test(x509, chain_is_followed_one_signature_at_a_time)
{
    auto_cert vek = case_cert("ok-milan-v3", "endorsement_key");
    struct crypto_cert *chain[2];
    case_chain("ok-milan-v3", chain);
    cr_assert_eq(signed_by(vek, chain[0], CRYPTO_CERT_PSS_SHA384), 0);
    cr_assert_eq(signed_by(chain[0], chain[1], CRYPTO_CERT_PSS_SHA384), 0);
    cr_assert_eq(signed_by(chain[1], chain[1], CRYPTO_CERT_PSS_SHA384), 0);
    cr_assert_eq(signed_by(vek, chain[1], CRYPTO_CERT_PSS_SHA384), -EKEYREJECTED);
    cr_assert_eq(signed_by(chain[0], chain[0], CRYPTO_CERT_PSS_SHA384), -EKEYREJECTED);
    /* Neither the algorithm nor the kind of key is the certificate's choice. */
    cr_assert_eq(signed_by(vek, chain[0], CRYPTO_CERT_ECDSA_SHA256), -EINVAL);
    cr_assert_eq(signed_by(vek, chain[0], CRYPTO_CERT_OTHER), -EINVAL);
    cr_assert_eq(signed_by(vek, vek, CRYPTO_CERT_PSS_SHA384), -EINVAL);
    crypto_cert_free(chain[0]);
    crypto_cert_free(chain[1]);
}

Test(x509, one_way_to_sign_is_known_and_its_neighbours_are_not)
{
    static const char *const others[] = {"vek-pkcs1v15", "vek-sha256", "vek-salt-20"};
    struct crypto_cert *chain[2];
    case_chain("ok-milan-v3", chain);
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        auto_cert c = case_cert(others[i], "endorsement_key");
        struct crypto_cert_facts f;
        cr_assert_eq(crypto_cert_facts(c, &f), 0);
        cr_assert_eq(f.alg, CRYPTO_CERT_OTHER, "%s", others[i]);
        cr_assert_eq(signed_by(c, chain[0], CRYPTO_CERT_PSS_SHA384), -EINVAL, "%s", others[i]);
    }
    crypto_cert_free(chain[0]);
    crypto_cert_free(chain[1]);
}

Test(x509, facts_are_those_of_the_certificate)
{
    auto_cert vek = case_cert("ok-milan-v3", "endorsement_key");
    auto_cert ca_vek = case_cert("vek-is-ca", "endorsement_key");
    struct crypto_cert *chain[2];
    struct crypto_cert_facts f;
    char name[CRYPTO_NAME_MAX];
    case_chain("ok-milan-v3", chain);
    cr_assert_eq(crypto_cert_facts(vek, &f), 0);
    cr_assert_eq(f.version, 3);
    cr_assert_eq(f.alg, CRYPTO_CERT_PSS_SHA384);
    cr_assert(!f.is_ca && !f.may_sign_certs && !f.may_sign_crls && !f.unknown_critical);
    cr_assert_eq(f.path_len, -1);
    cr_assert(f.serial_len == 1 && f.serial[0] == 1);
    cr_assert_eq(crypto_cert_facts(chain[0], &f), 0);
    cr_assert(f.is_ca && f.may_sign_certs);
    cr_assert_eq(f.path_len, 0);
    cr_assert_eq(crypto_cert_facts(chain[1], &f), 0);
    cr_assert(f.is_ca && f.may_sign_certs && f.may_sign_crls);
    cr_assert_eq(crypto_cert_facts(ca_vek, &f), 0);
    cr_assert(f.is_ca);
    cr_assert_eq(crypto_cert_issuer(vek, name), 0);
    cr_assert_str_eq(name, "OU=Engineering, C=US, L=Santa Clara, ST=CA, O=Advanced Micro Devices, "
                           "CN=SEV-Milan");
    cr_assert_eq(crypto_cert_subject(vek, name), 0);
    cr_assert_str_eq(name, "OU=Engineering, C=US, L=Santa Clara, ST=CA, O=Advanced Micro Devices, "
                           "CN=SEV-VCEK");
    crypto_cert_free(chain[0]);
    crypto_cert_free(chain[1]);
}

Test(x509, real_roots_have_the_published_fingerprints_dates_and_serial_numbers)
{
    static const struct {
        const char *file, *key, *cert;
        int64_t not_before, not_after;
        uint8_t serial[3];
    } roots[] = {
        {"snp/chains/milan_vcek_chain.pem",
         "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9",
         "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
         1603387385,
         2392305785,
         {1, 0, 0}},
        {"snp/chains/turin_vlek_chain.pem",
         "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08",
         "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
         1684180992,
         2473185792,
         {3, 0, 0}},
    };
    for (size_t i = 0; i < ARRAY_COUNT(roots); i++) {
        size_t len, count;
        struct crypto_cert *c[2];
        struct crypto_cert_facts f;
        uint8_t digest[32];
        char hex[65];
        char *pem = vector_bytes(roots[i].file, &len);
        cr_assert_eq(crypto_certs_from_pem(pem, len, c, 2, &count), 0);
        free(pem);
        cr_assert_eq(crypto_cert_key_sha256(c[1], digest), 0);
        hex_of(digest, 32, hex);
        cr_expect_str_eq(hex, roots[i].key);
        uint8_t *der;
        cr_assert_eq(crypto_cert_to_der(c[1], &der, &len), 0);
        crypto_sha256(der, len, digest);
        free(der);
        hex_of(digest, 32, hex);
        cr_expect_str_eq(hex, roots[i].cert);
        cr_assert_eq(crypto_cert_facts(c[1], &f), 0);
        cr_expect_eq(f.not_before, roots[i].not_before, "%ld", f.not_before);
        cr_expect_eq(f.not_after, roots[i].not_after, "%ld", f.not_after);
        cr_expect(f.serial_len == 3 && memcmp(f.serial, roots[i].serial, 3) == 0);
        cr_expect_eq(signed_by(c[0], c[1], CRYPTO_CERT_PSS_SHA384), 0);
        crypto_cert_free(c[0]);
        crypto_cert_free(c[1]);
    }
}

Test(x509, serial_number_zero_has_no_bytes_and_is_no_error)
{
    size_t len;
    struct crypto_cert_facts f;
    auto_cert c = NULL;
    char *der = vector_bytes("snp/reports/turin-v5/vcek.der", &len);
    cr_assert_eq(crypto_cert_from_der(der, len, &c), 0);
    free(der);
    cr_assert_eq(crypto_cert_facts(c, &f), 0);
    cr_assert_eq(f.serial_len, 0);
}

Test(x509, extension_is_found_once_or_not_at_all)
{
    auto_cert good = case_cert("ok-milan-v3", "endorsement_key");
    auto_cert missing = case_cert("ext-missing-ucode", "endorsement_key");
    auto_cert twice = case_cert("ext-duplicate-ucode", "endorsement_key");
    const char *ucode = "1.3.6.1.4.1.3704.1.3.8";
    struct view v = {0};
    cr_assert_eq(crypto_cert_ext(good, ucode, &v), 0);
    cr_assert(v.len == 4 && memcmp(v.p, "\x02\x02\x00\xdb", 4) == 0);
    cr_assert_eq(crypto_cert_ext(missing, ucode, &v), -ENOENT);
    cr_assert_eq(crypto_cert_ext(twice, ucode, &v), -EEXIST);
    cr_assert_eq(crypto_cert_ext(good, "no number", &v), -EINVAL);
}

static struct crypto_crl *case_crl(const char *id)
{
    size_t len;
    struct crypto_crl *c = NULL;
    char *der = case_file(id, "crl", &len);
    cr_assert_eq(crypto_crl_from_der(der, len, &c), 0);
    /* A byte behind it, or one missing, and it is none. */
    struct crypto_crl *none = NULL;
    cr_assert_eq(crypto_crl_from_der(der, len + 1, &none), -EINVAL);
    cr_assert_eq(crypto_crl_from_der(der, len - 1, &none), -EINVAL);
    free(der);
    return c;
}

Test(x509, list_speaks_for_its_signer_and_says_until_when)
{
    auto_crl good = case_crl("ok-crl");
    auto_crl forged = case_crl("crl-wrong-signer");
    auto_crl old = case_crl("crl-expired");
    auto_cert root = case_cert("ok-milan-v3", "trusted_root");
    auto_key key = NULL;
    struct crypto_crl_facts f;
    char name[CRYPTO_NAME_MAX];
    cr_assert_eq(crypto_cert_key(root, &key), 0);
    cr_assert_eq(crypto_crl_signed_by(good, key, CRYPTO_CERT_PSS_SHA384), 0);
    cr_assert_eq(crypto_crl_signed_by(good, key, CRYPTO_CERT_ECDSA_SHA256), -EINVAL);
    cr_assert_eq(crypto_crl_signed_by(forged, key, CRYPTO_CERT_PSS_SHA384), -EKEYREJECTED);
    cr_assert_eq(crypto_crl_facts(good, &f), 0);
    cr_assert_eq(f.alg, CRYPTO_CERT_PSS_SHA384);
    cr_assert_eq(f.this_update, 1767225600); /* 2026-01-01 */
    cr_assert_eq(f.next_update, 1798761600); /* 2027-01-01 */
    cr_assert_eq(f.count, 1);
    cr_assert_eq(crypto_crl_facts(old, &f), 0);
    cr_assert_lt(f.next_update, 1767225600 + 6 * 30 * 86400);
    cr_assert_eq(crypto_crl_issuer(good, name), 0);
    cr_assert_str_eq(name, "OU=Engineering, C=US, L=Santa Clara, ST=CA, O=Advanced Micro Devices, "
                           "CN=ARK-Milan");
}

Test(x509, list_is_searched_by_serial_number)
{
    auto_crl good = case_crl("ok-crl");
    auto_crl revoked = case_crl("crl-ask-revoked");
    struct crypto_cert *chain[2];
    case_chain("crl-ask-revoked", chain);
    cr_assert(crypto_crl_lists(revoked, chain[0]));
    cr_assert(!crypto_crl_lists(good, chain[0]));
    crypto_cert_free(chain[0]);
    crypto_cert_free(chain[1]);
}

/* ---- DER */

#define BYTES(s) cur_of(s, sizeof(s) - 1)

Test(der, number_has_one_text)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool good;
        uint64_t n;
    } t[] = {
        {"\x02\x01\x00", 3, true, 0},
        {"\x02\x01\x7f", 3, true, 127},
        {"\x02\x02\x00\xdb", 4, true, 219},
        {"\x02\x02\x00\xff", 4, true, 255},
        {"\x02\x02\x01\x00", 4, false, 0}, /* above the ceiling asked for */
        {"\x02\x01\xdb", 3, false, 0},     /* negative */
        {"\x02\x02\x00\x7f", 4, false, 0}, /* padded */
        {"\x02\x00", 2, false, 0},         /* empty */
        {"\x02\x81\x01\x05", 4, false, 0}, /* length not in its shortest form */
        {"\x02\x80\x05\x00\x00", 5, false, 0},
        {"\x02\x02\x05", 3, false, 0}, /* cut short */
        {"\x04\x01\x05", 3, false, 0}, /* another type */
        {"\x02\x0a\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, false, 0},
        {"", 0, false, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(t); i++) {
        struct cur c = cur_of(t[i].bytes, t[i].len);
        uint64_t n = der_number(&c, DER_INTEGER, 255);
        cr_expect_eq(cur_end(&c), t[i].good, "case %zu", i);
        cr_expect_eq(n, t[i].n, "case %zu", i);
    }
    struct cur c = BYTES("\x02\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff");
    cr_expect_eq(der_number(&c, DER_INTEGER, UINT64_MAX), UINT64_MAX);
    cr_expect(cur_end(&c));
}

Test(der, nesting_keeps_to_its_bounds_and_badness_comes_out)
{
    struct cur c = BYTES("\x30\x05\x02\x01\x07\x0a\x00\x02\x01\x09");
    struct cur in = der_enter(&c, DER_SEQUENCE);
    cr_expect_eq(der_number(&in, DER_INTEGER, 255), 7);
    cr_expect(!in.bad);
    (void)der_number(&in, DER_ENUMERATED, 255); /* empty */
    cr_expect(in.bad);
    cr_expect_eq(der_number(&c, DER_INTEGER, 255), 9);
    cr_expect(cur_end(&c));

    c = BYTES("\x30\x84\xff\xff\xff\xff");
    in = der_enter(&c, DER_SEQUENCE);
    cr_expect(in.bad && in.left == 0);
    c = BYTES("\x30\x85\x00\x00\x00\x00\x01\x00"); /* five bytes of length */
    in = der_enter(&c, DER_SEQUENCE);
    cr_expect(in.bad);
}

Test(der, long_lengths_are_minimal)
{
    uint8_t b[300] = {DER_OCTET_STRING, 0x82, 0x01, 0x00};
    struct cur c = cur_of(b, 4 + 256);
    cr_expect_eq(der_take(&c, DER_OCTET_STRING).len, 256);
    cr_expect(cur_end(&c));
    b[2] = 0;
    b[3] = 0xff; /* would fit in 0x81 */
    c = cur_of(b, 4 + 255);
    (void)der_take(&c, DER_OCTET_STRING);
    cr_expect(c.bad);
}
