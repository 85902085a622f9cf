/* SPDX-License-Identifier: Apache-2.0 */
/* See agent.h. */
#include "loader/init/agent.h"

#include "guest/base/ct.h"
#include "guest/base/hosted.h"
#include "loader/init/env.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

/* ---- the conversation */

static int send_all(int fd, const void *p, size_t len, struct err *e)
{
    const uint8_t *from = p;
    while (len > 0) {
        ssize_t n = write(fd, from, len);
        if (n < 0 && errno == EINTR) { continue; }
        if (n < 0) { return err_set(e, errno, "agent: it takes no request: %s", strerror(errno)); }
        from += n;
        len -= (size_t)n;
    }
    return 0;
}

static int receive(int fd, void *p, size_t len, struct err *e)
{
    uint8_t *to = p;
    while (len > 0) {
        ssize_t n = read(fd, to, len);
        if (n < 0 && errno == EINTR) { continue; }
        if (n < 0) { return err_set(e, errno, "agent: read: %s", strerror(errno)); }
        if (n == 0) { return err_set(e, EPIPE, "agent: ended without an answer"); }
        to += n;
        len -= (size_t)n;
    }
    return 0;
}

static int send_request(int fd, const struct kek *keys, size_t count, const void *initdata,
                        size_t initdata_len, const uint8_t registers[4][48], struct err *e)
{
    struct agent_request q = {
        .magic = AGENT_REQUEST_MAGIC,
        .version = AGENT_VERSION,
        .initdata_len = (uint32_t)initdata_len,
        .resource_count = (uint32_t)count,
    };
    memcpy(q.registers, registers, sizeof q.registers);
    if (send_all(fd, &q, sizeof q, e) < 0 || send_all(fd, initdata, initdata_len, e) < 0) {
        return -e->code;
    }
    for (size_t i = 0; i < count; i++) {
        struct agent_resource r = {0};
        if (strlen(keys[i].uri) >= sizeof r.uri) {
            return err_set(e, ENAMETOOLONG, "key id %.80s is too long", keys[i].uri);
        }
        memcpy(r.uri, keys[i].uri, strlen(keys[i].uri));
        if (send_all(fd, &r, sizeof r, e) < 0) { return -e->code; }
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
    for (size_t i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] > '~') { text[i] = '?'; }
    }
    text[len] = '\0';
    return err_set(e, EKEYREJECTED, "%s", text);
}

/* Resources come in order. */
static int receive_answers(int fd, struct kek *keys, size_t count, struct err *e)
{
    for (size_t got = 0;; got++) {
        struct agent_answer a;
        if (receive(fd, &a, sizeof a, e) < 0) { return -e->code; }
        if (a.magic != AGENT_ANSWER_MAGIC) {
            return err_set(e, EBADMSG, "agent: answer without its magic");
        }
        if (a.kind == AGENT_FAILED) { return refusal(fd, a.len, e); }
        if (a.kind == AGENT_DONE && got == count) { return 0; }
        if (a.kind != AGENT_RESOURCE || a.index != got || got == count) {
            return err_set(e, EBADMSG,
                           "agent: answer of kind %u about resource %u, number %zu of %zu", a.kind,
                           a.index, got, count);
        }
        if (a.len != KEK_SIZE) {
            return err_set(e, EBADMSG, "key %.120s has %u bytes, wanted %d", keys[got].uri, a.len,
                           KEK_SIZE);
        }
        if (receive(fd, keys[got].key, KEK_SIZE, e) < 0) { return -e->code; }
    }
}

int agent_talk(int to, int from, struct kek *keys, size_t count, const void *initdata,
               size_t initdata_len, const uint8_t registers[4][48], struct err *e)
{
    if (send_request(to, keys, count, initdata, initdata_len, registers, e) < 0 ||
        receive_answers(from, keys, count, e) < 0) {
        for (size_t i = 0; i < count; i++) { wipe(keys[i].key, sizeof keys[i].key); }
        return -e->code;
    }
    return 0;
}

/* ---- the process */

/* In the child: standard input and output are the pipes; standard error stays. */
static void become_agent(int program, int in, int out)
{
    static char name[] = "agent";
    char *argv[] = {name, NULL}, *envp[] = {NULL};
    if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0) {
        (void)execveat(program, "", argv, envp, AT_EMPTY_PATH);
    }
    _exit(1);
}

int agent_fetch(struct kek *keys, size_t count, const void *initdata, size_t initdata_len,
                const uint8_t registers[4][48], struct err *e)
{
    int request[2], answer[2], status;
    auto_fd program = env_agent_open();

    if (program < 0) {
        return err_set(e, -program, "agent: the guest image has none that can be used: %s",
                       strerror(-program));
    }
    if (pipe2(request, O_CLOEXEC) < 0) { return err_set(e, errno, "pipe: %s", strerror(errno)); }
    auto_fd request_out = request[0], request_in = request[1];
    if (pipe2(answer, O_CLOEXEC) < 0) { return err_set(e, errno, "pipe: %s", strerror(errno)); }
    auto_fd answer_out = answer[0], answer_in = answer[1];

    pid_t pid = fork();
    if (pid < 0) { return err_set(e, errno, "fork: %s", strerror(errno)); }
    if (pid == 0) { become_agent(program, request_out, answer_in); }
    (void)close(steal_fd(&request_out));
    (void)close(steal_fd(&answer_in));
    (void)signal(SIGPIPE, SIG_IGN); /* an agent that died is told by its status of write */
    int r = agent_talk(request_in, answer_out, keys, count, initdata, initdata_len, registers, e);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)close(steal_fd(&request_in));
    if (r < 0) { (void)kill(pid, SIGKILL); }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    return r;
}
