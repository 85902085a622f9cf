/* SPDX-License-Identifier: Apache-2.0 */
/* See file.h. */
#include "attest/kbs/file.h"

#include "guest/base/hosted.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int file_read(const char *path, size_t max, bool private, struct store_value *out, struct err *e)
{
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat sb;
    if (fd < 0 || fstat(fd, &sb) < 0) { return err_set(e, errno, "%s: %s", path, strerror(errno)); }
    if (private && (sb.st_mode & 077)) {
        return err_set(e, EACCES, "%s: others may read or write it (mode %03o); chmod 600", path,
                       (unsigned)sb.st_mode & 0777);
    }
    struct store_value v = {.p = malloc(max + 2)};
    if (!v.p) { return err_set(e, ENOMEM, "%s: out of memory", path); }
    ssize_t n = 0;
    while (v.len <= max && (n = read(fd, v.p + v.len, max + 1 - v.len)) > 0) { v.len += (size_t)n; }
    int rc = 0;
    if (n < 0) {
        rc = err_set(e, errno, "%s: %s", path, strerror(errno));
    } else if (v.len > max) {
        rc = err_set(e, EFBIG, "%s: more than %zu bytes", path, max);
    }
    if (rc < 0) {
        store_value_fini(&v);
        return rc;
    }
    v.p[v.len] = 0;
    *out = v;
    return 0;
}

int file_key(const char *path, bool private, struct crypto_key **out, struct err *e)
{
    auto_store_value pem = {0};
    int rc = file_read(path, PEM_MAX, private, &pem, e);
    if (rc < 0) { return rc; }
    rc = crypto_key_from_pem(pem.p, pem.len, out);
    return rc < 0 ? err_set(e, -rc, "%s: not a PEM key", path) : 0;
}

int file_make(const char *path, bool private, const void *p, size_t len, struct err *e)
{
    auto_fd fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, private ? 0600 : 0644);
    if (fd < 0) { return err_set(e, errno, "%s: %s", path, strerror(errno)); }
    if (write(fd, p, len) != (ssize_t)len || fsync(fd) < 0) {
        (void)unlink(path); /* half a key is of no use, and would stand in the way */
        return err_set(e, EIO, "%s: cannot be written", path);
    }
    return 0;
}
