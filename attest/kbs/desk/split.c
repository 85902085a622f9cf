/* SPDX-License-Identifier: Apache-2.0 */
/* See split.h. */
#include "attest/kbs/desk/split.h"

#include "attest/crypto.h"
#include "attest/kbs/config/config.h"
#include "attest/shares.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static int write_new(const char *path, const uint8_t *p, size_t len, struct err *e)
{
    auto_fd fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) { return err_set(e, errno, "%s: %s", path, strerror(errno)); }
    if (write(fd, p, len) != (ssize_t)len || fsync(fd) < 0) {
        (void)unlink(path);
        return err_set(e, EIO, "%s: cannot be written", path);
    }
    return 0;
}

static int write_all(const uint8_t *shares, size_t size, char *const *files, size_t count,
                     struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        int rc = write_new(files[i], shares + i * size, size, e);
        if (rc == 0) { continue; }
        while (i-- > 0) { (void)unlink(files[i]); }
        return rc;
    }
    return 0;
}

int split_run(unsigned need, const char *secret, char *const *out_files, size_t count,
              struct err *e)
{
    auto_store_value whole = {0};
    if (count > SHARES_MAX) {
        return err_set(e, EINVAL, "%zu shares, at most %u can be made", count, SHARES_MAX);
    }
    int rc = file_read(secret, SHARE_SECRET_MAX, false, &whole, e);
    if (rc < 0) { return rc; }
    size_t size = SHARE_SIZE(whole.len);
    auto_free uint8_t *shares = malloc(count * size + 1);
    if (!shares) { return err_set(e, ENOMEM, "out of memory"); }
    rc = shares_split(whole.p, whole.len, need, (unsigned)count, crypto_random, shares, e);
    if (rc == 0) { rc = write_all(shares, size, out_files, count, e); }
    wipe(shares, count * size);
    return rc;
}
