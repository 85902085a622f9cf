/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weak stand-ins for parts of the library OS that have not landed: one process, one thread that never sleeps. Each goes
 * when the real one comes.
 */
#include "guest/fs/fs.h"
#include "guest/mm/mm.h"
#include "guest/task/task.h"
#include "guest/ward.h"

#define WEAK __attribute__((weak))

WEAK struct file *fd_file(int fd)
{
    (void)fd;
    return NULL;
}
WEAK void file_get(struct file *f) { f->refs++; }
WEAK void file_put(struct file *f)
{
    if (f != NULL) { f->refs--; }
}
struct inode;
int dev_open(struct inode *i, struct file *f);
WEAK int dev_open(struct inode *i, struct file *f)
{
    (void)i, (void)f;
    return -ENXIO;
}
