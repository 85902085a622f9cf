/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clock functions that run in the application: a shared object mapped into every process, its data page just before it.
 * Little stack, no TLS, no relocations, no state; whatever it does not know goes to the real call.
 */
#include "guest/vdso/vdso.h"

extern const struct vdso_data vdso_data HIDDEN; /* vdso.ld puts it one page before the image */

#define EXPORT      __attribute__((visibility("default")))
#define ALIAS(name) __attribute__((weak, alias(#name), visibility("default")))

#define CLOCK_REALTIME         0
#define CLOCK_MONOTONIC        1
#define CLOCK_MONOTONIC_RAW    4
#define CLOCK_REALTIME_COARSE  5
#define CLOCK_MONOTONIC_COARSE 6
#define CLOCK_BOOTTIME         7
#define CLOCK_TAI              11

#define NR_gettimeofday  96
#define NR_clock_gettime 228
#define NR_clock_getres  229
#define NR_getcpu        309
#define NS_PER_S         1000000000u

struct timespec {
    int64_t sec, nsec;
};
struct timeval {
    int64_t sec, usec;
};

static long call(long nr, long a0, long a1, long a2)
{
    long r;
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(nr), "D"(a0), "S"(a1), "d"(a2)
                     : "rcx", "r11", "memory");
    return r;
}

static inline uint64_t mono_ns(void)
{
    uint32_t lo, hi;
    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    uint64_t ticks = ((uint64_t)hi << 32 | lo) - vdso_data.base;
    return (uint64_t)((unsigned __int128)ticks * vdso_data.ns_per_tick_32 >> 32);
}

EXPORT int __vdso_clock_gettime(int32_t clock, struct timespec *out);
EXPORT int __vdso_clock_getres(int32_t clock, struct timespec *out);
EXPORT int __vdso_gettimeofday(struct timeval *out, void *zone);
EXPORT int64_t __vdso_time(int64_t *out);
EXPORT int __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

int __vdso_clock_gettime(int32_t clock, struct timespec *out)
{
    uint64_t ns = mono_ns();
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI: ns += vdso_data.wall_offset_ns; break;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME: break;
    default: return (int)call(NR_clock_gettime, clock, (long)out, 0);
    }
    out->sec = (int64_t)(ns / NS_PER_S);
    out->nsec = (int64_t)(ns % NS_PER_S);
    return 0;
}

int __vdso_clock_getres(int32_t clock, struct timespec *out)
{
    return (int)call(NR_clock_getres, clock, (long)out, 0);
}

int __vdso_gettimeofday(struct timeval *out, void *zone)
{
    if (zone != NULL) { return (int)call(NR_gettimeofday, (long)out, (long)zone, 0); }
    if (out != NULL) {
        uint64_t ns = mono_ns() + vdso_data.wall_offset_ns;
        out->sec = (int64_t)(ns / NS_PER_S);
        out->usec = (int64_t)(ns % NS_PER_S / 1000);
    }
    return 0;
}

int64_t __vdso_time(int64_t *out)
{
    int64_t s = (int64_t)((mono_ns() + vdso_data.wall_offset_ns) / NS_PER_S);
    if (out != NULL) { *out = s; }
    return s;
}

int __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
    (void)unused;
    return (int)call(NR_getcpu, (long)cpu, (long)node, 0);
}

ALIAS(__vdso_clock_gettime) int clock_gettime(int32_t clock, struct timespec *out);
ALIAS(__vdso_clock_getres) int clock_getres(int32_t clock, struct timespec *out);
ALIAS(__vdso_gettimeofday) int gettimeofday(struct timeval *out, void *zone);
ALIAS(__vdso_time) int64_t time(int64_t *out);
ALIAS(__vdso_getcpu) int getcpu(unsigned *cpu, unsigned *node, void *unused);
