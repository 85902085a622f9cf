/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See serve.h. Reads init's request whole before anything is done; then attests once and delivers
 * in order, or listens.
 */
#include "attest/agent/serve.h"

#include "attest/agent/agent.h"
#include "attest/agent/release.h"
#include "attest/agent/rest.h"
#include "guest/base/ct.h"
#include "guest/base/cur.h"
#include "guest/base/hosted.h"
#include "guest/base/io.h"

#include <errno.h>
#include <string.h>

struct want {
    uint32_t kind;
    uint32_t len;
    char *text; /* heap, zero byte behind it */
};

struct request {
    uint32_t mode;
    struct kbs_guest guest; /* its initdata: heap, zero byte behind it */
    struct want wants[AGENT_WANTS_MAX];
    size_t want_count;
};

static void request_free(struct request **q)
{
    if (!*q) { return; }
    free((void *)(uintptr_t)(*q)->guest.initdata);
    for (size_t i = 0; i < (*q)->want_count; i++) { free((*q)->wants[i].text); }
    free(*q);
}
#define auto_request __attribute__((cleanup(request_free))) struct request *

/* ---- the request */

static int read_exact(int fd, void *buf, size_t len, struct err *e)
{
    int r = read_all(fd, buf, len);
    if (r == -ENODATA) { return err_set(e, EBADMSG, "request: cut short"); }
    return r < 0 ? err_set(e, -r, "request: %s", strerror(-r)) : 0;
}

/* len bytes of text without a zero byte among them. */
static int read_text(int fd, size_t len, const char *what, char **out, struct err *e)
{
    auto_free char *text = malloc(len + 1);
    if (!text) { return err_set(e, ENOMEM, "request: out of memory"); }
    int r = read_exact(fd, text, len, e);
    if (r < 0) { return r; }
    text[len] = '\0';
    if (strlen(text) != len) { return err_set(e, EBADMSG, "request: %s with a zero byte", what); }
    *out = steal_ptr(&text);
    return 0;
}

/* *out_wants: how many follow; they are counted in q as they are read. */
static int read_head(int fd, struct request *q, size_t *out_wants, struct err *e)
{
    uint8_t raw[sizeof(struct agent_request)];
    int r = read_exact(fd, raw, sizeof raw, e);
    if (r < 0) { return r; }
    struct cur c = cur_of(raw, sizeof raw);
    uint32_t magic = cur_u32le(&c), version = cur_u32le(&c), initdata_len = cur_u32le(&c),
             count = cur_u32le(&c);
    uint32_t flags = cur_u32le(&c), mode = cur_u32le(&c);
    if (magic != AGENT_REQUEST_MAGIC || version != AGENT_VERSION || mode > AGENT_MODE_SERVE) {
        return err_set(e, EBADMSG, "request: not of version %u", AGENT_VERSION);
    }
    if (initdata_len == 0 || initdata_len > AGENT_INITDATA_MAX || count > AGENT_WANTS_MAX ||
        (count == 0) != (mode == AGENT_MODE_SERVE)) {
        return err_set(e, EBADMSG, "request: mode %u, %u bytes of initdata and %u wants", mode,
                       initdata_len, count);
    }
    q->guest.registers.launch_flags = flags;
    for (size_t i = 0; i < REPORT_REGISTERS; i++) {
        const uint8_t *p = cur_take(&c, REPORT_REGISTER_SIZE);
        if (p) { memcpy(q->guest.registers.value[i], p, REPORT_REGISTER_SIZE); }
    }
    if (!cur_end(&c)) { return err_set(e, EBADMSG, "request: cut short"); }
    q->mode = mode;
    q->guest.sealed = mode == AGENT_MODE_SERVE;
    q->guest.initdata_len = initdata_len;
    *out_wants = count;
    return 0;
}

