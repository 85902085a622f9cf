/* SPDX-License-Identifier: Apache-2.0 */
/* See volume.h. Every byte of the volume is read once, into private memory. */
#include "loader/init/volume.h"

#include "guest/base/ct.h"
#include "guest/base/hosted.h"
#include "guest/base/io.h"
#include "loader/init/env.h"
#include "loader/init/luks.h"
#include "loader/init/private_file.h"

#include <errno.h>
#include <string.h>

#define PIECE (1u << 20) /* a multiple of every sector size */

static int read_at(void *ctx, uint64_t off, void *buf, size_t len, struct err *e)
{
    const int *fd = ctx;
    int r = pread_all(*fd, buf, len, off);
    if (r == -ENODATA) { return err_set(e, EBADMSG, "the host ends it early"); }
    return r < 0 ? err_set(e, -r, "the host does not read it: %s", strerror(-r)) : 0;
}

/* The content's first size bytes into fd, and their digest. */
static int copy(const struct luks *l, uint64_t size, int fd, struct digest *out, struct err *e)
{
    struct crypto_sha hash;
    auto_free uint8_t *piece = malloc(PIECE);
    int r = piece ? 0 : err_set(e, ENOMEM, "out of memory");
    (void)!crypto_sha_init(&hash, CRYPTO_SHA256);
    for (uint64_t off = 0; r == 0 && off < size; off += PIECE) {
        size_t sectors = l->size - off < PIECE ? (size_t)(l->size - off) : PIECE;
        size_t take = size - off < sectors ? (size_t)(size - off) : sectors;
        r = luks_read(l, off, piece, sectors, e);
        if (r < 0) { break; }
        crypto_sha_update(&hash, piece, take);
        r = private_file_write(fd, piece, take, e);
    }
    crypto_sha_final(&hash, out->sha256);
    if (piece) { wipe(piece, PIECE); }
    return r;
}

static int copy_checked(const struct luks *l, const struct policy_volume *v, int fd, struct err *e)
{
    uint64_t size = v->size ? v->size : l->size;
    struct digest found;
    if (size > l->size) {
        return err_set(e, EBADMSG, "%llu bytes of content, the policy says %llu",
                       (unsigned long long)l->size, (unsigned long long)size);
    }
    int r = copy(l, size, fd, &found, e);
    if (r == 0 && v->has_digest && !digest_equal(&found, &v->digest)) {
        r = err_set(e, EBADMSG, "its content is not what the policy's sha256 says");
    }
    return r;
}

int volume_place(struct tree *t, const struct policy_volume *v, const void *key, size_t key_len,
                 const struct user *u, struct err *e)
{
    char name[sizeof "volume:" + POLICY_VOLUME_NAME_MAX];
    struct stat st;
    struct luks l;
    int raw;

    (void)snprintf(name, sizeof name, "volume:%s", v->name);
    auto_fd from = env_blob_open(name);
    if (from < 0) { return err_set(e, -from, "the host does not serve it: %s", strerror(-from)); }
    if (fstat(from, &st) < 0 || st.st_size < 0) {
        return err_set(e, EBADMSG, "the host gives it no size");
    }
    struct luks_source source = {.ctx = &from, .size = (uint64_t)st.st_size, .read = read_at};
    int r = luks_open(&source, key, key_len, &l, e);
    if (r < 0) { return r; }
    r = private_file_create(t, v->path, u, &raw, e);
    if (r == 0) {
        auto_fd to = raw;
        r = copy_checked(&l, v, to, e);
    }
    luks_close(&l);
    return r;
}
