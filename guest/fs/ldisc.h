/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a terminal, shared by ldisc.c (bytes: editing, echo, output processing), tty.c (files, job control) and
 * pts.c. Constants are Linux's. */
#ifndef CASEMATE_GUEST_FS_LDISC_H
#define CASEMATE_GUEST_FS_LDISC_H

#include "guest/fs/tty.h"
#include "guest/fs/vfs.h"

#define TTY_BUF 4096u /* input queue, bytes; a line is at most this less one */

/* c_iflag */
#define I_ISTRIP 0x20u
#define I_INLCR 0x40u
#define I_IGNCR 0x80u
#define I_ICRNL 0x100u
#define I_IXON 0x400u
#define I_IXANY 0x800u
#define I_IMAXBEL 0x2000u
#define I_IUTF8 0x4000u
/* c_oflag */
#define O_OPOST 0x1u
#define O_ONLCR 0x4u
#define O_OCRNL 0x8u
#define O_ONLRET 0x20u
#define O_TABDLY 0x1800u /* all bits set: tabs become spaces */
/* c_lflag */
#define L_ISIG 0x1u
#define L_ICANON 0x2u
#define L_ECHO 0x8u
#define L_ECHOE 0x10u
#define L_ECHOK 0x20u
#define L_ECHONL 0x40u
#define L_NOFLSH 0x80u
#define L_TOSTOP 0x100u
#define L_ECHOCTL 0x200u
#define L_ECHOKE 0x800u
#define L_IEXTEN 0x8000u

enum {
    C_INTR, C_QUIT, C_ERASE, C_KILL, C_EOF, C_TIME, C_MIN, C_SWTC, C_START, C_STOP, C_SUSP, C_EOL, C_REPRINT, C_DISCARD,
    C_WERASE, C_LNEXT, C_EOL2, C_COUNT = 19
};

struct termios_abi { /* struct termios of the system call */
    uint32_t iflag, oflag, cflag, lflag;
    uint8_t line, cc[C_COUNT];
};
ABI_SIZE(struct termios_abi, 36);

struct winsize_abi {
    uint16_t rows, cols, xpixel, ypixel;
};

struct tty {
    uint32_t refs, opens; /* opens: files of the terminal side */
    uint64_t rdev;
    const struct tty_ops *ops;
    void *priv;
    struct termios_abi t;
    uint32_t ispeed, ospeed;
    struct winsize_abi size;
    int32_t sid, pgid;   /* session it controls and its foreground group; 0: none */
    uint32_t generation; /* files of an older one are hung up */
    bool gone;           /* the other side is away for good */
    bool exclusive;
    bool stopped;        /* ^S */
    bool literal;        /* the next byte is taken as it is (LNEXT) */
    uint32_t column;     /* of the output, for tabs */
    uint32_t canon_column; /* where the line being edited began */
    /* Input: [tail, line) may be read in canonical mode, [line, head) is being edited; positions only grow. */
    uint64_t tail, line, head;
    uint8_t buf[TTY_BUF];
    uint64_t ends[TTY_BUF / 64]; /* this byte ends a line; a 0 byte that does is an end of file */
    struct waitq read_wait, write_wait;
};

/* ldisc.c */
void ldisc_init(struct tty *t);
size_t ldisc_readable(const struct tty *t);
bool ldisc_may_read(const struct tty *t);                       /* read() would not wait (without VTIME) */
int64_t ldisc_take(struct tty *t, struct uio *u);               /* what may be read now; 0: an end of file */
size_t ldisc_out(struct tty *t, const uint8_t *b, size_t len);  /* output processing; bytes taken */
void ldisc_mode(struct tty *t, const struct termios_abi *to);
void ldisc_flush_input(struct tty *t);

/* tty.c */
extern const struct file_ops tty_ops;
void tty_disassociate(struct tty *t, bool hangup);

#endif
