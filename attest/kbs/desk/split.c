/* SPDX-License-Identifier: Apache-2.0 */
/* See split.h. */
#include "attest/kbs/desk/split.h"

#include "attest/crypto.h"
#include "attest/kbs/file.h"
#include "attest/shares.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

static int write_all(const uint8_t *shares, size_t size, char *const *files, size_t count,
                     struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        int rc = file_make(files[i], true, shares + i * size, size, e);
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
