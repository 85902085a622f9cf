/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls by number. Each family lists its calls in FAMILY/calls.h as SYS(number, name) lines and implements
 * sys_name(const uint64_t a[6]): decode, check, perform. Results are values or -errno; only ERESTART* of los.h are
 * translated on the way out. What Linux offers and we refuse on purpose is in sys/refused.h as REFUSE(number, errno).
 */
#ifndef CASEMATE_GUEST_SYS_SYS_H
#define CASEMATE_GUEST_SYS_SYS_H

#include "guest/los.h"

#define SYS_COUNT 512

typedef int64_t (*sys_fn)(const uint64_t a[6]);

#define SYS(nr, name) int64_t sys_##name(const uint64_t a[6]);
#include "guest/fs/calls.h"
#include "guest/mm/calls.h"
#include "guest/net/calls.h"
#include "guest/task/calls.h"
#undef SYS

/* The one dispatcher: under the big lock, current thread's registers saved. nr as the application gave it. */
int64_t sys_dispatch(uint64_t nr, const uint64_t a[6]);

#endif
