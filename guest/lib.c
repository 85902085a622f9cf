/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory and string functions of los.h without a libc. Bulk work is `rep movsb` and `rep
 * stosb`: general registers only, and fast on every processor we meet. The loops are written so
 * that no compiler turns them into calls to themselves.
 */
#include "guest/los.h"

void *memcpy(void *restrict d, const void *restrict s, size_t n)
{
    void *to = d;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(s), "+c"(n) : : "memory");
    return d;
}

void *memmove(void *d, const void *s, size_t n)
{
    if ((uintptr_t)d - (uintptr_t)s >= n) { return memcpy(d, s, n); }
    unsigned char *to = (unsigned char *)d + n - 1;
    const unsigned char *from = (const unsigned char *)s + n - 1;
    __asm__ volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(n) : : "memory", "cc");
    return d;
}

void *memset(void *d, int c, size_t n)
{
    void *to = d;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
    return d;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;
    for (size_t i = 0; i < n; i++) {
        if (x[i] != y[i]) { return x[i] < y[i] ? -1 : 1; }
    }
    return 0;
}

void *memchr(const void *s, int c, size_t n)
{
    const unsigned char *p = s;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == (unsigned char)c) { return (void *)(uintptr_t)(p + i); }
    }
    return NULL;
}

size_t strnlen(const char *s, size_t n)
{
    const char *end = memchr(s, 0, n);
    return end != NULL ? (size_t)(end - s) : n;
}

size_t strlen(const char *s) { return strnlen(s, SIZE_MAX); }

int strncmp(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i] != b[i]) { return (unsigned char)a[i] < (unsigned char)b[i] ? -1 : 1; }
        if (a[i] == 0) { return 0; }
    }
    return 0;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX); }

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c) { return (char *)(uintptr_t)s; }
        if (*s == 0) { return NULL; }
    }
}

char *strrchr(const char *s, int c)
{
    const char *last = NULL;
    for (;; s++) {
        if (*s == (char)c) { last = s; }
        if (*s == 0) { return (char *)(uintptr_t)last; }
    }
}