static int read_want(int fd, struct want *out, struct err *e)
{
    uint8_t raw[sizeof(struct agent_want)];
    int r = read_exact(fd, raw, sizeof raw, e);
    if (r < 0) { return r; }
    struct cur c = cur_of(raw, sizeof raw);
    struct want w = {.kind = cur_u32le(&c), .len = cur_u32le(&c)};
    if (w.kind > AGENT_WANT_SEALED || w.len == 0 || w.len > AGENT_WANT_MAX) {
        return err_set(e, EBADMSG, "request: a want of kind %u with %u bytes", w.kind, w.len);
    }
    r = read_text(fd, w.len, "a want", &w.text, e);
    if (r == 0) { *out = w; }
    return r;
}

static int read_request(int fd, struct request *q, struct err *e)
{
    size_t count = 0;
    char *initdata = NULL;
    int r = read_head(fd, q, &count, e);
    if (r == 0) { r = read_text(fd, q->guest.initdata_len, "initdata", &initdata, e); }
    q->guest.initdata = initdata;
    while (r == 0 && q->want_count < count) {
        r = read_want(fd, &q->wants[q->want_count], e);
        q->want_count += r == 0;
    }
    return r;
}

/* ---- answers */

static int answer(int fd, uint32_t kind, uint32_t index, const void *p, size_t len)
{
    struct agent_answer a = {
        .magic = AGENT_ANSWER_MAGIC, .kind = kind, .index = index, .len = (uint32_t)len};
    int r = write_all(fd, &a, sizeof a);
    return r < 0 ? r : write_all(fd, p, len);
}

static int deliver(struct release *rel, const struct want *w, uint32_t index, int fd, struct err *e)
{
    uint8_t *secret;
    size_t len;
    int r = w->kind == AGENT_WANT_SEALED ? release_sealed(rel, w->text, w->len, &secret, &len, e)
                                         : release_resource(rel, w->text, &secret, &len, e);
    if (r < 0) { return r; }
    r = len > AGENT_VALUE_MAX ? -E2BIG : answer(fd, AGENT_VALUE, index, secret, len);
    wipe(secret, len);
    free(secret);
    return r < 0 ? err_set(e, -r, "answer: init is gone, or a value of %zu bytes", len) : 0;
}

/* ---- both modes */

static int fetch(const struct agent_env *env, const struct request *q, int out_fd, struct err *e)
{
    auto_settings settings = {0};
    auto_release rel = {.env = env, .settings = &settings, .guest = &q->guest};
    int r = agent_settings_read(q->guest.initdata, q->guest.initdata_len, &settings, e);
    for (size_t i = 0; r == 0 && i < q->want_count; i++) {
        r = deliver(&rel, &q->wants[i], (uint32_t)i, out_fd, e);
    }
    if (r == 0 && answer(out_fd, AGENT_DONE, 0, "", 0) < 0) {
        r = err_set(e, EPIPE, "answer: init is gone");
    }
    return r;
}

/* Returns 0 when a service that listened has ended. */
static int serve(const struct agent_env *env, const struct request *q, int in_fd, int out_fd,
                 struct err *e)
{
    auto_settings settings = {0};
    auto_fd listener = -1;
    struct rest rest = {.env = env, .settings = &settings, .guest = q->guest, .register3_fd = -1};
    int r = agent_settings_read(q->guest.initdata, q->guest.initdata_len, &settings, e);
    if (r == 0) { r = rest_init(&rest, e); }
    if (r == 0) { r = rest_listen(REST_PORT, &listener, e); }
    if (r == 0 && answer(out_fd, AGENT_DONE, 0, "", 0) < 0) {
        r = err_set(e, EPIPE, "answer: init is gone");
    }
    if (r == 0) {
        (void)close(in_fd);
        (void)close(out_fd);
        rest_serve(&rest, listener);
    }
    rest_fini(&rest);
    return r;
}

int agent_serve(const struct agent_env *env, int in_fd, int out_fd)
{
    struct err e = {0};
    auto_request q = calloc(1, sizeof *q);
    int r = q ? read_request(in_fd, q, &e) : err_set(&e, ENOMEM, "agent: out of memory");
    if (r == 0) {
        r = q->mode == AGENT_MODE_SERVE ? serve(env, q, in_fd, out_fd, &e)
                                        : fetch(env, q, out_fd, &e);
    }
    if (r == 0) { return 0; }
    (void)answer(out_fd, AGENT_FAILED, 0, e.text, strlen(e.text));
    return 1;
}
