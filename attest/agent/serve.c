/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See serve.h. Reads init's request whole before anything is done, then attests once and delivers
 * in order.
 */
#include "attest/agent/serve.h"

#include "attest/agent/agent.h"
#include "attest/agent/kbs.h"
#include "guest/base/ct.h"
#include "guest/base/cur.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

struct request {
    struct transcript_registers registers;
    char *initdata; /* heap, zero byte behind it */
    size_t initdata_len;
    char (*uris)[AGENT_URI_MAX]; /* heap */
    size_t uri_count;
};

static void request_fini(struct request *q)
{
    free(q->initdata);
    free(q->uris);
}
#define auto_request __attribute__((cleanup(request_fini))) struct request

static int read_exact(int fd, void *buf, size_t len, struct err *e)
{
    uint8_t *p = buf;
    while (len > 0) {
        ssize_t n = read(fd, p, len);
        if (n < 0 && errno == EINTR) { continue; }
        if (n < 0) { return err_set(e, errno, "request: %s", strerror(errno)); }
        if (n == 0) { return err_set(e, EBADMSG, "request: cut short"); }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int read_head(int fd, struct request *q, struct err *e)
{
    uint8_t raw[sizeof(struct agent_request)];
    int r = read_exact(fd, raw, sizeof raw, e);
    if (r < 0) { return r; }
    struct cur c = cur_of(raw, sizeof raw);
    uint32_t magic = cur_u32le(&c), version = cur_u32le(&c), initdata_len = cur_u32le(&c),
             count = cur_u32le(&c);
    uint32_t flags = cur_u32le(&c), reserved = cur_u32le(&c);
    if (magic != AGENT_REQUEST_MAGIC || version != AGENT_VERSION || reserved != 0) {
        return err_set(e, EBADMSG, "request: not of version %u", AGENT_VERSION);
    }
    if (initdata_len == 0 || initdata_len > AGENT_INITDATA_MAX || count == 0 ||
        count > AGENT_RESOURCES_MAX) {
        return err_set(e, EBADMSG, "request: %u bytes of initdata and %u resources", initdata_len,
                       count);
    }
    q->registers.launch_flags = flags;
    for (size_t i = 0; i < REPORT_REGISTERS; i++) {
        const uint8_t *p = cur_take(&c, REPORT_REGISTER_SIZE);
        if (p) { memcpy(q->registers.value[i], p, REPORT_REGISTER_SIZE); }
    }
    if (!cur_end(&c)) { return err_set(e, EBADMSG, "request: cut short"); }
    q->initdata_len = initdata_len;
    q->uri_count = count;
    return 0;
}

static int read_request(int fd, struct request *q, struct err *e)
{
    int r = read_head(fd, q, e);
    if (r < 0) { return r; }
    q->initdata = calloc(1, q->initdata_len + 1);
    q->uris = calloc(q->uri_count, sizeof *q->uris);
    if (!q->initdata || !q->uris) { return err_set(e, ENOMEM, "request: out of memory"); }
    r = read_exact(fd, q->initdata, q->initdata_len, e);
    if (r == 0) { r = read_exact(fd, q->uris, q->uri_count * sizeof *q->uris, e); }
    for (size_t i = 0; r == 0 && i < q->uri_count; i++) {
        if (q->uris[i][AGENT_URI_MAX - 1] != '\0') {
            r = err_set(e, EBADMSG, "request: resource %zu has no end", i);
        }
    }
    return r;
}

static int write_all(int fd, const void *buf, size_t len)
{
    const uint8_t *p = buf;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR) { continue; }
        if (n <= 0) { return -EIO; }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int answer(int fd, uint32_t kind, uint32_t index, const void *p, size_t len)
{
    struct agent_answer a = {.magic = AGENT_ANSWER_MAGIC,
                             .kind = kind,
                             .index = index,
                             .len = (uint32_t)len};
    int r = write_all(fd, &a, sizeof a);
    return r < 0 ? r : write_all(fd, p, len);
}

static int deliver(struct kbs *k, const char *uri, uint32_t index, int fd, struct err *e)
{
    uint8_t *secret;
    size_t len;
    int r = kbs_get(k, uri, &secret, &len, e);
    if (r < 0) { return r; }
    r = answer(fd, AGENT_RESOURCE, index, secret, len);
    wipe(secret, len);
    free(secret);
    return r < 0 ? err_set(e, -r, "answer: init is gone") : 0;
}

static int serve(const struct agent_env *env, int in_fd, int out_fd, struct err *e)
{
    auto_request q = {0};
    auto_kbs k = NULL;
    int r = read_request(in_fd, &q, e);
    if (r == 0) { r = kbs_open(env, q.initdata, q.initdata_len, &q.registers, &k, e); }
    for (size_t i = 0; r == 0 && i < q.uri_count; i++) {
        r = deliver(k, q.uris[i], (uint32_t)i, out_fd, e);
    }
    return r;
}

int agent_serve(const struct agent_env *env, int in_fd, int out_fd)
{
    struct err e = {0};
    if (serve(env, in_fd, out_fd, &e) == 0) {
        return answer(out_fd, AGENT_DONE, 0, "", 0) == 0 ? 0 : 1;
    }
    (void)answer(out_fd, AGENT_FAILED, 0, e.text, strlen(e.text));
    return 1;
}
