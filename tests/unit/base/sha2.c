/* SPDX-License-Identifier: Apache-2.0 */
/* Known answers from [FIPS 180-4] examples and NIST's short-message vectors. */
#include "guest/base/sha2.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void hex(const uint8_t *p, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) { snprintf(out + 2 * i, 3, "%02x", p[i]); }
}

static void expect256(const void *p, size_t len, const char *want)
{
    struct sha256_ctx c;
    uint8_t d[SHA256_SIZE];
    char text[2 * SHA256_SIZE + 1];

    sha256_init(&c);
    sha256_update(&c, p, len);
    sha256_final(&c, d);
    hex(d, sizeof d, text);
    cr_assert_str_eq(text, want);
}

static void expect384(const void *p, size_t len, const char *want)
{
    struct sha384_ctx c;
    uint8_t d[SHA384_SIZE];
    char text[2 * SHA384_SIZE + 1];

    sha384_init(&c);
    sha384_update(&c, p, len / 2);
    sha384_update(&c, (const uint8_t *)p + len / 2, len - len / 2);
    sha384_final(&c, d);
    hex(d, sizeof d, text);
    cr_assert_str_eq(text, want);
}

#define TWO_BLOCKS                                                                                 \
    "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"

Test(sha2, sha256_known_answers)
{
    expect256("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect256("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

Test(sha2, sha384_known_answers)
{
    expect384(
        "", 0,
        "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b");
    expect384(
        "abc", 3,
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
    expect384(
        TWO_BLOCKS, 112,
        "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039");
}

/* Every length around the block and the padding; the literal is from Python's hashlib. */
Test(sha2, sha384_pads_every_length)
{
    uint8_t text[300], digest[SHA384_SIZE];
    struct sha384_ctx all, one;
    sha384_init(&all);
    for (size_t i = 0; i < sizeof text; i++) { text[i] = (uint8_t)(i * 7 + 3); }
    for (size_t n = 0; n < sizeof text; n++) {
        sha384_init(&one);
        sha384_update(&one, text, n / 3);
        sha384_update(&one, text + n / 3, n - n / 3);
        sha384_final(&one, digest);
        sha384_update(&all, digest, sizeof digest);
    }
    sha384_final(&all, digest);
    char found[2 * SHA384_SIZE + 1];
    hex(digest, sizeof digest, found);
    cr_assert_str_eq(
        found,
        "3349f9e93dc68265966dd4b4eeb7d0a68a152793b87f45699e689686e9c4438a66fff34d4f5a8f701dafeec6c29475d2");
}

Test(sha2, sha_instructions_agree_with_a_known_answer)
{
    /* 64 bytes of 'a', then the padding block of a 64-byte message: SHA-256 of NIST's shape, computed by coreutils. */
    static const char want[] = "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb";
    struct sha256_ctx c;
    uint8_t blocks[128] = {0}, d[SHA256_SIZE];
    char text[2 * SHA256_SIZE + 1];

    if (!sha256_ni_here()) { cr_skip_test("this processor has no SHA instructions"); }
    memset(blocks, 'a', 64);
    blocks[64] = 0x80;
    blocks[126] = 2; /* 512 bits */
    sha256_init(&c);
    sha256_ni_blocks(c.h, blocks, 2);
    for (unsigned i = 0; i < 32; i++) { d[i] = (uint8_t)(c.h[i / 4] >> (24 - 8 * (i % 4))); }
    hex(d, sizeof d, text);
    cr_assert_str_eq(text, want);
}
