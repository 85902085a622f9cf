/* SPDX-License-Identifier: Apache-2.0 */
/* See signals.h. */
#include "loader/signals.h"

#include "loader/terminal.h"
#include "vmm/vmm.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE 3

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct streams *target; /* under lock */
static int terminal_fd;
static sigset_t set;

void signals_to(void *arg, struct streams *s)
{
    (void)arg;
    (void)pthread_mutex_lock(&lock);
    target = s;
    (void)pthread_mutex_unlock(&lock);
}

static void pass_on(int signo)
{
    uint16_t rows, cols;

    (void)pthread_mutex_lock(&lock);
    if (target != NULL && signo == SIGWINCH) {
        if (terminal_size(terminal_fd, &rows, &cols)) { streams_resize(target, rows, cols); }
    } else if (target != NULL) {
        streams_signal(target, signo);
    }
    bool nobody = target == NULL;
    (void)pthread_mutex_unlock(&lock);
    if (nobody && signo != SIGWINCH) {
        terminal_restore();
        _exit(128 + signo); /* no guest yet, or none any more: nothing to be tidy about */
    }
}

static void *signal_thread(void *arg)
{
    int impatience = 0, signo;

    (void)arg;
    while (sigwait(&set, &signo) == 0) {
        impatience = signo == SIGINT || signo == SIGTERM ? impatience + 1
                     : signo == SIGWINCH                 ? impatience
                                                         : 0;
        if (impatience == PATIENCE) {
            terminal_restore();
            _exit(128 + signo);
        }
        pass_on(signo);
    }
    return NULL;
}

int signals_start(int size_fd, struct err *e)
{
    static const int passed[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
    pthread_t thread;

    terminal_fd = size_fd;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_COUNT(passed); i++) {
        struct sigaction old;
        /* What our parent wants ignored (nohup) stays ignored. */
        if (sigaction(passed[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN) { continue; }
        (void)sigaddset(&set, passed[i]);
    }
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    int r = pthread_create(&thread, NULL, signal_thread, NULL);
    if (r != 0) { return err_set(e, r, "signals: thread: %s", strerror(r)); }
    (void)pthread_detach(thread);
    return 0;
}
