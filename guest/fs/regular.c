/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open regular files (tmpfs and memfd) over their memory object, and open directories. One call is one step under the big
 * lock, so reads never see half a write and O_APPEND needs no further care.
 */
#include "guest/fs/vfs.h"
#include "guest/mm/mm.h"

#define FILE_MAX_SIZE 0x7fffffffffffffffull

const uint8_t zero_page[PAGE_SIZE];

int64_t mobj_read(struct mobj *o, struct uio *u, uint64_t *pos)
{
    uint64_t size = mobj_size(o), done = 0;

    while (u->left > 0 && *pos < size) {
        uint64_t in_page = *pos & (PAGE_SIZE - 1);
        size_t n = (size_t)min_u64(min_u64(u->left, size - *pos), PAGE_SIZE - in_page);
        gpa_t g = mobj_frame(o, *pos / PAGE_SIZE, false);
        const uint8_t *from = gpa_ok(g) ? (const uint8_t *)frame_va(g) + in_page : zero_page;
        size_t moved = uio_put(u, from, n);
        *pos += moved;
        done += moved;
        if (moved < n) {
            if (done == 0) { return -EFAULT; }
            break;
        }
    }
    return (int64_t)done;
}

static int64_t regular_read(struct file *f, struct uio *u, uint64_t *pos)
{
    int64_t n = mobj_read(f->inode->data, u, pos);

    if (!(f->flags & LO_NOATIME) && !mount_readonly(f->mnt)) { inode_accessed(f->inode); }
    return n;
}

/* How much of [pos, pos + len) may be written: seals, the largest offset, RLIMIT_FSIZE. */
static int64_t write_limit(struct inode *i, uint64_t pos, uint64_t len)
{
    uint64_t limit = current_proc()->rlim[1].cur;
    uint64_t size = mobj_size(i->data);

    if (i->seals & (LF_SEAL_WRITE | LF_SEAL_FUTURE_WRITE)) { return -EPERM; }
    if (i->seals & LF_SEAL_GROW) {
        if (pos >= size) { return -EPERM; }
        len = min_u64(len, size - pos);
    }
    if (pos >= FILE_MAX_SIZE) { return -EFBIG; }
    if (pos >= limit) {
        signal_thread(current(), &(struct ksiginfo){.signo = LSIG_XFSZ, .code = LSI_KERNEL});
        return -EFBIG;
    }
    return (int64_t)min_u64(len, min_u64(limit, FILE_MAX_SIZE) - pos);
}

/* One piece within a page. The file grows first, because frames exist only below its size; a fault takes that back. */
static int64_t write_piece(struct mobj *o, struct uio *u, uint64_t pos, size_t n)
{
    uint64_t size = mobj_size(o);
    size_t moved = 0;
    int64_t err = -ENOSPC;

    if (pos + n > size && mobj_truncate(o, pos + n) != 0) { return -ENOSPC; }
    bool is_new = false; /* and holds what its last owner left */
    gpa_t g = n == PAGE_SIZE ? mobj_frame_to_fill(o, pos / PAGE_SIZE, &is_new)
                             : mobj_frame(o, pos / PAGE_SIZE, true);
    if (gpa_ok(g)) {
        uint8_t *to = (uint8_t *)frame_va(g) + pos % PAGE_SIZE;
        moved = uio_get(u, to, n);
        if (is_new && moved < n) { memset(to + moved, 0, n - moved); }
        err = -EFAULT;
    }
    if (moved < n && pos + n > size && mobj_truncate(o, max_u64(size, pos + moved)) != 0) {
        return -ENOSPC;
    }
    return moved > 0 ? (int64_t)moved : err;
}

static int64_t regular_write(struct file *f, struct uio *u, uint64_t *pos)
{
    struct mobj *o = f->inode->data;
    uint64_t done = 0;
    int64_t room;

    if (f->flags & LO_APPEND) { *pos = mobj_size(o); }
    if (u->left == 0) { return 0; }
    room = write_limit(f->inode, *pos, u->left);
    if (room < 0) { return room; }
    while (done < (uint64_t)room) {
        size_t n = (size_t)min_u64((uint64_t)room - done, PAGE_SIZE - *pos % PAGE_SIZE);
        int64_t moved = write_piece(o, u, *pos, n);
        if (moved < 0 && done == 0) { return moved; }
        if (moved > 0) {
            *pos += (uint64_t)moved;
            done += (uint64_t)moved;
        }
        if (moved < (int64_t)n) { break; }
    }
    inode_drop_suid(f->inode);
    inode_touch(f->inode);
    return (int64_t)done;
}

