/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers: bytes of a blob, already checked against their digest, become the bytes of a tar.
 *
 * A hostile image may still be a bomb (deflate expands up to 1032 times, zstd without bound), so
 * every byte that comes out is counted against the image's budget before anybody sees it. zstd
 * windows are limited to 128 MiB, what `zstd --long` may ask of a default decoder.
 *
 * gzip has two decoders. libdeflate is two to three times as fast but wants the whole output in
 * memory: it gets layers of one member that say they unpack to no more than WHOLE_MAX, and is only
 * ever believed when it says yes to every byte. Everything else, and every error message, is
 * zlib's, whose memory is constant.
 */
#include "loader/image/image.h"

#include "attest/crypto.h"
#include "guest/base/ovf.h"

#include <errno.h>
#include <libdeflate.h>
#include <limits.h>
#include <zlib.h>
#include <zstd.h>

#define OUT_SIZE       (256u << 10)
#define DRAIN_SIZE     (2u << 20)
#define WHOLE_MAX      (64u << 20)
#define GZIP_SIZE_MIN  18u /* header and trailer [RFC 1952 §2.3] */
#define WINDOW_LOG_MAX 27

struct out {
    struct layer_sink *sink;
    struct crypto_sha sha;
    bool hashing;
    uint64_t *budget;
};

static int emit(struct out *o, const uint8_t *p, size_t len, struct err *e)
{
    if (len > *o->budget) { return err_set(e, EFBIG, "image unpacks to more than its ceiling"); }
    *o->budget -= len;
    if (o->hashing) { crypto_sha_update(&o->sha, p, len); }
    return len > 0 ? o->sink->write(o->sink, p, len, e) : 0;
}

static int copy(const uint8_t *p, size_t len, struct out *o, struct err *e)
{
    while (len > 0) {
        size_t n = len < OUT_SIZE ? len : OUT_SIZE;
        if (emit(o, p, n, e) < 0) { return -e->code; }
        p += n;
        len -= n;
    }
    return 0;
}

/* The same from a buffer of our own. Memory goes back as it empties: what is unpacked needs it. */
static int drain(const struct map *m, size_t len, struct out *o, struct err *e)
{
    for (size_t at = 0; at < len; at += DRAIN_SIZE) {
        size_t n = (size_t)min_u64(len - at, DRAIN_SIZE);
        if (copy((uint8_t *)m->p + at, n, o, e) < 0) { return -e->code; }
        (void)madvise((uint8_t *)m->p + at, n, MADV_DONTNEED);
    }
    return 0;
}

/* ---- gzip: members one after another [RFC 1952 §2.2] */

static int gunzip_members(z_stream *z, const uint8_t *p, size_t len, uint8_t *buf, struct out *o,
                          struct err *e)
{
    bool open = true; /* inside a member */

    while (len > 0 || open) {
        if (!open && inflateReset(z) != Z_OK) {
            return err_set(e, EIO, "gzip: cannot start again");
        }
        open = true;
        uInt piece = len < UINT_MAX ? (uInt)len : UINT_MAX;
        z->next_in = (Bytef *)(uintptr_t)p;
        z->avail_in = piece;
        z->next_out = buf;
        z->avail_out = OUT_SIZE;
        int r = inflate(z, Z_NO_FLUSH);
        size_t used = piece - z->avail_in, made = OUT_SIZE - z->avail_out;
        p += used;
        len -= used;
        if (emit(o, buf, made, e) < 0) { return -e->code; }
        if (r == Z_STREAM_END) {
            open = false;
        } else if (r == Z_BUF_ERROR || (r == Z_OK && used == 0 && made == 0)) {
            return err_set(e, EBADMSG, "gzip: ends too early");
        } else if (r != Z_OK) {
            return err_set(e, EBADMSG, "gzip: %s", z->msg ? z->msg : "not a gzip stream");
        }
    }
    return 0;
}

