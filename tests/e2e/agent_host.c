/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's agent on a host, for tests: the same code that runs in the guest, with evidence from
 * a sim key in a file and a connection of its own. It tells a broker whatever launch digest and
 * registers it is asked to, which is what a lying host would do without the key, and an honest
 * guest with it.
 *
 * KEY may be the word "sample": then it sends CoCo's sample evidence, which a broker for tests
 * believes from anybody.
 *
 * Without a want it serves applications on 127.0.0.1:8006, if nobody else does, until it is ended.
 *
 * usage: agent_host KEY INITDATA MEASUREMENT REGISTER2 [URI|SEALED...]    hex; prints "INDEX TEXT"
 *                                                                       per value
 */
#include "attest/agent/agent.h"
#include "attest/agent/serve.h"
#include "attest/base64.h"
#include "attest/hex.h"
#include "attest/initdata.h"
#include "attest/sim_signer.h"
#include "attest/verify/sim.h"

#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct host {
    struct sim_signer *signer;
    uint8_t measurement[48], host_data[32];
};

static int host_connect(void *ctx, const char *host, uint16_t port, unsigned timeout_ms,
                        int *out_fd, struct err *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char service[8];
    (void)ctx, (void)timeout_ms;
    snprintf(service, sizeof service, "%u", (unsigned)port);
    int r = getaddrinfo(host, service, &hints, &list);
    if (r != 0) { return err_set(e, 2, "%s: %s", host, gai_strerror(r)); }
    int fd = socket(list->ai_family, SOCK_STREAM, 0);
    r = connect(fd, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    if (r < 0) { return err_set(e, 111, "connect to %s port %s failed", host, service); }
    *out_fd = fd;
    return 0;
}

static int host_evidence(void *ctx, bool sealed, const uint8_t report_data[64], json_t **out,
                         struct err *e)
{
    struct host *h = ctx;
    (void)sealed;
    uint8_t report[1184];
    int r = sim_signer_report(h->signer, report_data, h->measurement, h->host_data, report);
    if (r < 0) { return err_set(e, -r, "no report"); }
    *out = sim_evidence_format(report);
    return 0;
}

/* What CoCo's attester without a TEE sends: the digest as it is, without the padding. */
static int sample_evidence(void *ctx, bool sealed, const uint8_t report_data[64], json_t **out,
                           struct err *e)
{
    char text[65] = "";
    (void)ctx, (void)sealed;
    b64_encode(report_data, 48, text);
    *out = json_pack("{s:s, s:s}", "svn", "1", "report_data", text);
    return *out ? 0 : err_set(e, 12, "out of memory");
}

static int die(const char *what)
{
    fprintf(stderr, "agent_host: %s\n", what);
    return 2;
}

static int print_answers(int fd)
{
    static char text[AGENT_VALUE_MAX + 1];
    struct agent_answer a;
    while (read(fd, &a, sizeof a) == sizeof a) {
        size_t got = 0;
        ssize_t n;
        while (got < a.len && (n = read(fd, text + got, a.len - got)) > 0) { got += (size_t)n; }
        text[got] = '\0';
        if (a.kind == AGENT_VALUE) { printf("%u %s\n", a.index, text); }
        if (a.kind == AGENT_FAILED) { fprintf(stderr, "%s\n", text); }
    }
    return 0;
}

int main(int argc, char **argv)
{
    static char text[65536 - sizeof(struct agent_request) - 4096];
    struct host h = {0};
    struct initdata d = {0};
    struct err e = {0};
    struct agent_request q = {.magic = AGENT_REQUEST_MAGIC, .version = AGENT_VERSION};
    int in[2], out[2];
    if (argc < 5 || argc > 10) {
        return die("usage: agent_host KEY INITDATA MEASUREMENT REGISTER2 [URI...]");
    }
    FILE *f = fopen(argv[2], "rb");
    size_t len = f ? fread(text, 1, sizeof text, f) : 0;
    bool sample = strcmp(argv[1], "sample") == 0;
    if (!f || fclose(f) != 0 || (!sample && sim_signer_open(argv[1], &h.signer, &e) < 0)) {
        return die("no key or initdata");
    }
    if (!hex_decode(argv[3], strlen(argv[3]), h.measurement, 48) ||
        !hex_decode(argv[4], strlen(argv[4]), q.registers[2], 48)) {
        return die("measurement and register: 96 hexadecimal digits each");
    }
    if (initdata_parse(text, len, &d, &e) == 0) {
        initdata_field(&d, h.host_data, sizeof h.host_data);
        initdata_field(&d, q.registers[0], INITDATA_REGISTER);
    }
    initdata_fini(&d);
    q.initdata_len = (uint32_t)len;
    q.want_count = (uint32_t)(argc - 5);
    if (argc == 5) { q.mode = AGENT_MODE_SERVE; }
    if (pipe(in) < 0 || pipe(out) < 0) { return die("pipe"); }
    /* The request fits in the pipe; the answers are read by a child, so they need not. */
    if (write(in[1], &q, sizeof q) < 0 || write(in[1], text, len) < 0) { return die("write"); }
    for (int i = 5; i < argc; i++) {
        struct agent_want w = {.kind = strncmp(argv[i], "sealed.", 7) == 0 ? AGENT_WANT_SEALED
                                                                           : AGENT_WANT_RESOURCE,
                               .len = (uint32_t)strlen(argv[i])};
        if (write(in[1], &w, sizeof w) < 0 || write(in[1], argv[i], w.len) < 0) {
            return die("write");
        }
    }
    close(in[1]);
    signal(SIGPIPE, SIG_IGN);
    if (fork() == 0) {
        struct agent_env env = {.ctx = &h,
                                .tee = SIM_TEE_NAME,
                                .timeout_ms = 20000,
                                .connect = host_connect,
                                .evidence = host_evidence};
        if (sample) {
            env.tee = "sample";
            env.evidence = sample_evidence;
        }
        close(out[0]);
        _exit(agent_serve(&env, in[0], out[1]));
    }
    close(out[1]);
    print_answers(out[0]);
    int status = 0;
    (void)!wait(&status);
    sim_signer_free(h.signer);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}
