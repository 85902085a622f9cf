/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory the other side can write while we look. One access each, never optimised into two; whatever is read is copied
 * to private memory once, checked there, used there. Reading the same shared field twice is a bug.
 */
#ifndef CASEMATE_BASE_SHM_H
#define CASEMATE_BASE_SHM_H

#include "guest/base/cc.h"

static inline uint32_t shm_load_u32(const uint32_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static inline uint64_t shm_load_u64(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static inline void shm_store_u32(uint32_t *p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
static inline void shm_store_u64(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
static inline void shm_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

/* Bulk copies that the compiler may neither merge nor repeat. */
static inline void shm_read(void *dst, const void *src, size_t len)
{
    __asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(len) : : "memory");
}
static inline void shm_write(void *dst, const void *src, size_t len)
{
    __asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(len) : : "memory");
}

#endif
