/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small objects. A slab is one frame: a header, then objects of one size class. Objects never
 * start a frame, runs always do, so the address alone tells mem_free() which of the two it got.
 * What does not fit half a frame is a run of frames.
 */
#include "guest/mm/frames.h"

struct slab {
    struct list link; /* on its class while it has a free object */
    void *free;       /* chain through the objects' first word   */
    uint16_t used, class;
    uint32_t reserved;
};
_Static_assert(sizeof(struct slab) == 32, "objects stay 16-byte aligned");

/* The last one is half of what the header leaves. */
static const uint16_t class_size[] = {32, 48, 64, 96, 128, 192, 256, 384, 512, 672, 1008, 2032};
#define CLASSES ARRAY_COUNT(class_size)

static struct list classes[CLASSES];

static struct slab *slab_new(size_t class)
{
    gpa_t g = frame_alloc(false);
    if (!gpa_ok(g)) { return NULL; }
    struct slab *s = frame_va(g);
    *s = (struct slab){.class = (uint16_t) class};
    size_t size = class_size[class];
    for (size_t off = sizeof *s; off + size <= PAGE_SIZE; off += size) {
        void **object = (void **)(void *)((char *)s + off);
        *object = s->free;
        s->free = object;
    }
    list_add_head(&classes[class], &s->link);
    return s;
}

static void *run_new(size_t size)
{
    unsigned order = 0;
    while ((PAGE_SIZE << order) < size) { order++; }
    if (order > RUN_ORDER_MAX) { return NULL; }
    gpa_t g = run_alloc(order);
    if (!gpa_ok(g)) { return NULL; }
    return memset(frame_va(g), 0, PAGE_SIZE << order);
}

void *mem_alloc(size_t size)
{
    size_t class = 0;
    while (class < CLASSES && class_size[class] < size) { class ++; }
    if (class == CLASSES) { return run_new(size); }

    struct list *l = &classes[class];
    if (l->next == NULL) { list_init(l); }
    struct slab *s = list_empty(l) ? slab_new(class) : LIST_ENTRY(l->next, struct slab, link);
    if (s == NULL) { return NULL; }
    void *object = s->free;
    s->free = *(void **)object;
    s->used++;
    if (s->free == NULL) { list_del(&s->link); }
    return memset(object, 0, class_size[class]);
}

void mem_free(void *p)
{
    if (p == NULL) { return; }
    if ((uintptr_t)p % PAGE_SIZE == 0) {
        run_free(va_frame(p));
        return;
    }
    struct slab *s = (struct slab *)align_down((uintptr_t)p, PAGE_SIZE);
    if (s->class >= CLASSES || s->used == 0) { panic("pool: free of a strange pointer"); }
    struct list *l = &classes[s->class];
    if (s->free == NULL) { list_add_head(l, &s->link); }
    *(void **)p = s->free;
    s->free = p;
    /* The last slab of a class stays: the next object of that size is not far. */
    if (--s->used == 0 && l->next->next != l) {
        list_del(&s->link);
        frame_put(va_frame(s));
    }
}
