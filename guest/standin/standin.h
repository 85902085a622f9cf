/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library OS as a Linux process. RAM is a memfd, mapped where the guest has its direct map;
 * the ward is a few functions of this process; page tables are real ones and are walked by
 * software.
 *
 * Level 1, for tests and fuzzing: standin_boot(), then call sys_*() directly as the first
 * process's only thread. Its memory is reached through copy_to_user() and friends; get some with
 * standin_user_alloc().
 */
#ifndef CASEMATE_GUEST_STANDIN_STANDIN_H
#define CASEMATE_GUEST_STANDIN_STANDIN_H

#include "guest/los.h"

/*
 * A booted library OS with one process (pid 1) and one thread, current() included. Once per host
 * process.
 */
void standin_boot(void);

/* Boots with this much RAM (whole chunks, at least RAM_MIN) and in the regime asked for. */
void standin_boot_with(uint64_t ram_size, bool guarded);

/*
 * Zeroed application memory, read and write; its address. Fails the host process when memory is
 * out.
 */
uint64_t standin_user_alloc(size_t size);
/* A copy of s in application memory. */
uint64_t standin_user_string(const char *s);

/* Time stands still but for this, and for jumps to the next deadline while every thread sleeps. */
void standin_advance_clock(uint64_t ns);

#endif
