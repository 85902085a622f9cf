/* SPDX-License-Identifier: Apache-2.0 */
/* What every file of the ward stands on: the machine as its placer described it, the count of flushes, the one way to stop. */
#include "firmware/ward/ward.h"

struct ward_state ward_state;
uint64_t ward_flush_seq;

NORETURN void ward_panic(enum panic_code code)
{
    for (;;) { out32(PORT_PANIC, (uint32_t)code); }
}
