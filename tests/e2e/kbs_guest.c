/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's half of key release on the host: the agent's own code, with a sim key from a file where the monitor would be.
 * Prints the resource, or says on standard error why there is none.
 *
 * usage: kbs_guest SIM-KEY INITDATA-FILE MEASUREMENT-HEX kbs:///REPO/TYPE/TAG
 */
#include "attest/agent/kbs.h"
#include "attest/hex.h"
#include "attest/initdata.h"
#include "attest/sim_signer.h"
#include "attest/verify_sim.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

struct machine {
    struct sim_signer *signer;
    uint8_t measurement[48], host_data[32];
};

static int machine_connect(void *ctx, const char *host, uint16_t port, unsigned timeout_ms,
                           int *out_fd, struct err *e)
{
    (void)ctx, (void)timeout_ms;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &sa.sin_addr) != 1) {
        return err_set(e, EINVAL, "%s is not an IPv4 address", host);
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0) {
        return err_set(e, errno, "%s:%u: %s", host, port, strerror(errno));
    }
    *out_fd = fd;
    return 0;
}

static int machine_evidence(void *ctx, const uint8_t report_data[64], json_t **out, struct err *e)
{
    struct machine *m = ctx;
    uint8_t report[SNP_REPORT_SIZE];
    int rc = sim_signer_report(m->signer, report_data, m->measurement, m->host_data, report);
    if (rc < 0) { return err_set(e, -rc, "no report"); }
    *out = sim_evidence_format(report);
    return *out ? 0 : err_set(e, ENOMEM, "out of memory");
}

static int release(struct machine *m, const char *initdata, size_t len, const char *uri,
                   struct err *e)
{
    auto_initdata init = {0};
    int rc = initdata_parse(initdata, len, &init, e);
    if (rc < 0) { return rc; }
    struct transcript_registers registers = {0};
    initdata_field(&init, m->host_data, sizeof m->host_data);
    initdata_field(&init, registers.value[0], sizeof registers.value[0]);
    struct agent_env env = {.ctx = m,
                            .tee = SIM_TEE_NAME,
                            .timeout_ms = 20000,
                            .connect = machine_connect,
                            .evidence = machine_evidence};
    auto_kbs kbs = NULL;
    uint8_t *value;
    size_t value_len;
    rc = kbs_open(&env, initdata, len, &registers, &kbs, e);
    if (rc == 0) { rc = kbs_get(kbs, uri, &value, &value_len, e); }
    if (rc < 0) { return rc; }
    (void)fwrite(value, 1, value_len, stdout);
    wipe(value, value_len);
    free(value);
    return 0;
}

int main(int argc, char **argv)
{
    static char text[1 << 20];
    struct machine m = {0};
    struct err e = {0};
    if (argc != 5 || !hex_decode(argv[3], strlen(argv[3]), m.measurement, sizeof m.measurement)) {
        (void)fputs("usage: kbs_guest SIM-KEY INITDATA-FILE MEASUREMENT-HEX URI\n", stderr);
        return 2;
    }
    auto_file f = fopen(argv[2], "rb");
    size_t len = f ? fread(text, 1, sizeof text, f) : 0;
    int rc = sim_signer_open(argv[1], &m.signer, &e);
    if (rc == 0) { rc = release(&m, text, len, argv[4], &e); }
    if (rc < 0) { (void)fprintf(stderr, "%s\n", e.text); }
    sim_signer_free(m.signer);
    return rc < 0;
}
