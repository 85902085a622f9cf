/* SPDX-License-Identifier: Apache-2.0 */
/* libs: streams base */
/*
 * A guest that writes whatever it likes. The input is a list of stores into the window: 2 bytes say
 * where (the header, a ring's entry, a slot, ring bytes), 8 bytes what; a zero place lets the host
 * look. Nothing may crash, and a host that has been lied to says so once and falls silent.
 */
#include "vmm/streams.h"

#include "guest/base/cur.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned broken;
static void on_broken(void *arg, const char *why) { (void)arg, (void)why, broken++; }
static void on_irq(void *arg) { (void)arg; }
static void on_log(void *arg, const char *line)
{
    (void)arg;
    for (; *line != '\0'; line++) {
        if (*line < ' ' || *line > '~') { abort(); }
    }
}

/* 12 bits of offset inside one of 16 pages that matter. */
static size_t place(uint16_t at)
{
    static const uint32_t page[16] = {
        0,
        0,
        STREAMS_CTL_TO_HOST,
        STREAMS_CTL_TO_HOST,
        STREAMS_CTL_TO_HOST,
        STREAMS_CTL_TO_GUEST,
        STREAMS_READY_TO_HOST,
        STREAMS_READY_TO_HOST,
        STREAMS_SLOTS,
        STREAMS_SLOTS,
        STREAMS_SLOTS,
        STREAMS_SLOTS,
        STREAMS_DATA,
        STREAMS_DATA,
        STREAMS_DATA + 0x1000,
        STREAMS_DATA + 0x2000,
    };
    return page[at >> 12] + (at & 0xff8u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t *window;
    struct streams *s;
    struct err e = {0};
    if (window == NULL) {
        window = mmap(NULL, STREAMS_WINDOW_MIN, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (window == MAP_FAILED) { abort(); }
    }
    (void)madvise(window, STREAMS_WINDOW_MIN, MADV_DONTNEED);
    broken = 0;
    struct streams_config c = {.window = window,
                               .window_size = STREAMS_WINDOW_MIN,
                               .item = {{"launch", 6}, {NULL, 0}, {NULL, 0}},
                               .stdio = {-1, -1, -1},
                               .irq = on_irq,
                               .log = on_log,
                               .broken = on_broken};
    if (streams_new(&s, &c, &e) != 0) { abort(); }
    struct cur in = cur_of(data, size);
    while (in.left >= 10) {
        uint16_t at = cur_u16le(&in);
        uint64_t value = cur_u64le(&in);
        if (at == 0) {
            streams_service(s);
        } else {
            memcpy(window + place(at), &value, sizeof value);
        }
    }
    streams_finish(s, 0);
    streams_free(s);
    if (broken > 1) { abort(); }
    return 0;
}