static int64_t regular_seek(struct file *f, int64_t off, int whence)
{
    int64_t size = (int64_t)inode_size(f->inode), to;

    switch (whence) {
    case 0: to = off; break;
    case 1:
        if (__builtin_add_overflow((int64_t)f->pos, off, &to)) { return -EOVERFLOW; }
        break;
    case 2:
        if (__builtin_add_overflow(size, off, &to)) { return -EOVERFLOW; }
        break;
    case 3: /* SEEK_DATA: a file is one extent */
        if (off < 0 || off >= size) { return -ENXIO; }
        to = off;
        break;
    case 4: /* SEEK_HOLE */
        if (off < 0 || off >= size) { return -ENXIO; }
        to = size;
        break;
    default: return -EINVAL;
    }
    if (to < 0) { return -EINVAL; }
    f->pos = (uint64_t)to;
    return to;
}

static struct mobj *regular_mobj(struct file *f) { return f->inode->data; }

const struct file_ops regular_ops = {
    .read = regular_read, .write = regular_write, .seek = regular_seek, .mobj = regular_mobj};

/* ---- directories ---- */

/* struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name; the old struct has its type behind the name. */
bool dirsink_add(struct dirsink *s, const char *name, size_t len, uint64_t ino, uint32_t kind,
                 uint64_t next)
{
    uint8_t e[24 + LNAME_MAX + 1] = {0};
    size_t head = s->old ? 18 : 19;
    /* The old layout has the kind in the very last byte, behind the name's NUL. */
    size_t reclen = (head + len + (s->old ? 2 : 1) + 7) & ~(size_t)7;

    if (len > LNAME_MAX) {
        return true;
    } /* computed names are shorter; nothing to list otherwise */
    if (s->uio->left < reclen) {
        s->err = s->any ? 0 : -EINVAL;
        return false;
    }
    memcpy(e, &ino, 8);
    memcpy(e + 8, &next, 8);
    e[16] = (uint8_t)reclen;
    e[17] = (uint8_t)(reclen >> 8);
    if (s->old) {
        e[reclen - 1] = (uint8_t)kind;
    } else {
        e[18] = (uint8_t)kind;
    }
    memcpy(e + head, name, len);
    if (uio_put(s->uio, e, reclen) != reclen) {
        s->err = s->any ? 0 : -EFAULT;
        return false;
    }
    s->any = true;
    s->pos = next;
    return true;
}

static void list_names(struct dentry *d, struct dirsink *s)
{
    LIST_EACH (l, &d->names->children) {
        struct dentry *e = LIST_ENTRY(l, struct dentry, sibling);
        if (e->cookie < s->pos) { continue; }
        if (!dirsink_add(s, e->name, e->len, e->inode->ino, e->inode->mode >> 12, e->cookie + 1)) {
            return;
        }
    }
}

static int64_t dir_getdents(struct file *f, struct uio *u, bool old)
{
    struct dirsink s = {.file = f, .uio = u, .pos = f->pos, .old = old};
    struct dentry *d = f->dentry;
    uint64_t before = u->left;

    if (!d->linked) { return -ENOENT; }
    if (s.pos == 0 && !dirsink_add(&s, ".", 1, d->inode->ino, LS_IFDIR >> 12, 1)) { return s.err; }
    if (s.pos == 1) { (void)dirsink_add(&s, "..", 2, d->parent->inode->ino, LS_IFDIR >> 12, 2); }
    if (s.pos >= 2 && !s.err) {
        if (d->inode->ops->iterate) {
            s.err = d->inode->ops->iterate(d, &s) ?: s.err;
        } else {
            list_names(d, &s);
        }
    }
    f->pos = s.pos;
    if (!mount_readonly(f->mnt)) { inode_accessed(d->inode); }
    return before != u->left ? (int64_t)(before - u->left) : s.err;
}

static int64_t dir_seek(struct file *f, int64_t off, int whence)
{
    if (whence == 1) { off += (int64_t)f->pos; }
    if (whence > 1 || whence < 0 || off < 0) { return -EINVAL; }
    f->pos = (uint64_t)off;
    return off;
}

static int64_t dir_read(struct file *f, struct uio *u, uint64_t *pos)
{
    (void)f, (void)u, (void)pos;
    return -EISDIR;
}

const struct file_ops dir_ops = {.read = dir_read, .seek = dir_seek, .getdents = dir_getdents};
