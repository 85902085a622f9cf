/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a guest that must not go on: one line for the host's log, then a code that cc-run turns into words. */
#include "guest/los.h"
#include "guest/ward.h"

void panic_code(enum panic_code code)
{
    for (;;) { (void)ward_call(WARD_PANIC, code, 0, 0, 0, 0); }
}

void panic(const char *why)
{
    log_warn("panic: %s", why);
    panic_code(PANIC_LOS_PANIC);
}
