/* SPDX-License-Identifier: Apache-2.0 */
/* Level 1: the boot list of guest/main.c, for a process whose caller plays the application. */
#include "guest/standin/standin.h"

#include "guest/mm/frames.h"
#include "guest/mm/space.h"
#include "guest/standin/ward_native.h"
#include "guest/task/task.h"

void standin_first_thread(void); /* stubs.c, until processes are real here */

void standin_boot(void) { standin_boot_with(256ull << 20, false); }

void standin_boot_with(uint64_t ram_size, bool guarded)
{
    native_ward_start(ram_size, guarded);
    frames_init();
    tables_init();
    standin_first_thread();
}

uint64_t standin_user_alloc(size_t size)
{
    int64_t va = space_map(current_proc()->space, 0, size, LPROT_READ | LPROT_WRITE, LMAP_PRIVATE | LMAP_ANONYMOUS, NULL, 0);
    if (va < 0) { panic("stand-in: no application memory"); }
    return (uint64_t)va;
}

uint64_t standin_user_string(const char *s)
{
    size_t size = strlen(s) + 1;
    uint64_t va = standin_user_alloc(size);
    if (copy_to_user(va, s, size) < 0) { panic("stand-in: out of memory"); }
    return va;
}
