/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Application memory, by walking the page tables. Each page is looked up (faults are resolved by
 * calling space_fault(), not by taking one) and reached through the direct map. So the library OS
 * never dereferences an application address: no fault of its own is ever legal, a pointer into the
 * library OS is refused by the same range check, and another process's memory is reached by the
 * same code. Under the big lock nothing is unmapped between look-up and copy.
 */
#include "guest/mm/space.h"
#include "guest/task/task.h"

bool user_range_ok(uint64_t va, uint64_t len)
{
    if (va < LOS_LO) { return len <= LOS_LO - va; }
    return va >= USER_HIGH_LO && va < USER_TOP && len <= USER_TOP - va;
}

/*
 * Bytes moved between own memory and [va, va + len) of s, before the first page that cannot be
 * reached.
 */
static size_t move(struct space *s, uint64_t va, char *to, const char *from, size_t len, bool write)
{
    size_t done = 0;
    if (!user_range_ok(va, len)) { return 0; }
    while (done < len) {
        char *p = space_page(s, va + done, write);
        if (p == NULL) { break; }
        size_t n = min_u64(len - done, PAGE_SIZE - (va + done) % PAGE_SIZE);
        if (!write) {
            memcpy(to + done, p, n);
        } else if (from != NULL) {
            memcpy(p, from + done, n);
        } else {
            memset(p, 0, n);
        }
        done += n;
    }
    return done;
}

size_t copy_from_user_part(void *dst, uint64_t va, size_t len)
{
    return move(current_proc()->space, va, dst, NULL, len, false);
}

size_t copy_to_user_part(uint64_t va, const void *src, size_t len)
{
    return move(current_proc()->space, va, NULL, src, len, true);
}

size_t clear_user_part(uint64_t va, size_t len)
{
    return move(current_proc()->space, va, NULL, NULL, len, true);
}

size_t space_read(struct space *s, uint64_t va, void *dst, size_t len)
{
    return move(s, va, dst, NULL, len, false);
}

size_t space_write(struct space *s, uint64_t va, const void *src, size_t len)
{
    return move(s, va, NULL, src, len, true);
}

int copy_from_user(void *dst, uint64_t va, size_t len)
{
    return copy_from_user_part(dst, va, len) == len ? 0 : -EFAULT;
}

int copy_to_user(uint64_t va, const void *src, size_t len)
{
    return copy_to_user_part(va, src, len) == len ? 0 : -EFAULT;
}

int clear_user(uint64_t va, size_t len) { return clear_user_part(va, len) == len ? 0 : -EFAULT; }

int64_t user_string(char *dst, uint64_t va, size_t size)
{
    size_t len = 0;
    while (len < size) {
        size_t n = min_u64(size - len, PAGE_SIZE - (va + len) % PAGE_SIZE);
        if (copy_from_user_part(dst + len, va + len, n) != n) { return -EFAULT; }
        const char *end = memchr(dst + len, 0, n);
        if (end != NULL) { return end - dst; }
        len += n;
    }
    return -ENAMETOOLONG;
}

int get_user_u32(uint64_t va, uint32_t *out) { return copy_from_user(out, va, sizeof *out); }

int get_user_u64(uint64_t va, uint64_t *out) { return copy_from_user(out, va, sizeof *out); }

int put_user_u32(uint64_t va, uint32_t v) { return copy_to_user(va, &v, sizeof v); }

int put_user_u64(uint64_t va, uint64_t v) { return copy_to_user(va, &v, sizeof v); }

int cmpxchg_user_u32(uint64_t va, uint32_t expect, uint32_t v, uint32_t *old)
{
    if (va % sizeof v != 0 || !user_range_ok(va, sizeof v)) { return -EFAULT; }
    uint32_t *p = (uint32_t *)space_page(current_proc()->space, va, true);
    if (p == NULL) { return -EFAULT; }
    __atomic_compare_exchange_n(p, &expect, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    *old = expect;
    return 0;
}
