/* SPDX-License-Identifier: Apache-2.0 */
/* mmap and munmap: refusals, hints, fixed places, holes, reservations far larger than memory. */
#include "tests/guest/promise.h"

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

PROMISE("mmap follows the rules")
{
    WANT_ERR((long)mmap(NULL, 0, PROT_READ, ANON, -1, 0), EINVAL);
    WANT_ERR((long)mmap((void *)0x10001, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0), EINVAL);
    WANT_ERR((long)mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0),
             EINVAL); /* neither private nor shared */
    WANT_ERR((long)mmap(NULL, -PAGE, PROT_READ, ANON, -1, 0), ENOMEM);
    WANT_ERR((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
    WANT_ERR(munmap((void *)0x10001, PAGE), EINVAL);
    WANT_ERR(munmap((void *)0x10000, 0), EINVAL);

    char *m = anon(8);
    for (size_t i = 0; i < 8; i++) {
        WANT_EQ(m[i * PAGE], 0);
        m[i * PAGE] = (char)i;
    }
    MUST(munmap(m + 3 * PAGE, 2 * PAGE)); /* a hole */
    WANT_EQ(m[2 * PAGE], 2);
    WANT_EQ(m[5 * PAGE], 5);
    MUST(munmap(m + 3 * PAGE, 2 * PAGE)); /* nothing there: no error */
    WANT_EQ(mmap(m + 3 * PAGE, 1, PROT_READ, ANON, -1, 0),
            m + 3 * PAGE); /* a hint that is free is taken */
    WANT_EQ(m[3 * PAGE], 0);
    WANT_EQ(mmap(m + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0),
            m + 2 * PAGE);
    WANT_EQ(m[2 * PAGE], 0);                          /* replaced */
    WANT(mmap(m, PAGE, PROT_READ, ANON, -1, 0) != m); /* a hint that is taken is not */
    WANT_EQ(m[PAGE], 1);
    WANT_ERR((long)mmap(m, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
    WANT_EQ(m[PAGE], 1);
    MUST(munmap(m, PAGE));
    WANT_EQ(mmap(m, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0), m);

    char *low = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, ANON | MAP_32BIT, -1, 0));
    WANT((uintptr_t)low < 0x80000000);
    low[0] = 1;

    size_t huge = 1ul << 40; /* 1 TiB reserved, a little of it used */
    char *r = MUST(mmap(NULL, huge, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
    MUST(mprotect(r + huge / 2, PAGE, PROT_READ | PROT_WRITE));
    r[huge / 2] = 1;
    WANT_EQ(mmap(r + huge - PAGE, PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0),
            r + huge - PAGE);
    r[huge - 1] = 1;
    MUST(munmap(r, huge));
}
