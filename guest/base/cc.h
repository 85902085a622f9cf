/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiler, in one file. Everything beyond C11 that this project uses (attributes, overflow builtins, barriers) is
 * spelled here and nowhere else. Compiles hosted and freestanding, gcc and clang, x86-64 only.
 */
#ifndef CASEMATE_BASE_CC_H
#define CASEMATE_BASE_CC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if !defined(__x86_64__)
#error "Casemate runs on x86-64 only"
#endif

/* A freestanding image is one link: declarations are hidden too, so that no address is taken through a table. */
#if !__STDC_HOSTED__
#pragma GCC visibility push(hidden)
#endif

#define MUST_CHECK       __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define NORETURN         __attribute__((noreturn))
#define ALIGNED(n)       __attribute__((aligned(n)))
#define UNUSED           __attribute__((unused))
#define SECTION(s)       __attribute__((section(s)))
#define NOINLINE         __attribute__((noinline))
#define HIDDEN           __attribute__((visibility("hidden")))
#define likely(x)        __builtin_expect(!!(x), 1)
#define unlikely(x)      __builtin_expect(!!(x), 0)

#define ARRAY_COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(p, type, member) ((type *)(void *)((char *)(p) - offsetof(type, member)))

/* Layouts that two builds share: each size and offset that a specification names is asserted. */
#define ABI_SIZE(type, n)       _Static_assert(sizeof(type) == (n), "size of " #type)
#define ABI_AT(type, member, n) _Static_assert(offsetof(type, member) == (n), "offset of " #type "." #member)

static inline void compiler_barrier(void) { __asm__ volatile("" ::: "memory"); }
static inline void cpu_relax(void) { __asm__ volatile("pause" ::: "memory"); }

/* A guest-physical address. A type of its own, so that the monitor cannot follow it by mistake. */
typedef struct {
    uint64_t v;
} gpa_t;

#endif
