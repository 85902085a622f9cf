/* SPDX-License-Identifier: Apache-2.0 */
/* See private_file.h. Paths are the owner's, what lies there is the image author's. */
#include "loader/init/private_file.h"

#include "guest/base/hosted.h"
#include "guest/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

int private_file_create(struct tree *t, const char *path, const struct user *u, int *out_fd,
                        struct err *e)
{
    struct place p;
    struct stat st;
    if (tree_resolve(t, path, true, &p, e) < 0) { return -e->code; }
    if (fstatat(p.dir_fd, p.name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISDIR(st.st_mode)) { return err_set(e, EISDIR, "the image has a directory there"); }
        if (unlinkat(p.dir_fd, p.name, 0) < 0) { return err_set(e, errno, "%s", strerror(errno)); }
    }
    auto_fd fd =
        openat(p.dir_fd, p.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
    if (fd < 0 || fchown(fd, u->uid, u->gid) < 0) {
        return err_set(e, errno, "%s", strerror(errno));
    }
    *out_fd = steal_fd(&fd);
    return 0;
}

int private_file_write(int fd, const void *p, size_t len, struct err *e)
{
    int r = write_all(fd, p, len);
    return r < 0 ? err_set(e, -r, "write: %s", strerror(-r)) : 0;
}
