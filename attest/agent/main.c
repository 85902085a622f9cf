/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent as a program of the guest image: started by init with a request on standard input
 * (agent.h), it gets evidence and connections by init's private system calls, answers on standard
 * output, and ends; or, asked to serve, stays.
 */
#include "attest/agent/serve.h"
#include "attest/verify/sim.h"
#include "firmware/abi/ward.h"
#include "guest/abi/handoff.h"
#include "guest/abi/init.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_MS 60000u

static int guest_connect(void *ctx, const char *host, uint16_t port, unsigned timeout_ms,
                         int *out_fd, struct err *e)
{
    (void)ctx;
    long fd = syscall(CC_CONNECT, host, (long)port, (long)timeout_ms);
    if (fd < 0) {
        return err_set(e, errno, "connect to %s port %u: %s", host, (unsigned)port,
                       strerror(errno));
    }
    *out_fd = (int)fd;
    return 0;
}

static int guest_evidence(void *ctx, bool sealed, const uint8_t report_data[64], json_t **out,
                          struct err *e)
{
    uint8_t report[SNP_REPORT_SIZE];
    long form = sealed ? WARD_FORM_REGISTER : WARD_FORM_RAW;
    (void)ctx;
    long n = syscall(CC_EVIDENCE, form, report_data, report, sizeof report);
    if (n < 0) { return err_set(e, errno, "evidence: %s", strerror(errno)); }
    if (n != SNP_REPORT_SIZE) { return err_set(e, EBADMSG, "evidence: a report of %ld bytes", n); }
    *out = sim_evidence_format(report);
    return *out ? 0 : err_set(e, ENOMEM, "evidence: out of memory");
}

static int guest_extend(void *ctx, const uint8_t value[48], struct err *e)
{
    (void)ctx;
    return syscall(CC_EXTEND, value) < 0 ? err_set(e, errno, "register 3: %s", strerror(errno)) : 0;
}

int main(void)
{
    struct agent_env env = {.timeout_ms = TIMEOUT_MS,
                            .connect = guest_connect,
                            .evidence = guest_evidence,
                            .extend = guest_extend};
    (void)signal(SIGPIPE, SIG_IGN);
    /*
     * Evidence of the other kinds comes with their firmware; until then a guest of another kind has
     * no tee to name.
     */
    env.tee = syscall(CC_TEE) == TEE_SIM ? SIM_TEE_NAME : "none";
    return agent_serve(&env, STDIN_FILENO, STDOUT_FILENO);
}
