/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The big lock. A test-and-set spin lock: holders do not sleep with it, they hand it to the thread they switch to. The
 * holder's vCPU may be off its core, so a waiter spins about 2 us and then gives the core away once.
 */
#include "guest/task/sched.h"
#include "guest/ward.h"

#define SPINS_BEFORE_RELAX 64

static uint32_t locked;

void big_lock(void)
{
    for (unsigned spins = 0; __atomic_exchange_n(&locked, 1, __ATOMIC_ACQUIRE) != 0;) {
        while (__atomic_load_n(&locked, __ATOMIC_RELAXED) != 0) {
            cpu_relax();
            if (++spins % SPINS_BEFORE_RELAX == 0) { (void)ward_call(WARD_RELAX, 0, 0, 0, 0, 0); }
        }
    }
}

void big_unlock(void) { __atomic_store_n(&locked, 0, __ATOMIC_RELEASE); }
