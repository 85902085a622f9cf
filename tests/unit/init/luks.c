/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes made by cryptsetup, opened here; then what the host may do to one. Skipped aloud where
 * there is no cryptsetup. Who could get this wrong: whoever believes an offset. Who would profit:
 * the host, whose file it is.
 */
#include "loader/init/luks.h"

#include "attest/hex.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VOLUME_SIZE (4u << 20)
#define HEADER_SIZE 16384u
#define DATA_AT     (1u << 20)
static const char password[] = "pass phrase";

static char dir[] = "/tmp/casemate-luks-XXXXXX";
static uint8_t *volume; /* VOLUME_SIZE bytes */
static uint8_t content[100000];

static int from_memory(void *ctx, uint64_t off, void *buf, size_t len, struct err *e)
{
    (void)ctx, (void)e;
    cr_assert(off <= VOLUME_SIZE && len <= VOLUME_SIZE - off, "read outside the volume");
    memcpy(buf, volume + off, len);
    return 0;
}
static const struct luks_source source = {.size = VOLUME_SIZE, .read = from_memory};

static void shell(const char *format, const char *options)
{
    char line[1024];
    snprintf(line, sizeof line, format, dir, options);
    cr_assert_eq(system(line), 0, "%s", line);
}

/* cryptsetup encrypts our content in place; its header and 1 MiB of room come in front. */
static void make(const char *options)
{
    char path[64];
    if (system("cryptsetup --version >/dev/null 2>&1") != 0) { cr_skip_test("no cryptsetup"); }
    cr_assert(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/v", dir);
    for (size_t i = 0; i < sizeof content; i++) { content[i] = (uint8_t)(i * i >> 7); }
    FILE *f = fopen(path, "wb");
    cr_assert(f && fwrite(content, 1, sizeof content, f) == sizeof content);
    cr_assert(ftruncate(fileno(f), VOLUME_SIZE) == 0 && fclose(f) == 0);
    shell("cd %s && printf 'pass phrase' >k && cryptsetup reencrypt --encrypt --type luks2 -q "
          "--reduce-device-size 2M --luks2-metadata-size 16k --luks2-keyslots-size 512k --pbkdf "
          "pbkdf2 --pbkdf-force-iterations 1000 --key-file k %s v >/dev/null 2>&1",
          options);
    volume = malloc(VOLUME_SIZE);
    f = fopen(path, "rb");
    cr_assert(volume && f && fread(volume, 1, VOLUME_SIZE, f) == VOLUME_SIZE);
    fclose(f);
    shell("rm -rf %s", "");
}

static void opens(const char *options)
{
    static uint8_t found[sizeof content / 4096 * 4096 + 4096];
    struct luks l;
    struct err e = {0};
    make(options);
    cr_assert_eq(luks_open(&source, password, strlen(password), &l, &e), 0, "%s", e.text);
    cr_assert_eq(l.size, VOLUME_SIZE - DATA_AT);
    cr_assert_eq(luks_read(&l, 0, found, sizeof found, &e), 0, "%s", e.text);
    cr_assert_arr_eq(found, content, sizeof content);
    cr_assert_eq(luks_read(&l, 8192, found, 4096, &e), 0, "%s", e.text);
    cr_assert_arr_eq(found, content + 8192, 4096);
    cr_assert_lt(luks_read(&l, l.size, found, 4096, &e), 0, "behind the end");
    cr_assert_lt(luks_read(&l, 100, found, 4096, &e), 0, "not a sector");
    luks_close(&l);
}

Test(luks, opens_what_cryptsetup_made, .timeout = 60) { opens("--sector-size 4096"); }
Test(luks, opens_small_sectors_and_sha512, .timeout = 60)
{
    opens("--sector-size 512 --hash sha512");
}

Test(luks, another_password_opens_nothing, .timeout = 60)
{
    struct luks l;
    struct err e = {0};
    make("");
    cr_assert_eq(luks_open(&source, "pass phrasf", 11, &l, &e), -ENOKEY);
    cr_assert(strstr(e.text, "none of 1 key slots"), "%s", e.text);
    e = (struct err){0};
    cr_assert_eq(luks_open(&source, "", 0, &l, &e), -EINVAL);
}

/* ---- a host that changes the header, and puts its checksum right */

static void put_right(void)
{
    memset(volume + 448, 0, 64);
    crypto_sha256(volume, HEADER_SIZE, volume + 448);
}

/* Replaces the first text in the JSON by one of any length. */
static void edit(const char *from, const char *to)
{
    char *json = (char *)volume + LUKS_BINARY_SIZE;
    char *at = strstr(json, from);
    cr_assert(at, "%s is not there", from);
    size_t rest = strlen(at) + 1 - strlen(from);
    memmove(at + strlen(to), at + strlen(from), rest);
    memcpy(at, to, strlen(to));
    put_right();
}

static const struct {
    const char *from, *to, *says;
} edits[] = {
    {"\"type\":\"pbkdf2\"", "\"type\":\"argon2id\"", "type \"argon2id\", wanted \"pbkdf2\""},
    {"aes-xts-plain64", "aes-cbc-essiv:sha256", "aes-cbc-essiv"},
    {"\"key_size\":64", "\"key_size\":32", "a key of 32 bytes"},
    {"\"stripes\":4000", "\"stripes\":9000", "stripes"},
    {"\"iterations\":1000", "\"iterations\":20000001", "iterations"},
    {"\"iterations\":1000", "\"iterations\":-1", "iterations"},
    {"\"offset\":\"32768\"", "\"offset\":\"4096\"", "area of"},
    {"\"offset\":\"32768\"", "\"offset\":\"9999999999\"", "area of"},
    {"\"size\":\"258048\"", "\"size\":\"18446744073709551615\"", "no number"},
    {"\"size\":\"258048\"", "\"size\":\"9223372036854775807\"", "area of"},
    {"\"size\":\"258048\"", "\"size\":\"512\"", "area of 512"},
    {"\"offset\":\"1048576\"", "\"offset\":\"0\"", "data at 0"},
    {"\"offset\":\"1048576\"", "\"offset\":\"4194305\"", "data at 4194305"},
    {"\"size\":\"dynamic\"", "\"size\":\"4194304\"", "bytes of data"},
    {"\"sector_size\":4096", "\"sector_size\":1000", "sectors of 1000"},
    {"\"sector_size\":4096", "\"sector_size\":4096,\"integrity\":{}", "integrity or flags"},
    {"\"sector_size\":4096", "\"sector_size\":4096,\"flags\":[\"in-reencryption\"]",
     "integrity or flags"},
    {"\"segments\":{\"0\"", "\"segments\":{\"1\":{},\"0\"", "2 segments"},
    {"\"type\":\"crypt\"", "\"type\":\"linear\"", "type \"linear\""},
    {"\"config\":{", "\"config\":{\"requirements\":{\"mandatory\":[\"online-reencrypt\"]},",
     "requires \"online-reencrypt\""},
    {"\"segments\":[\"0\"]", "\"segments\":[]", "no digest"},
    {"\"keyslots\":[\"0\"]", "\"keyslots\":[\"7\"]", "no key slot"},
    {"\"keyslots\":{\"0\":", "\"keyslots\":{\"0\":0,\"0\":", "not JSON"},
    {"\"tokens\":{}", "\"tokens\":", "not JSON"},
    {"\"hash\":\"sha256\"", "\"hash\":\"sha1\"", "hash \"sha1\""},
};

Test(luks, what_is_not_taken_is_refused_by_name, .timeout = 60)
{
    make("--sector-size 4096");
    uint8_t *good = malloc(VOLUME_SIZE);
    memcpy(good, volume, VOLUME_SIZE);
    for (size_t i = 0; i < ARRAY_COUNT(edits); i++) {
        struct luks l;
        struct err e = {0};
        memcpy(volume, good, VOLUME_SIZE);
        edit(edits[i].from, edits[i].to);
        cr_expect_lt(luks_open(&source, password, strlen(password), &l, &e), 0, "case %zu", i);
        cr_expect(strstr(e.text, edits[i].says), "case %zu: wanted \"%s\", found \"%s\"", i,
                  edits[i].says, e.text);
    }
    free(good);
}

Test(luks, a_changed_header_or_an_old_version_is_no_volume, .timeout = 60)
{
    static const struct {
        size_t at;
        const char *says;
    } flips[] = {{0, "not a LUKS volume"}, {7, "version"},        {15, "bytes, at most"},
                 {14, "bytes, at most"},   {40, "its checksum"},  {72, "checksum is not sha256"},
                 {450, "its checksum"},    {5000, "its checksum"}};
    make("");
    for (size_t i = 0; i < ARRAY_COUNT(flips); i++) {
        struct luks l;
        struct err e = {0};
        volume[flips[i].at] ^= 1;
        cr_expect_lt(luks_open(&source, password, strlen(password), &l, &e), 0, "%zu", i);
        cr_expect(strstr(e.text, flips[i].says), "byte %zu: %s", flips[i].at, e.text);
        volume[flips[i].at] ^= 1;
    }
}

Test(luks, a_changed_key_slot_opens_nothing, .timeout = 60)
{
    struct luks l;
    struct err e = {0};
    make("");
    volume[32768 + 4000] ^= 1;
    cr_assert_eq(luks_open(&source, password, strlen(password), &l, &e), -ENOKEY);
}

Test(luks, a_changed_sector_says_something_else_and_no_other_does, .timeout = 60)
{
    static uint8_t found[8192];
    struct luks l;
    struct err e = {0};
    make("");
    volume[DATA_AT] ^= 1;
    cr_assert_eq(luks_open(&source, password, strlen(password), &l, &e), 0, "%s", e.text);
    cr_assert_eq(luks_read(&l, 0, found, sizeof found, &e), 0);
    cr_assert_neq(memcmp(found, content, 16), 0);
    cr_assert_arr_eq(found + 4096, content + 4096, 4096);
    luks_close(&l);
}
