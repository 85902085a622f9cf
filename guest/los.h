/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every file of the library OS may use: errno values, the big lock's rules, logging, panic, memory functions.
 *
 * One lock. Library-OS code runs under one lock: taken on entry from the application (system call, upcall), dropped on
 * the way out and while a thread sleeps. Applications run in parallel on all vCPUs; the library OS does not. So no other lock exists, nothing
 * is preempted in here, and a condition that was tested stays true until the next call that may sleep. Functions that
 * may sleep say so.
 */
#ifndef CASEMATE_GUEST_LOS_H
#define CASEMATE_GUEST_LOS_H

#include "guest/base/cc.h"
#include "guest/base/list.h"
#include "guest/base/ovf.h"

#ifdef CASEMATE_STANDIN
#include <string.h>
#else
void *memcpy(void *restrict d, const void *restrict s, size_t n);
void *memmove(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
#endif

#include "firmware/abi/panic.h"
#include "guest/abi/linux_errno.h"

/* Internal results of a system call; never reach the application. Values as in Linux. */
#define ERESTARTSYS   512 /* restart if SA_RESTART or no handler ran, else EINTR */
#define ERESTARTNOHAND 514 /* restart only if no handler ran, else EINTR          */
#define ERESTART_RESTARTBLOCK 516 /* resume with the time that is left, else EINTR */

/* Bounded formatting for logs and /proc: %s %d %u %x %c %% with l/ll/z, width, 0, -, and .* for strings. */
size_t fmt(char *buf, size_t size, const char *f, ...) PRINTF_LIKE(3, 4);
void log_info(const char *f, ...) PRINTF_LIKE(1, 2);  /* host-visible: no secrets, no application data, no pointers */
void log_warn(const char *f, ...) PRINTF_LIKE(1, 2);
NORETURN void panic(const char *why);
NORETURN void panic_code(enum panic_code code);

/* Small objects from pools, zeroed; NULL when memory is out. Free accepts NULL. At most 64 KiB. */
void *mem_alloc(size_t size);
void mem_free(void *p);

#endif
