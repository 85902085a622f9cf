/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals. A struct tty is the line discipline with its termios, window size, session and foreground group. What is on
 * the other side (the monitor's console stream, a pty master) gives bytes by tty_input() and takes them by ops->write.
 * All functions run under the big lock; those that may sleep say so.
 */
#ifndef CASEMATE_GUEST_FS_TTY_H
#define CASEMATE_GUEST_FS_TTY_H

#include "guest/fs/fs.h"

struct tty;
struct tty_ops {
    /* Bytes for the terminal, after output processing. Accepted count; fewer when it is full: call tty_output_ready()
     * once there is room again. Must not sleep. */
    size_t (*write)(struct tty *t, const void *bytes, size_t len);
    size_t (*room)(struct tty *t);     /* bytes that write() would accept now */
    void (*input_room)(struct tty *t); /* optional: the reader took bytes, tty_input_room() grew */
    void (*last_close)(struct tty *t); /* optional: no open file refers to the terminal side any more */
    void (*free)(struct tty *t);       /* optional: the tty dies; frees tty_priv() */
};

/* One reference; rdev as /dev shows it (console: 5:1). NULL: no memory. */
struct tty *tty_new(const struct tty_ops *ops, void *priv, uint64_t rdev);
void tty_get(struct tty *t);
void tty_put(struct tty *t);
void *tty_priv(struct tty *t);
uint64_t tty_rdev(const struct tty *t);
int32_t tty_foreground(const struct tty *t); /* process group, 0: none */

/* Bytes typed at the terminal: echo, editing, signals. Bytes taken; fewer than len when the input queue is full. */
size_t tty_input(struct tty *t, const uint8_t *bytes, size_t len);
size_t tty_input_room(struct tty *t);
void tty_output_ready(struct tty *t);                           /* ops->room() grew */
void tty_resize(struct tty *t, uint16_t rows, uint16_t cols);   /* SIGWINCH to the foreground group when it changed */
void tty_hangup(struct tty *t);                                 /* SIGHUP, then reads give 0 and writes EIO */

/* The terminal behind /dev/console; a reference is taken. Without one, opening /dev/console is ENXIO. */
void tty_set_console(struct tty *t);
struct tty *tty_console(void); /* borrowed; NULL: none */
/* An open file of the terminal side, which looks like /dev/console to stat and ttyname; NULL: no memory. Does not make it
 * the controlling terminal. */
struct file *tty_file(struct tty *t, uint32_t flags);
/* t becomes the controlling terminal of p's session, p's group its foreground group (start_container, before exec). */
void tty_set_controlling(struct tty *t, struct proc *p);

#endif
