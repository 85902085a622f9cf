/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system-call table, assembled from the families' lists. Numbers that no list has answer ENOSYS quietly; the upper
 * half of rax is ignored, as Linux ignores it. Private calls of init's world are behind one test (sys/private.c).
 */
#include "guest/sys/sys.h"

#include "guest/abi/init.h"
#include "guest/sys/private.h"

static const sys_fn table[SYS_COUNT] = {
#define SYS(nr, name) [nr] = sys_##name,
#include "guest/fs/calls.h"
#include "guest/mm/calls.h"
#include "guest/net/calls.h"
#include "guest/task/calls.h"
#undef SYS
};

/* Calls that exist and are refused on purpose. */
static const uint8_t refused[SYS_COUNT] = {
#define REFUSE(nr, err) [nr] = (err),
#include "guest/sys/refused.h"
#undef REFUSE
};

int64_t sys_dispatch(uint64_t rax, const uint64_t a[6])
{
    uint32_t nr = (uint32_t)rax;

    if (likely(nr < SYS_COUNT)) {
        if (likely(table[nr] != NULL)) { return table[nr](a); }
        return refused[nr] != 0 ? -(int64_t)refused[nr] : -ENOSYS;
    }
    if (nr >= CC_CALL_LO && nr < CC_CALL_HI) { return private_call(nr, a); }
    return -ENOSYS;
}
