/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs as files (guest/abi/stream_blob.h). Each read sends one request and takes its answer, so
 * the stream is always between answers when nobody reads; a second reader waits its turn. Waiting
 * cannot be interrupted, as with a disk. The bytes are untrusted: the reader checks the digest.
 */
#include "guest/abi/stream_blob.h"
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/stream_files.h"
#include "guest/streams.h"

#define RING_IN 262144u

struct blob {
    struct stream *stream;
    uint64_t size;
    bool busy;
    struct waitq turn;
};

static struct blob *of(struct file *f) { return f->priv; }

/* Takes what is left of an answer that nobody can receive. */
static int skip(struct stream *s, uint64_t len)
{
    uint8_t scrap[256];
    int r = 0;
    while (len > 0 && r == 0) {
        size_t n = min_u64(len, sizeof scrap);
        r = stream_read_all(s, scrap, n);
        len -= n;
    }
    return r;
}

/*
 * One request and its answer. Bytes moved into u, or -errno; the stream is between answers
 * afterwards unless it died.
 */
static int64_t fetch(struct blob *b, struct uio *u, uint64_t off, uint32_t len)
{
    struct stream_blob_read request = {.off = off, .len = len};
    uint64_t done = 0;

    int r = stream_write_all(b->stream, &request, sizeof request);
    if (r < 0) { return r; }
    while (done < len) {
        struct uio part = *u;
        if (part.vec == &u->one) { part.vec = &part.one; }
        part.left = min_u64(part.left, len - done);
        uint64_t before = part.left;
        int64_t n = stream_read_now(b->stream, &part);
        u->at = part.at;
        u->off = part.off;
        u->left -= before - part.left;
        if (n > 0) {
            done += (uint64_t)n;
        } else if (n == -EFAULT) {
            r = skip(b->stream, len - done);
            return r < 0 ? r : done > 0 ? (int64_t)done : -EFAULT;
        } else if (n == -EAGAIN) {
            r = stream_wait(b->stream, false);
            if (r < 0) { return r; }
        } else {
            return n < 0 ? n : -EIO;
        }
    }
    return (int64_t)done;
}

static int64_t blob_read(struct file *f, struct uio *u, uint64_t *pos)
{
    struct blob *b = of(f);
    int64_t total = 0;

    while (b->busy) {
        int r = wait_on(&b->turn, NO_DEADLINE, false);
        if (r < 0) { return r; }
    }
    b->busy = true;
    while (u->left > 0 && *pos < b->size) {
        uint32_t len = (uint32_t)min_u64(min_u64(u->left, STREAM_BLOB_READ_MAX), b->size - *pos);
        int64_t n = fetch(b, u, *pos, len);
        if (n < 0) {
            if (total == 0) { total = n; }
            break;
        }
        total += n;
        *pos += (uint64_t)n;
        if ((uint64_t)n < len) { break; }
    }
    b->busy = false;
    wake_one(&b->turn, ~0u);
    return total;
}

static int64_t blob_seek(struct file *f, int64_t off, int whence)
{
    int64_t base = whence == 0   ? 0
                   : whence == 1 ? (int64_t)f->pos
                   : whence == 2 ? (int64_t)of(f)->size
                                 : -1;
    int64_t to;
    if (base < 0 || __builtin_add_overflow(base, off, &to) || to < 0) { return -EINVAL; }
    f->pos = (uint64_t)to;
    return to;
}

static void blob_release(struct file *f)
{
    f->inode->priv = NULL;
    stream_close(of(f)->stream);
    mem_free(f->priv);
}

static uint64_t blob_size(struct inode *i) { return i->priv != NULL ? of(i->priv)->size : 0; }

static const struct file_ops blob_ops = {
    .read = blob_read, .seek = blob_seek, .release = blob_release};
static const struct inode_ops blob_inode_ops = {.size = blob_size};

struct file *blob_file(const char *digest, int *out_err)
{
    struct stream_open o = {.kind = STREAM_KIND_BLOB,
                            .in_size = RING_IN,
                            .out_size = STREAM_RING_MIN,
                            .name = digest,
                            .name_len = (uint32_t)strlen(digest)};
    struct blob *b = o.name_len <= STREAM_BLOB_NAME_MAX ? mem_alloc(sizeof *b) : NULL;
    struct file *f = NULL;

    *out_err = o.name_len <= STREAM_BLOB_NAME_MAX ? -ENOMEM : -EINVAL;
    if (b == NULL) { return NULL; }
    waitq_init(&b->turn);
    b->stream = stream_new(&o, out_err);
    if (b->stream == NULL) { goto no_stream; }
    *out_err = stream_wait_open(b->stream, NO_DEADLINE, false);
    if (*out_err < 0) { goto no_file; }
    b->size = stream_answer(b->stream)->size;
    *out_err = b->size <= INT64_MAX ? -ENOMEM : -EBADMSG;
    if (b->size <= INT64_MAX) { f = file_anon(&blob_ops, b, LO_RDONLY, 0100400u, "blob"); }
    if (f == NULL) { goto no_file; }
    f->inode->ops = &blob_inode_ops;
    f->inode->priv = f;
    return f;

no_file:
    stream_close(b->stream);
no_stream:
    mem_free(b);
    return NULL;
}
