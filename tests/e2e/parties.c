/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work on data that several parties do not show each other: the program of the multi-party example. Each party NAME has
 * one key; the guest gets it as a file from that party's broker, the data travel with the image, and so does whatever
 * else the host may read along.
 *
 *      /run/secrets/NAME.key   64 bytes: AES-256 key, HMAC key
 *      /data/NAME.sealed       16 bytes IV | ciphertext, AES-256-CTR | 32 bytes HMAC-SHA-256 of both
 *
 * usage: parties fit NAME... FOR        rows "X Y" of all NAMEs; the straight line through them, for FOR alone
 *        parties fraud NAME...          rows "ACCOUNT AMOUNT" that the customers of each bank sent; each bank is told those
 *                                       of its own receivers who got at least 10000 from the customers of two banks or more
 *
 * Results are printed one per line, "NAME BASE64", sealed like the data. Exit status 0; 1 with a message without data in it.
 */
#include "attest/base64.h"
#include "attest/crypto.h"
#include "guest/base/ct.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTIES_MAX   8
#define DATA_MAX      65536
#define IV_SIZE       CRYPTO_AES_BLOCK_SIZE
#define MAC_SIZE      CRYPTO_SHA256_SIZE
#define OVERHEAD      (IV_SIZE + MAC_SIZE)
#define RECEIVERS_MAX 1024
#define SUSPICIOUS    10000

struct party {
    const char *name;
    uint8_t key[64];
    char data[DATA_MAX + 1]; /* text, NUL-terminated; "" = has none */
};

static struct party parties[PARTIES_MAX];
static size_t count;

static void die(const char *what, const char *name)
{
    (void)fprintf(stderr, "parties: %s: %s\n", name, what);
    exit(1);
}

/* ---- sealed texts ------------------------------------------------------------------------------ */

static size_t read_file(const char *path, void *out, size_t cap)
{
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(out, 1, cap, f) : 0;
    if (f) { (void)fclose(f); }
    return n;
}

static void mac(const struct party *p, const uint8_t *bytes, size_t len, uint8_t out[MAC_SIZE])
{
    struct crypto_hmac h;
    crypto_hmac_init(&h, p->key + 32, 32);
    crypto_hmac_update(&h, bytes, len);
    crypto_hmac_final(&h, out);
}

static void crypt(const struct party *p, const uint8_t iv[IV_SIZE], const void *in, void *out,
                  size_t len)
{
    struct crypto_ctr c;
    crypto_ctr_init(&c, p->key, iv);
    crypto_ctr_xor(&c, in, out, len);
    wipe(&c, sizeof c);
}

static void load(struct party *p, bool with_data)
{
    static uint8_t sealed[DATA_MAX + OVERHEAD + 1];
    char path[256];
    uint8_t want[MAC_SIZE];
    (void)snprintf(path, sizeof path, "/run/secrets/%s.key", p->name);
    if (read_file(path, p->key, sizeof p->key) != sizeof p->key) { die("no key", p->name); }
    if (!with_data) { return; }
    (void)snprintf(path, sizeof path, "/data/%s.sealed", p->name);
    size_t n = read_file(path, sealed, sizeof sealed);
    if (n < OVERHEAD || n == sizeof sealed) { die("no data", p->name); }
    mac(p, sealed, n - MAC_SIZE, want);
    if (!ct_eq(want, sealed + n - MAC_SIZE, MAC_SIZE)) { die("the data were changed", p->name); }
    crypt(p, sealed, sealed + IV_SIZE, p->data, n - OVERHEAD);
}

static void tell(const struct party *p, const char *text)
{
    static uint8_t sealed[DATA_MAX + OVERHEAD];
    static char line[(sizeof sealed + 2) / 3 * 4 + 1];
    size_t len = strlen(text), n = IV_SIZE + len;
    if (crypto_random(sealed, IV_SIZE) < 0) { die("no randomness", p->name); }
    crypt(p, sealed, text, sealed + IV_SIZE, len);
    mac(p, sealed, n, sealed + n);
    b64_encode(sealed, n + MAC_SIZE, line);
    (void)printf("%s %s\n", p->name, line);
}

/* ---- the straight line [least squares] --------------------------------------------------------- */

static void fit(void)
{
    double n = 0, sx = 0, sy = 0, sxy = 0, sxx = 0, x, y;
    char text[128];
    for (size_t i = 0; i + 1 < count; i++) {
        int step;
        for (const char *at = parties[i].data; sscanf(at, "%lf %lf%n", &x, &y, &step) == 2;
             at += step) {
            n++, sx += x, sy += y, sxy += x * y, sxx += x * x;
        }
    }
    double spread = n * sxx - sx * sx;
    if (spread == 0) { die("too few rows", "all"); }
    double slope = (n * sxy - sx * sy) / spread;
    (void)snprintf(text, sizeof text, "y = %.3f x + %.3f, from %.0f rows\n", slope,
                   (sy - slope * sx) / n, n);
    tell(&parties[count - 1], text);
}

/* ---- fraud ------------------------------------------------------------------------------------- */

struct receiver {
    char account[40];
    long total;
    unsigned senders; /* one bit per bank */
};

static struct receiver receivers[RECEIVERS_MAX];
static size_t receiver_count;

static struct receiver *receiver_of(const char *account)
{
    size_t i = 0;
    while (i < receiver_count && strcmp(receivers[i].account, account) != 0) { i++; }
    if (i == RECEIVERS_MAX) { die("too many receivers", "all"); }
    if (i == receiver_count) {
        (void)snprintf(receivers[i].account, sizeof receivers[i].account, "%s", account);
        receiver_count++;
    }
    return &receivers[i];
}

static void fraud(void)
{
    char account[40];
    long amount;
    for (size_t i = 0; i < count; i++) {
        int step;
        for (const char *at = parties[i].data;
             sscanf(at, "%39s %ld%n", account, &amount, &step) == 2; at += step) {
            struct receiver *r = receiver_of(account);
            r->total += amount;
            r->senders |= 1u << i;
        }
    }
    for (size_t i = 0; i < count; i++) {
        char text[DATA_MAX] = "";
        size_t used = 0;
        for (size_t k = 0; k < receiver_count; k++) {
            const struct receiver *r = &receivers[k];
            bool ours = r->senders >> i & 1, others = r->senders & ~(1u << i);
            if (ours && others && r->total >= SUSPICIOUS) {
                used += (size_t)snprintf(text + used, sizeof text - used, "%s\n", r->account);
            }
        }
        tell(&parties[i], text);
    }
}

int main(int argc, char **argv)
{
    bool fits = argc > 1 && strcmp(argv[1], "fit") == 0;
    if (argc < 4 || argc > 2 + PARTIES_MAX || (!fits && strcmp(argv[1], "fraud") != 0)) {
        die("usage: parties fit|fraud NAME...", "arguments");
    }
    for (count = 0; (int)count + 2 < argc; count++) {
        parties[count].name = argv[count + 2];
        load(&parties[count], !fits || (int)count + 3 < argc);
    }
    if (fits) {
        fit();
    } else {
        fraud();
    }
    return 0;
}
