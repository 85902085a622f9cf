/* SPDX-License-Identifier: Apache-2.0 */
/* See agent.h. */
#include "loader/init/agent.h"

#include "guest/base/ct.h"
#include "guest/base/hosted.h"
#include "guest/base/io.h"
#include "guest/base/printable.h"
#include "loader/init/env.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

void wanted_wipe(struct wanted *w)
{
    if (w->value) { wipe(w->value, w->len); }
    free(w->value);
    w->value = NULL;
    w->len = 0;
}

/* ---- the conversation */

static int send_all(int fd, const void *p, size_t len, struct err *e)
{
    int r = write_all(fd, p, len);
    return r < 0 ? err_set(e, -r, "agent: it takes no request: %s", strerror(-r)) : 0;
}

static int receive(int fd, void *p, size_t len, struct err *e)
{
    int r = read_all(fd, p, len);
    if (r == -ENODATA) { return err_set(e, EPIPE, "agent: ended without an answer"); }
    return r < 0 ? err_set(e, -r, "agent: read: %s", strerror(-r)) : 0;
}

static int send_request(int fd, const struct agent_guest *g, const struct wanted *w, size_t count,
                        struct err *e)
{
    struct agent_request q = {
        .magic = AGENT_REQUEST_MAGIC,
        .version = AGENT_VERSION,
        .initdata_len = (uint32_t)g->initdata_len,
        .want_count = (uint32_t)count,
        .launch_flags = g->launch_flags,
        .mode = count > 0 ? AGENT_MODE_FETCH : AGENT_MODE_SERVE,
    };
    memcpy(q.registers, g->registers, sizeof q.registers);
    if (send_all(fd, &q, sizeof q, e) < 0 || send_all(fd, g->initdata, g->initdata_len, e) < 0) {
        return -e->code;
    }
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(w[i].text);
        struct agent_want want = {.kind = w[i].kind, .len = (uint32_t)len};
        if (len == 0 || len > AGENT_WANT_MAX) {
            return err_set(e, ENAMETOOLONG, "secret %.80s: a name of %zu bytes", w[i].text, len);
        }
        if (send_all(fd, &want, sizeof want, e) < 0 || send_all(fd, w[i].text, len, e) < 0) {
            return -e->code;
        }
    }
    return 0;
}

/* One line, printable: the text comes through a parser of strangers' bytes. */
static int refusal(int fd, uint32_t len, struct err *e)
{
    char text[AGENT_TEXT_MAX + 1];
    if (len == 0 || len > AGENT_TEXT_MAX) {
        return err_set(e, EBADMSG, "agent: a refusal of %u bytes", len);
    }
    if (receive(fd, text, len, e) < 0) { return -e->code; }
    text[len] = '\0';
    make_printable(text);
    return err_set(e, EKEYREJECTED, "%s", text);
}

static int receive_value(int fd, struct wanted *w, uint32_t len, struct err *e)
{
    if (len > AGENT_VALUE_MAX) {
        return err_set(e, EBADMSG, "agent: a value of %u bytes, at most %u", len, AGENT_VALUE_MAX);
    }
    w->value = calloc(1, (size_t)len + 1);
    if (!w->value) { return err_set(e, ENOMEM, "out of memory"); }
    w->len = len;
    return receive(fd, w->value, len, e);
}

/* Values come in order. */
static int receive_answers(int fd, struct wanted *w, size_t count, struct err *e)
{
    for (size_t got = 0;; got++) {
        struct agent_answer a;
        if (receive(fd, &a, sizeof a, e) < 0) { return -e->code; }
        if (a.magic != AGENT_ANSWER_MAGIC) {
            return err_set(e, EBADMSG, "agent: answer without its magic");
        }
        if (a.kind == AGENT_FAILED) { return refusal(fd, a.len, e); }
        if (a.kind == AGENT_DONE && got == count) { return 0; }
        if (a.kind != AGENT_VALUE || a.index != got || got == count) {
            return err_set(e, EBADMSG, "agent: answer of kind %u about want %u, number %zu of %zu",
                           a.kind, a.index, got, count);
        }
        if (receive_value(fd, &w[got], a.len, e) < 0) { return -e->code; }
    }
}

int agent_talk(int to, int from, const struct agent_guest *g, struct wanted *w, size_t count,
               struct err *e)
{
    if (send_request(to, g, w, count, e) < 0 || receive_answers(from, w, count, e) < 0) {
        for (size_t i = 0; i < count; i++) { wanted_wipe(&w[i]); }
        return -e->code;
    }
    return 0;
}

/* ---- the process */

/* In the child: standard input and output are the pipes; standard error stays while init does. */
static void become_agent(int program, int in, int out, bool stay)
{
    static char name[] = "agent";
    char *argv[] = {name, NULL}, *envp[] = {NULL};
    int null = stay ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
    if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
        (!stay || (env_stay() == 0 && null >= 0 && dup2(null, STDERR_FILENO) >= 0))) {
        (void)execveat(program, "", argv, envp, AT_EMPTY_PATH);
    }
    _exit(1);
}

/* Starts an agent, talks to it, and waits for its end unless it stays. */
static int agent_run(const struct agent_guest *g, int *program, struct wanted *w, size_t count,
                     struct err *e)
{
    int request[2], answer[2], status;
    bool stay = count == 0;

    if (*program < 0) { *program = env_agent_open(); }
    if (*program < 0) {
        return err_set(e, -*program, "agent: the guest image has none that can be used: %s",
                       strerror(-*program));
    }
    if (pipe2(request, O_CLOEXEC) < 0) { return err_set(e, errno, "pipe: %s", strerror(errno)); }
    auto_fd request_out = request[0], request_in = request[1];
    if (pipe2(answer, O_CLOEXEC) < 0) { return err_set(e, errno, "pipe: %s", strerror(errno)); }
    auto_fd answer_out = answer[0], answer_in = answer[1];

    pid_t pid = fork();
    if (pid < 0) { return err_set(e, errno, "fork: %s", strerror(errno)); }
    if (pid == 0) { become_agent(*program, request_out, answer_in, stay); }
    (void)close(steal_fd(&request_out));
    (void)close(steal_fd(&answer_in));
    (void)signal(SIGPIPE, SIG_IGN); /* an agent that died is told by its status of write */
    int r = agent_talk(request_in, answer_out, g, w, count, e);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)close(steal_fd(&request_in));
    if (r == 0 && stay) { return 0; }
    if (r < 0) { (void)kill(pid, SIGKILL); }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    return r;
}

int agent_fetch(const struct agent_guest *g, int *program, struct wanted *w, size_t count,
                struct err *e)
{
    return agent_run(g, program, w, count, e);
}

int agent_stay(const struct agent_guest *g, int *program, struct err *e)
{
    return agent_run(g, program, NULL, 0, e);
}
