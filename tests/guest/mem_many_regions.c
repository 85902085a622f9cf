/* SPDX-License-Identifier: Apache-2.0 */
/* Thousands of regions with alternating rights, and all of them whole again. */
#include "tests/guest/promise.h"

#define PAGES 8000ul

PROMISE("many regions work")
{
    char *m = anon(PAGES);
    for (size_t i = 0; i < PAGES; i += 2) {
        m[i * PAGE] = (char)i;
        MUST(mprotect(m + i * PAGE, PAGE, PROT_READ));
    }
    for (size_t i = 0; i < PAGES; i++) { WANT_EQ(m[i * PAGE], i & 1 ? 0 : (char)i); }
    MUST(mprotect(m, PAGES * PAGE, PROT_READ | PROT_WRITE));
    memset(m, 1, PAGES * PAGE);
    for (size_t i = 1; i < PAGES; i += 2) { MUST(munmap(m + i * PAGE, PAGE)); }
    for (size_t i = 0; i < PAGES; i += 2) { WANT_EQ(m[i * PAGE], 1); }
    MUST(munmap(m, PAGES * PAGE));
}
