/* SPDX-License-Identifier: Apache-2.0 */
/* See terminal.h. */
#include "loader/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static volatile sig_atomic_t saved_fd = -1;

void terminal_restore(void)
{
    int fd = saved_fd;
    saved_fd = -1;
    if (fd >= 0) { (void)tcsetattr(fd, TCSADRAIN, &saved); }
}

/*
 * The handler was reset by SA_RESETHAND: the signal, raised again, ends the process as it would
 * have.
 */
static void on_fatal(int signo)
{
    terminal_restore();
    (void)raise(signo);
}

int terminal_raw(int fd, struct err *e)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS};
    struct sigaction sa = {.sa_handler = on_fatal, .sa_flags = SA_RESETHAND | SA_NODEFER};
    struct termios raw;

    if (tcgetattr(fd, &saved) < 0) { return err_set(e, errno, "terminal: %s", strerror(errno)); }
    if (atexit(terminal_restore) != 0) {
        return err_set(e, ENOMEM, "terminal: no room for an exit handler");
    }
    for (size_t i = 0; i < ARRAY_COUNT(fatal); i++) { (void)sigaction(fatal[i], &sa, NULL); }
    raw = saved;
    cfmakeraw(&raw);
    saved_fd = fd;
    if (tcsetattr(fd, TCSADRAIN, &raw) < 0) {
        saved_fd = -1;
        return err_set(e, errno, "terminal: %s", strerror(errno));
    }
    return 0;
}

bool terminal_size(int fd, uint16_t *out_rows, uint16_t *out_cols)
{
    struct winsize w;
    if (ioctl(fd, TIOCGWINSZ, &w) < 0 || w.ws_row == 0 || w.ws_col == 0) { return false; }
    *out_rows = w.ws_row;
    *out_cols = w.ws_col;
    return true;
}
