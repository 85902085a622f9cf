/* SPDX-License-Identifier: Apache-2.0 */
/* libs: streams base */
/*
 * A guest that writes whatever it likes. The input is a list of stores into the window: 2 bytes say
 * where (the header, a ring's entry, a slot, ring bytes), 8 bytes what; a zero place lets the host
 * look. Nothing may crash, and a host that has been lied to says so once and falls silent.
 */
#include "guest/base/cur.h"
#include "tests/fuzz/streams_window.h"
#include "vmm/streams.h"

#include <stdlib.h>
#include <string.h>

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *window = fresh_window();
    struct streams *s;
    struct err e = {0};
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
            memcpy(window + window_place(at, STREAMS_CTL_TO_HOST, STREAMS_CTL_TO_GUEST,
                                         STREAMS_READY_TO_HOST),
                   &value, sizeof value);
        }
    }
    streams_finish(s, 0);
    streams_free(s);
    if (broken > 1) { abort(); }
    return 0;
}
