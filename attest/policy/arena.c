/* SPDX-License-Identifier: Apache-2.0 */
/* See arena.h. Chunks from malloc; what does not fit in the newest gets a chunk of its own. */
#include "attest/policy/arena.h"

#include <stdlib.h>

#define CHUNK_SIZE 16384u
#define ALIGN      16u

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used; /* of bytes */
    ALIGNED(16) unsigned char bytes[];
};

void *arena_alloc(struct arena *a, size_t len)
{
    if (len > a->max - a->used) { return NULL; }
    size_t rounded = (len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (rounded > a->max - a->used) { return NULL; }
    struct arena_chunk *c = a->chunks;
    if (!c || rounded > c->size - c->used) {
        size_t size = rounded > CHUNK_SIZE ? rounded : CHUNK_SIZE;
        c = calloc(1, sizeof *c + size);
        if (!c) { return NULL; }
        c->size = size;
        c->next = a->chunks;
        a->chunks = c;
    }
    void *p = c->bytes + c->used;
    c->used += rounded;
    a->used += rounded;
    return p;
}

void arena_free(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *c = a->chunks;
        a->chunks = c->next;
        free(c);
    }
    a->used = 0;
}
