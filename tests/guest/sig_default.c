/* SPDX-License-Identifier: Apache-2.0 */
/* Default actions: most kill, some are nothing, signal 0 asks, and who is gone is ESRCH. */
#include "tests/guest/promise.h"

static int number;

static void raises(void) { raise(number); }

PROMISE("default actions are Linux's")
{
    static const int kills[] = {SIGHUP,  SIGINT,    SIGQUIT, SIGILL,  SIGABRT, SIGFPE,
                                SIGUSR1, SIGSEGV,   SIGUSR2, SIGPIPE, SIGALRM, SIGTERM,
                                SIGXCPU, SIGVTALRM, SIGSYS,  34,      64};
    static const int nothing[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT};
    for (size_t i = 0; i < COUNT(kills); i++) {
        number = kills[i];
        WANT_EQ(in_child(raises) & 0x7f, number);
    }
    for (size_t i = 0; i < COUNT(nothing); i++) {
        number = nothing[i];
        WANT_EQ(in_child(raises), 0);
    }
    MUST(kill(getpid(), 0));
    WANT_ERR(kill(1 << 21, 0), ESRCH);
    WANT_ERR(kill(getpid(), 65), EINVAL);
    WANT_ERR(kill(getpid(), -1), EINVAL);
}
