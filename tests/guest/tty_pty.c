/* SPDX-License-Identifier: Apache-2.0 */
/* A pseudo terminal: line editing, echo, translation, raw mode, window size, hang-up. */
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "tests/guest/promise.h"

static int master, slave;

static void want_master(const char *text)
{
    char b[256];
    size_t got = 0;
    while (got < strlen(text)) { got += (size_t)MUST(read(master, b + got, sizeof(b) - 1 - got)); }
    b[got] = 0;
    if (strcmp(b, text)) {
        dprintf(2, "the terminal shows \"%s\", wanted \"%s\"\n", b, text);
        _exit(1);
    }
}

static void type(const char *text)
{
    WANT_EQ(write(master, text, strlen(text)), (ssize_t)strlen(text));
}

static void want_line(const char *text)
{
    char b[256];
    ssize_t n = MUST(read(slave, b, sizeof(b) - 1));
    b[n] = 0;
    if (strcmp(b, text)) {
        dprintf(2, "the program reads \"%s\", wanted \"%s\"\n", b, text);
        _exit(1);
    }
}

PROMISE("a pseudo terminal edits lines")
{
    char b[64];
    master = MUST(posix_openpt(O_RDWR | O_NOCTTY));
    MUST(grantpt(master));
    MUST(unlockpt(master));
    slave = MUST(open(ptsname(master), O_RDWR | O_NOCTTY));
    WANT(isatty(slave));
    struct termios t;
    MUST(tcgetattr(slave, &t));
    WANT((t.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG));
    WANT(t.c_oflag & OPOST);
    type("hello\r"); /* carriage return becomes newline */
    want_master("hello\r\n");
    want_line("hello\n");
    type("helxx\x7f\x7flo\n"); /* erase */
    want_master("helxx\b \b\b \blo\r\n");
    want_line("hello\n");
    type("wrong\x15right\n"); /* kill the line */
    want_line("right\n");
    tcflush(slave, TCIOFLUSH);
    while (poll(&(struct pollfd){.fd = master, .events = POLLIN}, 1, 0) == 1) {
        MUST(read(master, b, sizeof(b)));
    }
    type("part\x04"); /* end of file with something before it: a line without newline */
    want_line("part");
    type("\x04");
    WANT_EQ(read(slave, b, sizeof(b)), 0);
    want_master("part");
    struct pollfd p = {.fd = slave, .events = POLLIN};
    type("unfinished");
    WANT_EQ(MUST(poll(&p, 1, 0)), 0);
    type("\n");
    WANT_EQ(MUST(poll(&p, 1, 10000)), 1);
    want_line("unfinished\n");
    want_master("unfinished\r\n");
    WANT_EQ(write(slave, "out\n", 4), 4);
    want_master("out\r\n");

    t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    t.c_iflag &= ~(tcflag_t)ICRNL;
    t.c_oflag &= ~(tcflag_t)OPOST;
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
    MUST(tcsetattr(slave, TCSANOW, &t));
    type("\x03\r\x7f");
    want_line("\x03\r\x7f");
    WANT_EQ(write(slave, "raw\n", 4), 4);
    want_master("raw\n");

    struct winsize w = {.ws_row = 24, .ws_col = 80}, w2;
    MUST(ioctl(master, TIOCSWINSZ, &w));
    MUST(ioctl(slave, TIOCGWINSZ, &w2));
    WANT_EQ(w2.ws_col, 80);
    MUST(close(slave));
    WANT_ERR(read(master, b, 1), EIO); /* nobody at the other end */
    slave = MUST(open(ptsname(master), O_RDWR | O_NOCTTY));
    MUST(close(master));
    WANT_EQ(read(slave, b, 1), 0);
    WANT_ERR(write(slave, "x", 1), EIO);
    int fds[2];
    MUST(pipe(fds));
    WANT_ERR(tcgetattr(fds[0], &t), ENOTTY);
}
