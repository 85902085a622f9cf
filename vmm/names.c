/* SPDX-License-Identifier: Apache-2.0 */
/* See names.h. */
#include "vmm/names.h"

#include "guest/base/ovf.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct names_answer look_up(const struct names_request *q)
{
    struct names_answer a = {.id = q->id};
    struct addrinfo *list,
        hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
    char host[STREAM_HOST_NAME_MAX + 1], port[8];

    memcpy(host, q->host, q->host_len);
    host[q->host_len] = '\0';
    (void)snprintf(port, sizeof port, "%u", q->port);
    if (getaddrinfo(host, port, &hints, &list) != 0) { return a; }
    for (const struct addrinfo *i = list; i != NULL && a.count < NAMES_ADDR_MAX; i = i->ai_next) {
        if (i->ai_addrlen > sizeof a.addr[0].to) { continue; }
        memcpy(&a.addr[a.count].to, i->ai_addr, i->ai_addrlen);
        a.addr[a.count++].len = i->ai_addrlen;
    }
    freeaddrinfo(list);
    return a;
}

/*
 * The helper, until the monitor's end is closed. Who asks may have been taken over by a guest: a
 * packet that is no request ends it.
 */
static _Noreturn void serve(int fd, pid_t parent)
{
    struct names_request q;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* Nothing of the monitor's stays open here: whoever reads our output waits for its last holder. */
    if (getppid() != parent || dup2(fd, STDIN_FILENO) < 0 || close_range(1, ~0u, 0) < 0) {
        _exit(1);
    }
    (void)!open("/dev/null", O_RDWR);
    (void)!open("/dev/null", O_RDWR);
    while (recv(STDIN_FILENO, &q, sizeof q, 0) == sizeof q && q.host_len <= sizeof q.host) {
        struct names_answer a = look_up(&q);
        if (send(STDIN_FILENO, &a, sizeof a, MSG_NOSIGNAL) != sizeof a) { break; }
    }
    _exit(0);
}

int names_start(struct names *out, struct err *e)
{
    int pair[2];
    pid_t self = getpid();

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        return err_set(e, errno, "names: socket: %s", strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) { serve(pair[1], self); }
    int code = errno;
    (void)close(pair[1]);
    if (pid < 0) {
        (void)close(pair[0]);
        return err_set(e, code, "names: fork: %s", strerror(code));
    }
    *out = (struct names){.pid = pid, .fd = pair[0]};
    return 0;
}

void names_stop(struct names *n)
{
    if (n->pid != 0) {
        (void)close(n->fd);
        (void)kill(n->pid, SIGKILL); /* it may be waiting for a name server */
        while (waitpid(n->pid, NULL, 0) < 0 && errno == EINTR) {}
    }
    *n = (struct names){.fd = -1};
}
