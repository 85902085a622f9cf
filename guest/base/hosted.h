/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope-exit attributes for hosted code: the closed list. A variable with one of them is initialised where it is
 * declared and handed on only through steal_fd() or steal_ptr(); no goto crosses it; a close that can lose data is still
 * written out. Firmware and guest use goto ladders instead, so this file refuses to compile there.
 */
#ifndef CASEMATE_BASE_HOSTED_H
#define CASEMATE_BASE_HOSTED_H

#if !__STDC_HOSTED__
#error "hosted.h is for hosted code only"
#endif

#include "guest/base/cc.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct map {
    void *p; /* NULL = none */
    size_t len;
};

static inline void hosted_free(void *pp)
{
    void **p = pp;
    free(*p);
}
static inline void hosted_close(int *fd)
{
    if (*fd >= 0) { (void)close(*fd); }
}
static inline void hosted_fclose(FILE **f)
{
    if (*f) { (void)fclose(*f); }
}
static inline void hosted_unmap(struct map *m)
{
    if (m->p) { (void)munmap(m->p, m->len); }
}

#define auto_free __attribute__((cleanup(hosted_free)))
#define auto_fd   __attribute__((cleanup(hosted_close))) int
#define auto_file __attribute__((cleanup(hosted_fclose))) FILE *
#define auto_map  __attribute__((cleanup(hosted_unmap))) struct map

static inline int steal_fd(int *fd)
{
    int r = *fd;
    *fd = -1;
    return r;
}

/* Returns the pointer held in *(T **)pp and leaves NULL behind. */
static inline void *steal_ptr_raw(void *pp)
{
    void **p = pp;
    void *r = *p;
    *p = NULL;
    return r;
}
#define steal_ptr(pp) ((__typeof__(*(pp)))steal_ptr_raw(pp))

#endif
