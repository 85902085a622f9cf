/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ring memory: the data area of the window, cut into power-of-two rings. All book-keeping is
 * private memory, since the host can write the window. Fresh pages come from a mark that only
 * rises; freed rings wait in a list per size, and a larger one is halved when its own size is used
 * up. Rings are never joined: a guest's mix of sizes is stable, and a window that is used up by
 * small ones fails an open of a large one, nothing else.
 */
#include "guest/streams_priv.h"

#define ORDERS 9 /* 4 KiB .. 1 MiB */
_Static_assert(STREAM_RING_MIN << (ORDERS - 1) == STREAM_RING_MAX, "one free list per ring size");

static struct list free_rings[ORDERS];
static uint64_t fresh, end; /* bytes from the start of the window: never used before */

void rings_init(uint64_t window_size)
{
    for (size_t i = 0; i < ORDERS; i++) { list_init(&free_rings[i]); }
    fresh = STREAMS_DATA;
    /* Page numbers cross the interface as 32 bits. */
    end = min_u64(window_size, (uint64_t)UINT32_MAX * STREAM_RING_MIN);
}

static unsigned order_of(uint32_t size)
{
    unsigned order = 0;
    while ((STREAM_RING_MIN << order) < size) { order++; }
    return order;
}

static struct ring *ring_at(uint64_t off, uint32_t size, int *out_err)
{
    struct ring *r = mem_alloc(sizeof *r);
    if (r == NULL) {
        *out_err = -ENOMEM;
        return NULL;
    }
    list_init(&r->free);
    r->page = (uint32_t)(off / STREAM_RING_MIN);
    r->size = size;
    return r;
}

static struct ring *pop(unsigned order)
{
    struct ring *r = LIST_ENTRY(free_rings[order].next, struct ring, free);
    list_del(&r->free);
    return r;
}

struct ring *ring_alloc(uint32_t size, int *out_err)
{
    unsigned want = order_of(size);

    if (!list_empty(&free_rings[want])) { return pop(want); }
    if (end - fresh >= size) {
        struct ring *r = ring_at(fresh, size, out_err);
        if (r != NULL) { fresh += size; }
        return r;
    }
    for (unsigned order = want + 1; order < ORDERS; order++) {
        if (list_empty(&free_rings[order])) { continue; }
        struct ring *r = pop(order);
        while (r->size > size) {
            struct ring *upper =
                ring_at((uint64_t)r->page * STREAM_RING_MIN + r->size / 2, r->size / 2, out_err);
            if (upper == NULL) {
                ring_free(r);
                return NULL;
            }
            r->size /= 2;
            ring_free(upper);
        }
        return r;
    }
    *out_err = -ENOBUFS;
    return NULL;
}

void ring_free(struct ring *r)
{
    if (r != NULL) { list_add_head(&free_rings[order_of(r->size)], &r->free); }
}
