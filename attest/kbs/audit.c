/* SPDX-License-Identifier: Apache-2.0 */
/* Appending lines. A decision that cannot be logged is still taken: an attacker who fills the disk must not stop starts. */
#include "attest/kbs/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

int audit_open(const char *path, struct audit *out, struct err *e)
{
    int fd =
        path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : dup(STDERR_FILENO);
    if (fd < 0) {
        return err_set(e, errno, "audit log %s: %s", path ? path : "(standard error)",
                       strerror(errno));
    }
    out->fd = fd;
    return 0;
}

void audit_close(struct audit *a)
{
    if (a->fd >= 0) { (void)close(a->fd); }
    a->fd = -1;
}

void audit_line(void *ctx, const char *line)
{
    struct audit *a = ctx;
    struct iovec v[2] = {{.iov_base = (void *)(uintptr_t)line, .iov_len = strlen(line)},
                         {.iov_base = (void *)(uintptr_t) "\n", .iov_len = 1}};
    ssize_t want = (ssize_t)(v[0].iov_len + 1);
    if (writev(a->fd, v, 2) != want) {
        (void)fprintf(stderr, "cc-kbs: audit log: %s: %s\n", strerror(errno), line);
    }
}
