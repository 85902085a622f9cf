/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads at an offset by digest (guest/abi/stream_blob.h). A blob is a range of a file that the
 * loader opened; the digest is only a name here, the guest checks it. Reading waits for the disk,
 * under the device's lock: other streams wait too.
 */
#include "vmm/streams_priv.h"

#include "guest/abi/stream_blob.h"
#include "guest/base/hosted.h"
#include "guest/base/ovf.h"

#include <errno.h>
#include <string.h>

struct blob {
    const struct streams_blob *file; /* the device's */
    uint64_t off;                    /* of the request being answered */
    uint32_t left;                   /* bytes still to send for it */
};

static const struct streams_blob *find(const struct streams_config *c, const uint8_t *name,
                                       size_t len)
{
    for (size_t i = 0; i < c->blob_count; i++) {
        if (strlen(c->blobs[i].digest) == len && memcmp(c->blobs[i].digest, name, len) == 0) {
            return &c->blobs[i];
        }
    }
    return NULL;
}

static int blob_open(struct stream *st, const struct stream_msg *open, const uint8_t *name,
                     size_t name_len)
{
    if (open->open.arg != 0 || name_len == 0 || name_len > STREAM_BLOB_NAME_MAX) { return -EINVAL; }
    const struct streams_blob *file = find(streams_config(st->device), name, name_len);
    if (file == NULL) { return -ENOENT; }
    struct blob *b = calloc(1, sizeof *b);
    if (b == NULL) { return -ENOMEM; }
    b->file = file;
    st->priv = b;
    st->opened.size = file->size;
    return 0;
}

/* The next request, if a whole one is there. False: none, or refused. */
static bool next_request(struct stream *st, struct blob *b)
{
    struct stream_blob_read r; /* private copy */
    st->hungry = stream_from_avail(st) < sizeof r;
    if (st->hungry) { return false; }
    stream_take(st, &r, sizeof r);
    if (r.reserved != 0 || r.len == 0 || r.len > STREAM_BLOB_READ_MAX ||
        !range_fits(b->file->size, r.off, r.len)) {
        stream_fail(st, EINVAL);
        return false;
    }
    b->off = r.off;
    b->left = r.len;
    return true;
}

static bool blob_work(struct stream *st)
{
    struct blob *b = st->priv;
    struct iovec v[2];

    if (st->error != 0 || st->closing) { return false; }
    if (b->left == 0 && !next_request(st, b)) { return false; }
    size_t n = stream_to_vec(st, b->left, v);
    if (n == 0) { return false; }
    ssize_t got = preadv(b->file->fd, v, 2, (off_t)(b->file->off + b->off));
    if (got <= 0) {
        if (got < 0 && errno == EINTR) { return true; }
        stream_fail(st, EIO); /* shorter than it was, or unreadable */
        return false;
    }
    stream_gave(st, (size_t)got);
    b->off += (uint64_t)got;
    b->left -= (uint32_t)got;
    return true;
}

static void blob_close(struct stream *st) { free(st->priv); }

const struct stream_kind stream_blob = {.name = "blob",
                                        .to_guest = true,
                                        .to_host = true,
                                        .open = blob_open,
                                        .work = blob_work,
                                        .close = blob_close};
