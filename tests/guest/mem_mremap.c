/* SPDX-License-Identifier: Apache-2.0 */
/* mremap grows in place or moves, shrinks, keeps contents, and leaves nothing at the old place. */
#include "tests/guest/promise.h"

static bool mapped(void *p) { return mprotect(p, PAGE, PROT_READ | PROT_WRITE) == 0; }

PROMISE("mremap moves mappings")
{
    char *m = anon(8);
    for (size_t i = 0; i < 8; i++) { m[i * PAGE] = (char)(i + 1); }
    WANT_EQ(mremap(m, 8 * PAGE, 4 * PAGE, 0), m);
    WANT(!mapped(m + 4 * PAGE));
    WANT_EQ(mremap(m, 4 * PAGE, 6 * PAGE, 0), m); /* the room behind is free */
    WANT_EQ(m[4 * PAGE], 0);
    MUST(mmap(m + 6 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    WANT_ERR((long)mremap(m, 6 * PAGE, 8 * PAGE, 0), ENOMEM);
    char *moved = MUST(mremap(m, 6 * PAGE, 600 * PAGE, MREMAP_MAYMOVE));
    WANT(moved != m);
    WANT(!mapped(m));
    for (size_t i = 0; i < 4; i++) { WANT_EQ(moved[i * PAGE], (char)(i + 1)); }
    WANT_EQ(moved[599 * PAGE], 0);
    char *place = anon(2);
    place[0] = 'p';
    WANT_EQ(mremap(moved, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place), place);
    WANT_EQ(place[0], 1);
    WANT(!mapped(moved));
    WANT_EQ(moved[2 * PAGE], 3);
    char *shared =
        MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    shared[0] = 's';
    char *second =
        MUST(mremap(shared, 0, PAGE, MREMAP_MAYMOVE)); /* a second view of the same memory */
    second[0] = 't';
    WANT_EQ(shared[0], 't');
    WANT_ERR((long)mremap(m, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
    WANT_ERR((long)mremap(place + 1, PAGE, PAGE, 0), EINVAL);
    WANT_ERR((long)mremap(place, PAGE, 0, 0), EINVAL);
}
