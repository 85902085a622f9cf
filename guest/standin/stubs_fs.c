/* SPDX-License-Identifier: Apache-2.0 */
/* Weak, empty /proc, /sys and /dev for los-native, until fs/ has them; then this file goes. */
#include "guest/fs/vfs.h"

#define WEAK __attribute__((weak))

static struct super *empty(struct super **s)
{
    if (*s == NULL) { *s = tmpfs_new("none"); }
    return *s;
}
static struct super *proc, *sys, *cgroup, *pts;

WEAK int proc_init(void) { return 0; }
WEAK int sysfs_init(void) { return 0; }
WEAK int dev_init(void) { return 0; }
WEAK struct super *proc_super(void) { return empty(&proc); }
WEAK struct super *sysfs_super(void) { return empty(&sys); }
WEAK struct super *cgroup_super(void) { return empty(&cgroup); }
WEAK struct super *devpts_super(void) { return empty(&pts); }
WEAK struct super *dev_new(void) { return tmpfs_new("none"); }
WEAK struct path sysfs_cgroup_place(struct mount *m)
{
    return (struct path){m, tmpfs_add(m->root, "cgroup", LS_IFDIR | 0755, 0, NULL)};
}
