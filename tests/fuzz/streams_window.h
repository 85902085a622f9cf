/* SPDX-License-Identifier: Apache-2.0 */
/* The window as both fuzz targets of the streams device write it. */
#ifndef CASEMATE_TESTS_FUZZ_STREAMS_WINDOW_H
#define CASEMATE_TESTS_FUZZ_STREAMS_WINDOW_H

#include "guest/abi/streams.h"

#include <stdlib.h>
#include <sys/mman.h>

/* All zero again, at the same place each time. */
static uint8_t *fresh_window(void)
{
    static uint8_t *window;
    if (window == NULL) {
        window = mmap(NULL, STREAMS_WINDOW_MIN, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (window == MAP_FAILED) { abort(); }
    }
    (void)madvise(window, STREAMS_WINDOW_MIN, MADV_DONTNEED);
    return window;
}

/*
 * 12 bits of offset inside one of 16 pages that matter. ctl, ready: the liar's rings; answers: the
 * control ring that it reads.
 */
static size_t window_place(uint16_t at, uint32_t ctl, uint32_t answers, uint32_t ready)
{
    const uint32_t page[16] = {
        0,
        0,
        ctl,
        ctl,
        ctl,
        answers,
        ready,
        ready,
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

#endif