/* One member, in one step. False: not this way; nothing has been emitted. */
static bool gunzip_whole(const uint8_t *p, size_t len, struct map *out, size_t *out_len)
{
    if (len < GZIP_SIZE_MIN) { return false; }
    struct cur trailer = cur_of(p + len - 4, 4);
    uint32_t says = cur_u32le(&trailer); /* a hint from a stranger: it only sizes the buffer */
    if (says == 0 || says > WHOLE_MAX) { return false; }

    auto_map whole = {0};
    struct err ignored = {0};
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    size_t used = 0;
    bool good = d && buffer_map(says, &whole, &ignored) == 0 &&
                libdeflate_gzip_decompress_ex(d, p, len, whole.p, says, &used, out_len) ==
                    LIBDEFLATE_SUCCESS &&
                used == len;
    libdeflate_free_decompressor(d);
    if (!good) { return false; }
    *out = (struct map){.p = steal_ptr(&whole.p), .len = whole.len};
    return true;
}

static int gunzip(const uint8_t *p, size_t len, uint8_t *buf, struct out *o, struct err *e)
{
    auto_map whole = {0};
    size_t whole_len = 0;
    if (gunzip_whole(p, len, &whole, &whole_len)) { return drain(&whole, whole_len, o, e); }

    z_stream z = {0};
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) {
        return err_set(e, ENOMEM, "gzip: out of memory");
    }
    int r = gunzip_members(&z, p, len, buf, o, e);
    (void)inflateEnd(&z);
    return r;
}

/* ---- zstd: frames one after another [RFC 8878 §3] */

static int unzstd_frames(ZSTD_DCtx *z, const uint8_t *p, size_t len, uint8_t *buf, struct out *o,
                         struct err *e)
{
    ZSTD_inBuffer in = {.src = p, .size = len};
    size_t more = 1; /* 0 = at the end of a frame */

    while (in.pos < in.size || more != 0) {
        ZSTD_outBuffer ob = {.dst = buf, .size = OUT_SIZE};
        size_t before = in.pos;
        more = ZSTD_decompressStream(z, &ob, &in);
        if (ZSTD_isError(more)) { return err_set(e, EBADMSG, "zstd: %s", ZSTD_getErrorName(more)); }
        if (emit(o, buf, ob.pos, e) < 0) { return -e->code; }
        if (more != 0 && in.pos == before && ob.pos == 0) {
            return err_set(e, EBADMSG, "zstd: ends too early");
        }
    }
    return 0;
}

static int unzstd(const uint8_t *p, size_t len, uint8_t *buf, struct out *o, struct err *e)
{
    ZSTD_DCtx *z = ZSTD_createDCtx();
    if (!z) { return err_set(e, ENOMEM, "zstd: out of memory"); }
    size_t set = ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    int r = ZSTD_isError(set) ? err_set(e, EIO, "zstd: %s", ZSTD_getErrorName(set))
                              : unzstd_frames(z, p, len, buf, o, e);
    (void)ZSTD_freeDCtx(z);
    return r;
}

int layer_decode(enum layer_coding coding, const uint8_t *p, size_t len, uint64_t *budget,
                 struct layer_sink *sink, struct digest *out, struct err *e)
{
    struct out o = {.sink = sink, .budget = budget, .hashing = out != NULL};
    auto_free uint8_t *buf = malloc(OUT_SIZE);
    int r;

    if (!buf) { return err_set(e, ENOMEM, "out of memory"); }
    if (crypto_sha_init(&o.sha, CRYPTO_SHA256) < 0) {
        return err_set(e, EIO, "SHA-256 is missing");
    }
    switch (coding) {
    case LAYER_TAR: r = copy(p, len, &o, e); break;
    case LAYER_GZIP: r = gunzip(p, len, buf, &o, e); break;
    case LAYER_ZSTD: r = unzstd(p, len, buf, &o, e); break;
    default: r = err_set(e, ENOTSUP, "unknown layer coding %d", (int)coding); break;
    }
    if (r == 0 && out) { crypto_sha_final(&o.sha, out->sha256); }
    return r;
}
