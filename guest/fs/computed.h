/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees whose contents are computed when somebody looks: proc, sys, cgroup. A tree is tables of struct centry; this
 * module turns them into directories, files and links. Nothing of such a tree is kept: a look-up makes an inode that knows
 * its entry, process and argument, and a file makes its text anew at each read from offset 0.
 */
#ifndef CASEMATE_GUEST_FS_COMPUTED_H
#define CASEMATE_GUEST_FS_COMPUTED_H

#include "guest/fs/vfs.h"

/* A growing text. What does not fit (memory, TEXT_MAX) is dropped, and `full` says so: the read fails with ENOMEM. */
#define TEXT_MAX (16u << 20)
struct text {
    struct mobj *to;
    uint64_t len;
    bool full;
};
void text_bytes(struct text *t, const void *bytes, size_t len);
void text_add(struct text *t, const char *f, ...) PRINTF_LIKE(2, 3); /* at most 1 KiB in one go */

struct cnode;
struct centry {
    const char *name; /* NULL ends a table */
    uint32_t mode;    /* kind | permissions */
    const char *text; /* constant contents of a file, or text of a link */
    const struct centry *children;
    /* File: what it says. p is the process of the node, NULL in system-wide entries. */
    void (*show)(struct text *t, const struct cnode *n, struct proc *p);
    /* File: takes len bytes (NUL behind them). 0 or -errno. */
    int (*write)(const struct cnode *n, struct proc *p, char *bytes, size_t len);
    /* Link: its text into buf, length or -errno. */
    int64_t (*readlink)(const struct cnode *n, struct proc *p, char *buf, size_t size);
    /* Magic link: where it leads, referenced; 0 or -errno. */
    int (*follow)(const struct cnode *n, struct proc *p, struct path *out);
    /* Directory: children that come and go, after those of the table. find fills child (entry, pid, arg) or says -ENOENT. */
    int (*find)(const struct cnode *n, struct proc *p, const char *name, size_t len, struct cnode *child);
    /* The first such child numbered >= from: its number, and its entry in *child; -1: none. Names are prefix and number. */
    const char *prefix;
    int64_t (*next)(const struct cnode *n, struct proc *p, int64_t from, struct cnode *child);
};
struct cnode {
    const struct centry *e;
    int32_t pid; /* 0: system-wide */
    int32_t arg; /* descriptor or thread; -1: none */
};

/* A tree of its own; root is its directory entry. NULL: no memory. */
struct super *computed_new(const char *type, const char *source, uint32_t magic, const struct centry *root);
/* The child of this name as a dentry that stays, for a mount on it; borrowed. NULL: no memory or no such child. */
struct dentry *computed_keep(struct dentry *dir, const char *name);
/* A decimal number without leading zeros, up to INT32_MAX; -1 for anything else. */
int32_t number_of(const char *s, size_t len);

#define C_DIR(n, table) {.name = (n), .mode = LS_IFDIR | 0555, .children = (table)}
#define C_TEXT(n, t) {.name = (n), .mode = LS_IFREG | 0444, .text = (t)}
#define C_SHOW(n, f) {.name = (n), .mode = LS_IFREG | 0444, .show = (f)}
#define C_LINK(n, t) {.name = (n), .mode = LS_IFLNK | 0777, .text = (t)}

extern const struct centry proc_pid_entry, proc_sys_table[], proc_net_table[];
unsigned cpu_total(void);

#endif
