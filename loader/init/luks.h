/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypted volumes as cryptsetup makes them: LUKS2, read only. The volume is the host's, who may
 * change any byte of it at any time; header and key material are copied and checked before they are
 * used, sectors are decrypted as they are read.
 *
 * Taken: one data segment in the same file, aes-xts-plain64 with 512-bit keys, sectors of 512 to
 * 4096 bytes; key slots with PBKDF2 (SHA-256 or SHA-512), AF-split with the same hashes. Of several
 * slots each is tried.
 * Refused, by name: LUKS1; Argon2 (cryptsetup luksFormat --pbkdf pbkdf2); other ciphers and key
 * sizes; integrity; detached headers (no key slot, or a segment that begins inside the header);
 * volumes that are being encrypted again; requirements, which are for whoever knows them; headers
 * whose checksum is wrong (the second header is not looked at: cryptsetup repair is for the owner).
 *
 * What it does not give: XTS authenticates nothing. The host cannot choose what a changed sector
 * says, but it can destroy or bring back an old one. Where that matters, the policy names the
 * content's digest.
 *
 * Source: LUKS2 On-Disk Format Specification 1.1.4, sections 2 and 3; TKS1 (AF-split).
 */
#ifndef CASEMATE_INIT_LUKS_H
#define CASEMATE_INIT_LUKS_H

#include "attest/crypto.h"
#include "guest/base/err.h"

#define LUKS_HEADER_MAX                                                                            \
    131072u /* cryptsetup makes 16 KiB; of the sizes up to 4 MiB this is enough */
#define LUKS_SLOTS_MAX      32u       /* cryptsetup's own */
#define LUKS_ITERATIONS_MAX 20000000u /* some ten seconds */
#define LUKS_STRIPES_MAX    8192u     /* cryptsetup makes 4000 */
#define LUKS_PASSWORD_MAX   8192u

/* Reads exactly len bytes at off, which lie inside size. */
struct luks_source {
    void *ctx;
    uint64_t size;
    int (*read)(void *ctx, uint64_t off, void *buf, size_t len, struct err *e);
};

/* ---- the header, without keys: a pure function of bytes */

struct luks_kdf {
    enum crypto_hash hash;
    uint32_t iterations;
    uint8_t salt[64];
    size_t salt_len;
};

struct luks_slot {
    struct luks_kdf kdf;
    enum crypto_hash af_hash;
    uint32_t stripes;
    uint64_t area_off, area_size;
};

struct luks_header {
    struct luks_slot slots[LUKS_SLOTS_MAX];
    size_t slot_count;
    struct luks_kdf digest; /* of the volume key */
    uint8_t digest_value[64];
    size_t digest_len;
    uint64_t data_off, data_size; /* inside the source */
    uint64_t iv_tweak;            /* number of the first sector, in units of 512 bytes */
    uint32_t sector_size;
};

/*
 * The size of the whole header from its first LUKS_BINARY_SIZE bytes; at most LUKS_HEADER_MAX.
 */
#define LUKS_BINARY_SIZE 4096u
MUST_CHECK int luks_header_size(const uint8_t binary[LUKS_BINARY_SIZE], size_t *out, struct err *e);
/* p: that many bytes, checksum field included; source_size: bytes of the whole volume. */
MUST_CHECK int luks_header_parse(const uint8_t *p, size_t len, uint64_t source_size,
                                 struct luks_header *out, struct err *e);

/* ---- an open volume */

struct luks {
    const struct luks_source *from; /* borrowed */
    struct crypto_xts xts;
    uint64_t data_off, iv_tweak;
    uint64_t size; /* bytes of content, whole sectors */
    uint32_t sector_size;
};

/* -ENOKEY when the password opens no slot. Close it in any case of success: it holds the key. */
MUST_CHECK int luks_open(const struct luks_source *from, const void *password, size_t len,
                         struct luks *out, struct err *e);
void luks_close(struct luks *l);

/* Content at off, len bytes: whole sectors inside size. */
MUST_CHECK int luks_read(const struct luks *l, uint64_t off, void *buf, size_t len, struct err *e);

#endif
