/* SPDX-License-Identifier: Apache-2.0 */
/* libs: streams_guest */
/*
 * A host that writes whatever it likes, and a driver that opens, reads, writes and closes
 * meanwhile. The input is a list of steps: a zero place is an action of the library OS, any other a
 * store into the window. Nothing may crash, no read may return more than the ring holds, and memory
 * of a stream that is open is never given to another.
 */
#include "guest/streams.h"

#include "guest/base/cur.h"
#include "guest/fmt.h"
#include "guest/mm/mm.h"
#include "guest/task/task.h"
#include "guest/ward.h"
#include "tests/fuzz/streams_window.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything the driver allocates is forgotten between inputs. */
static uint8_t arena[1 << 20] ALIGNED(16);
static size_t arena_used;
void *mem_alloc(size_t size)
{
    size_t need = (size + 15) & ~(size_t)15;
    if (need > sizeof arena - arena_used) { return NULL; }
    arena_used += need;
    return memset(arena + arena_used - need, 0, need);
}
void mem_free(void *p) { (void)p; }
void panic(const char *why) { (void)why, abort(); }
void log_line(const char *line, size_t len) { (void)line, (void)len; }
void waitq_init(struct waitq *q) { list_init(&q->waiters); }
void wake(struct waitq *q, uint32_t events) { (void)q, (void)events; }
int wait_on(struct waitq *q, uint64_t d, bool i) { return (void)q, (void)d, (void)i, -ERESTARTSYS; }
void ward_doorbell(uint32_t queue) { (void)queue; }
struct vpage *cpu_vpage(void)
{
    static struct vpage v;
    return &v;
}
size_t copy_to_user_part(uint64_t va, const void *src, size_t len)
{
    return (void)va, (void)src, len;
}
size_t copy_from_user_part(void *dst, uint64_t va, size_t len) { return (void)dst, (void)va, len; }
size_t clear_user_part(uint64_t va, size_t len);
size_t clear_user_part(uint64_t va, size_t len) { return (void)va, len; }
int copy_from_user(void *dst, uint64_t va, size_t len) { return (void)dst, (void)va, (void)len, 0; }
bool user_range_ok(uint64_t va, uint64_t len) { return (void)va, (void)len, true; }

#define STREAMS 4
static struct stream *stream[STREAMS];

static void act(uint64_t what)
{
    struct stream **s = &stream[what % STREAMS];
    static uint8_t bytes[8192];
    struct uio u;
    int err = 0;

    uio_kernel(&u, bytes, 1 + (what >> 16) % sizeof bytes);
    switch ((what >> 8) % 8) {
    case 0: streams_poll(); break;
    case 1:
        if (*s == NULL) {
            *s = stream_new(&(struct stream_open){.kind = 4, .in_size = 4096, .out_size = 4096},
                            &err);
        }
        break;
    case 2:
        stream_close(*s);
        *s = NULL;
        break;
    case 3:
        if (*s != NULL && stream_read_now(*s, &u) > 4096) { abort(); }
        break;
    case 4:
        if (*s != NULL && stream_write_now(*s, &u) > 4096) { abort(); }
        break;
    case 5:
        if (*s != NULL) { stream_fin(*s); }
        break;
    case 6:
        if (*s != NULL) { (void)stream_poll(*s, NULL); }
        break;
    case 7: (void)streams_spin(); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *window = fresh_window();
    arena_used = 0;
    memset(stream, 0, sizeof stream);
    struct streams_header *h = (struct streams_header *)(void *)window;
    *h = (struct streams_header){
        .magic = STREAMS_MAGIC, .version = STREAMS_VERSION, .window_size = STREAMS_WINDOW_MIN};
    if (streams_init(window, STREAMS_WINDOW_MIN) != 0) { abort(); }
    struct cur in = cur_of(data, size);
    while (in.left >= 10) {
        uint16_t at = cur_u16le(&in);
        uint64_t value = cur_u64le(&in);
        if (at == 0) {
            act(value);
        } else {
            memcpy(window + window_place(at, STREAMS_CTL_TO_GUEST, STREAMS_CTL_TO_HOST,
                                         STREAMS_READY_TO_GUEST),
                   &value, sizeof value);
        }
    }
    return 0;
}
