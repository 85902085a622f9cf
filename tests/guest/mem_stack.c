/* SPDX-License-Identifier: Apache-2.0 */
/* The main stack grows by touching it, in any step, up to its limit; below the limit a touch is SIGSEGV. */
#include <sys/resource.h>

#include "tests/guest/promise.h"

static void touch(size_t below)
{
    volatile char *here = __builtin_frame_address(0);
    here[-(long)below] = 1;
}

static void touch_5m(void) { touch(5 << 20); }
static void touch_9m(void) { touch(9 << 20); }

static void grow_by_pages(void)
{
    for (size_t i = 1; i < 1500; i++) { touch(i * PAGE); }
}

PROMISE("the stack grows")
{
    struct rlimit r;
    MUST(getrlimit(RLIMIT_STACK, &r));
    r.rlim_cur = 8 << 20;
    MUST(setrlimit(RLIMIT_STACK, &r));
    WANT_EQ(in_child(grow_by_pages), 0);
    WANT_EQ(in_child(touch_5m), 0);
    WANT_EQ(in_child(touch_9m) & 0x7f, SIGSEGV);
    touch(1 << 20);
}
