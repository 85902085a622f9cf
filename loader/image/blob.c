/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blob becomes private memory, once. Whoever serves it (a file that somebody else may be writing,
 * the host of a confidential guest) can answer a second read differently, so the copy is what is
 * hashed and the copy is what is used.
 */
#include "loader/image/image.h"

#include "attest/crypto.h"
#include "guest/base/io.h"
#include "guest/base/ovf.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PIECE      (1u << 20) /* hashed while still in the cache */
#define SMALL_PAGE 4096u
#define LARGE_PAGE (2u << 20)

int buffer_map(size_t len, struct map *out, struct err *e)
{
    uint64_t used, room;
    if (!align_up_ok(len, SMALL_PAGE, &used) ||
        !align_up_ok(used, used < LARGE_PAGE ? SMALL_PAGE : LARGE_PAGE, &room)) {
        return err_set(e, EFBIG, "no memory for %zu bytes", len);
    }
    uint8_t *p = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return err_set(e, errno, "no memory for %zu bytes: %s", len, strerror(errno));
    }
    if (used < room) { (void)munmap(p + used, room - used); } /* it was there for the alignment */
    (void)madvise(p, used, MADV_HUGEPAGE);                    /* advice: all right without */
    *out = (struct map){.p = p, .len = len};
    return 0;
}

void blob_close(struct blob *b)
{
    if (b->fd >= 0) { (void)close(b->fd); }
    b->fd = -1;
}

static void close_blob(struct blob *b) { blob_close(b); }

static int read_exactly(const struct blob *b, uint8_t *p, uint64_t off, size_t len, struct err *e)
{
    int r = pread_all(b->fd, p, len, b->base + off);
    if (r == -ENODATA) { return err_set(e, EBADMSG, "ends early"); }
    return r < 0 ? err_set(e, -r, "read: %s", strerror(-r)) : 0;
}

static int copy_and_check(const struct blob *b, const struct digest *want, uint8_t *to,
                          struct err *e)
{
    struct crypto_sha sha;
    struct digest found;

    if (crypto_sha_init(&sha, CRYPTO_SHA256) < 0) { return err_set(e, EIO, "SHA-256 is missing"); }
    for (uint64_t off = 0; off < b->size;) {
        size_t n = (size_t)min_u64(PIECE, b->size - off);
        if (read_exactly(b, to + off, off, n, e) < 0) { return -e->code; }
        crypto_sha_update(&sha, to + off, n);
        off += n;
    }
    crypto_sha_final(&sha, found.sha256);
    if (!digest_equal(&found, want)) {
        char text[DIGEST_TEXT_SIZE];
        digest_text(&found, text);
        return err_set(e, EBADMSG, "content has digest %s", text);
    }
    return 0;
}

static int load(struct blob_source *src, const struct digest *d, uint64_t size, uint64_t max,
                struct map *out, struct err *e)
{
    __attribute__((cleanup(close_blob))) struct blob b = {.fd = -1};

    if (src->open(src, d, &b, e) < 0) { return -e->code; }
    if (size != BLOB_SIZE_ANY && b.size != size) {
        return err_set(e, EBADMSG, "has %" PRIu64 " bytes, its descriptor says %" PRIu64, b.size,
                       size);
    }
    if (b.size == 0) { return err_set(e, EBADMSG, "is empty"); }
    if (b.size > max) {
        return err_set(e, EFBIG, "has %" PRIu64 " bytes, the ceiling is %" PRIu64, b.size, max);
    }
    auto_map m = {0};
    if (buffer_map((size_t)b.size, &m, e) < 0) { return -e->code; }
    (void)madvise(m.p, m.len, MADV_POPULATE_WRITE); /* by one call instead of a fault at a time */
    if (copy_and_check(&b, d, m.p, e) < 0) { return -e->code; }
    *out = (struct map){.p = steal_ptr(&m.p), .len = m.len};
    return 0;
}

int blob_load(struct blob_source *src, const struct digest *d, uint64_t size, uint64_t max,
              struct map *out, struct err *e)
{
    if (load(src, d, size, max, out, e) < 0) {
        char text[DIGEST_TEXT_SIZE];
        digest_text(d, text);
        return err_wrap(e, "blob %s", text);
    }
    return 0;
}
