/* SPDX-License-Identifier: Apache-2.0 */
/* memfd_create: a regular file without a name. Seals are checked where size and contents change (regular.c, attr.c). */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"
#include "guest/sys/sys.h"

#define MFD_CLOEXEC_       1u
#define MFD_ALLOW_SEALING_ 2u
#define MFD_NOEXEC_SEAL_   8u
#define MFD_EXEC_          16u
#define MFD_NAME_MAX       249

static struct file *memfd_new(const char *name, uint32_t flags)
{
    char text[LNAME_MAX + 1];
    uint32_t mode = LS_IFREG | (flags & MFD_NOEXEC_SEAL_ ? 0666 : 0777);
    struct inode *i = anon_inode(mode);
    struct dentry *d = NULL;
    struct file *f = NULL;

    if (i) { i->data = mobj_new(); }
    if (i && i->data) {
        size_t len = fmt(text, sizeof(text), "/memfd:%.*s (deleted)", LNAME_MAX - 17, name);
        d = dentry_new(NULL, text, min_u64(len, LNAME_MAX), i);
    }
    if (d) {
        i->nlink = 0;
        if (!(flags & (MFD_ALLOW_SEALING_ | MFD_NOEXEC_SEAL_))) { i->seals |= LF_SEAL_SEAL; }
        if (flags & MFD_NOEXEC_SEAL_) { i->seals |= LF_SEAL_EXEC; }
        f = file_new(&regular_ops, (struct path){NULL, d}, LO_RDWR | LO_LARGEFILE);
    }
    dentry_put(d);
    inode_put(i);
    return f;
}

struct file *file_memory(const char *name) { return memfd_new(name, MFD_EXEC_); }

int64_t sys_memfd_create(const uint64_t a[6])
{
    char name[MFD_NAME_MAX + 1];
    uint32_t flags = (uint32_t)a[1];

    /* huge pages (4) are not offered */
    if (flags & ~(MFD_CLOEXEC_ | MFD_ALLOW_SEALING_ | MFD_NOEXEC_SEAL_ | MFD_EXEC_)) {
        return -EINVAL;
    }
    if ((flags & MFD_EXEC_) && (flags & MFD_NOEXEC_SEAL_)) { return -EINVAL; }
    int64_t n = user_string(name, a[0], sizeof(name));
    if (n < 0) { return n == -ENAMETOOLONG ? -EINVAL : n; }
    struct file *f = memfd_new(name, flags);
    return f ? fd_install(f, (flags & MFD_CLOEXEC_) != 0) : -ENOMEM;
}
