/* SPDX-License-Identifier: Apache-2.0 */
/* Weak stand-ins for terminals, until they land; then this file goes. */
#include "guest/fs/tty.h"
#include "guest/task/task.h"

#define WEAK __attribute__((weak))

WEAK struct tty *tty_new(const struct tty_ops *ops, void *priv, uint64_t rdev) { return (void)ops, (void)priv, (void)rdev, NULL; }
WEAK void tty_put(struct tty *t) { (void)t; }
WEAK size_t tty_input(struct tty *t, const uint8_t *bytes, size_t len) { return (void)t, (void)bytes, len; }
WEAK size_t tty_input_room(struct tty *t) { return (void)t, 0; }
WEAK void tty_output_ready(struct tty *t) { (void)t; }
WEAK void tty_resize(struct tty *t, uint16_t rows, uint16_t cols) { (void)t, (void)rows, (void)cols; }
WEAK void tty_hangup(struct tty *t) { (void)t; }
WEAK void tty_set_console(struct tty *t) { (void)t; }
WEAK struct file *tty_file(struct tty *t, uint32_t flags) { return (void)t, (void)flags, NULL; }
WEAK void tty_session_exit(struct proc *p) { (void)p; }
WEAK struct tty *tty_console(void) { return NULL; }
WEAK void tty_set_controlling(struct tty *t, struct proc *p) { (void)t, (void)p; }
WEAK struct fsctx *fsctx_container(struct file *rootdir, const char *cwd, uint32_t umask, bool readonly, int *out_err)
{
    return (void)rootdir, (void)cwd, (void)umask, (void)readonly, *out_err = -ENOSYS, NULL;
}
