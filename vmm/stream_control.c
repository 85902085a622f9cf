/* SPDX-License-Identifier: Apache-2.0 */
/* Items for the guest and its log lines (guest/abi/stream_control.h). */
#include "vmm/streams_priv.h"

#include "guest/base/hosted.h"
#include "guest/base/ovf.h"

#include <errno.h>
#include <string.h>

/* ---- items: bytes from memory; the position is what the ring has been given so far ----------- */

static int item_open(struct stream *st, const struct stream_msg *open, const uint8_t *name,
                     size_t name_len)
{
    (void)name;
    if (open->open.arg >= STREAM_ITEM_COUNT || name_len != 0) { return -EINVAL; }
    const struct streams_item *item = &streams_config(st->device)->item[open->open.arg];
    if (item->bytes == NULL) { return -ENOENT; }
    st->priv = (void *)(uintptr_t)item; /* the device's, not freed here */
    st->opened.size = item->size;
    return 0;
}

static bool item_work(struct stream *st)
{
    const struct streams_item *item = st->priv;
    struct iovec v[2];
    size_t n = stream_to_vec(st, item->size - st->to_tail, v);
    if (n > 0) {
        const uint8_t *from = (const uint8_t *)item->bytes + st->to_tail;
        memcpy(v[0].iov_base, from, v[0].iov_len);
        memcpy(v[1].iov_base, from + v[0].iov_len, v[1].iov_len);
        stream_gave(st, n);
    }
    if (st->to_tail == item->size) { stream_end(st); }
    return false;
}

const struct stream_kind stream_item = {
    .name = "item", .to_guest = true, .open = item_open, .work = item_work};

/* ---- log: lines, made harmless for a terminal ------------------------------------------------ */

struct log {
    size_t len;
    char line[STREAM_LOG_LINE_MAX + 1];
};

static int log_open(struct stream *st, const struct stream_msg *open, const uint8_t *name,
                    size_t name_len)
{
    (void)name;
    if (open->open.arg != 0 || name_len != 0) { return -EINVAL; }
    st->priv = calloc(1, sizeof(struct log));
    return st->priv != NULL ? 0 : -ENOMEM;
}

static void log_flush(struct stream *st, struct log *log)
{
    const struct streams_config *c = streams_config(st->device);
    log->line[log->len] = '\0';
    if (log->len > 0) { c->log(c->arg, log->line); }
    log->len = 0;
}

static bool log_work(struct stream *st)
{
    struct log *log = st->priv;
    char text[1024];
    size_t n = min_u64(stream_from_avail(st), sizeof text);

    if (n == 0) { return false; }
    stream_take(st, text, n);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n' || log->len == STREAM_LOG_LINE_MAX) { log_flush(st, log); }
        if (text[i] != '\n') {
            log->line[log->len++] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
        }
    }
    return stream_from_avail(st) > 0;
}

static void log_close(struct stream *st)
{
    log_flush(st, st->priv);
    free(st->priv);
}

const struct stream_kind stream_log = {.name = "log",
                                       .to_host = true,
                                       .carries_out = true,
                                       .open = log_open,
                                       .work = log_work,
                                       .close = log_close};
