/* SPDX-License-Identifier: Apache-2.0 */
/* How /dev opens terminals. Each attaches f, whose flags are those of the open call, to the terminal or fails. */
#ifndef CASEMATE_GUEST_FS_PTS_H
#define CASEMATE_GUEST_FS_PTS_H

#include "guest/fs/tty.h"

#define PTS_MAJOR 136u

int tty_attach(struct tty *t, struct file *f);
int tty_open_controlling(struct file *f); /* /dev/tty */
int tty_open_console(struct file *f);     /* /dev/console */
int64_t tty_ioctl(struct tty *t, uint32_t cmd, uint64_t arg, bool master);
int ptmx_open(struct file *f);            /* a fresh pair, f is its master */
int pts_open(struct file *f, uint32_t index);
int devpts_init(void); /* 0 or -ENOMEM */

#endif
