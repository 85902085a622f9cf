/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of the device in one process: the guest's driver runs on the test's thread, the host's
 * on its I/O thread or, with `threaded` false, when the test calls streams_service(). The library
 * OS around the driver is played here.
 */
#ifndef CASEMATE_TESTS_STREAMS_ENDS_H
#define CASEMATE_TESTS_STREAMS_ENDS_H

#include "guest/abi/stream_blob.h"
#include "guest/abi/stream_control.h"
#include "guest/abi/stream_socket.h"
#include "guest/abi/stream_stdio.h"
#include "guest/fmt.h"
#include "guest/fs/fs.h"
#include "guest/mm/mm.h"
#include "guest/streams.h"
#include "guest/task/task.h"
#include "guest/ward.h"
#include "vmm/streams.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define WINDOW_SIZE STREAMS_WINDOW_MIN

struct ends {
    uint8_t *window;
    struct streams *host;
    struct streams_config config;
    int irq_fd;
    char log[4096];
    char broken[128]; /* why the host gave up */
    char guest_log[1024];
    unsigned phase, irqs, bells;
    void (*in_phase)(void); /* called while the host reads its control ring */
};
static struct ends ends;

/* ---- the rest of the library OS -------------------------------------------------------------- */

void *mem_alloc(size_t size) { return calloc(1, size); }
void mem_free(void *p) { free(p); }
void panic(const char *why)
{
    (void)fprintf(stderr, "panic: %s\n", why);
    abort();
}
void log_line(const char *line, size_t len)
{
    (void)snprintf(ends.guest_log, sizeof ends.guest_log, "%.*s", (int)len, line);
}
void waitq_init(struct waitq *q) { list_init(&q->waiters); }
void wake(struct waitq *q, uint32_t events)
{
    LIST_EACH_SAFE (it, &q->waiters) {
        struct waiter *w = LIST_ENTRY(it, struct waiter, link);
        if (w->notify != NULL) { w->notify(w, events); }
    }
}

struct vpage *cpu_vpage(void)
{
    static struct vpage v;
    return &v;
}
static uint64_t news_taken(void)
{
    const struct streams_side *guest = &((const struct streams_header *)ends.window)->guest;
    return guest->ctl_head + guest->ready_head;
}
/* The only thread, as an idle vCPU: looks after a doorbell, then waits for the device interrupt. */
int wait_on(struct waitq *q, uint64_t deadline_ns, bool interruptible)
{
    (void)q, (void)deadline_ns, (void)interruptible;
    struct pollfd p = {.fd = ends.irq_fd, .events = POLLIN};
    eventfd_t count;
    if (__atomic_exchange_n(&cpu_vpage()->pending, 0, __ATOMIC_SEQ_CST) != 0) {
        uint64_t before = news_taken();
        streams_poll();
        if (news_taken() != before) { return 0; }
    }
    if (poll(&p, 1, 5000) <= 0) { return -ETIMEDOUT; }
    (void)eventfd_read(ends.irq_fd, &count);
    streams_poll();
    return 0;
}
void ward_doorbell(uint32_t queue)
{
    (void)queue;
    ends.bells++;
    (void)eventfd_write(streams_doorbell_fd(ends.host), 1);
}
/* "Application memory" is the test's own; addresses from FAULT_LO on fault. */
#define FAULT_LO UINT64_C(0x7fff00000000)
size_t copy_to_user_part(uint64_t va, const void *src, size_t len)
{
    size_t n = va >= FAULT_LO ? 0 : len;
    memcpy((void *)va, src, n);
    return n;
}
size_t copy_from_user_part(void *dst, uint64_t va, size_t len)
{
    size_t n = va >= FAULT_LO ? 0 : len;
    memcpy(dst, (void *)va, n);
    return n;
}
size_t clear_user_part(uint64_t va, size_t len);
size_t clear_user_part(uint64_t va, size_t len) { return va + len != 0 ? 0 : len; }
int copy_from_user(void *dst, uint64_t va, size_t len)
{
    return copy_from_user_part(dst, va, len) == len ? 0 : -EFAULT;
}
bool user_range_ok(uint64_t va, uint64_t len) { return va + len >= va; }

/* ---- the monitor ----------------------------------------------------------------------------- */

static void on_irq(void *arg)
{
    (void)arg;
    ends.irqs++;
    (void)eventfd_write(ends.irq_fd, 1);
}
static void on_log(void *arg, const char *line)
{
    (void)arg;
    size_t at = strlen(ends.log);
    (void)snprintf(ends.log + at, sizeof ends.log - at, "%s\n", line);
}
static void on_broken(void *arg, const char *why)
{
    (void)arg;
    (void)snprintf(ends.broken, sizeof ends.broken, "%s", why);
}
static void on_phase(void *arg, unsigned phase)
{
    (void)arg;
    ends.phase = phase;
    if (ends.in_phase != NULL) { ends.in_phase(); }
}

/* A window and a host; ends.config may have been filled in before. */
static UNUSED void ends_host(bool threaded)
{
    struct err e = {0};
    ends.window = mmap(NULL, WINDOW_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ends.irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ends.config.window = ends.window;
    ends.config.window_size = WINDOW_SIZE;
    ends.config.irq = on_irq;
    ends.config.log = on_log;
    ends.config.broken = on_broken;
    ends.config.phase = on_phase;
    cr_assert_eq(streams_new(&ends.host, &ends.config, &e), 0, "%s", e.text);
    if (threaded) { cr_assert_eq(streams_start(ends.host, &e), 0, "%s", e.text); }
}

static UNUSED void ends_start(bool threaded)
{
    ends_host(threaded);
    cr_assert_eq(streams_init(ends.window, WINDOW_SIZE), 0);
}

static inline struct streams_header *ends_head(void)
{
    return (struct streams_header *)(void *)ends.window;
}
static inline struct stream_slot *ends_slot(uint32_t n)
{
    return (struct stream_slot *)(void *)(ends.window + STREAMS_SLOTS) + n;
}

static UNUSED struct stream *must_open(const struct stream_open *o)
{
    int err = 0;
    struct stream *s = stream_new(o, &err);
    cr_assert_not_null(s, "stream_new: %d", err);
    return s;
}

#endif
