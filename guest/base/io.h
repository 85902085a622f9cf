/* SPDX-License-Identifier: Apache-2.0 */
/* Whole buffers through descriptors that take and give them in pieces (hosted). */
#ifndef CASEMATE_BASE_IO_H
#define CASEMATE_BASE_IO_H

#include "guest/base/cc.h"

#include <errno.h>
#include <unistd.h>

/* 0, or what write() said; some bytes may have gone then. */
MUST_CHECK static inline int write_all(int fd, const void *p, size_t len)
{
    const uint8_t *from = p;
    while (len > 0) {
        ssize_t n = write(fd, from, len);
        if (n < 0 && errno == EINTR) { continue; }
        if (n <= 0) { return n < 0 ? -errno : -EIO; }
        from += n;
        len -= (size_t)n;
    }
    return 0;
}

/* 0, what read() said, or -ENODATA when there was less. */
MUST_CHECK static inline int read_all(int fd, void *p, size_t len)
{
    uint8_t *to = p;
    while (len > 0) {
        ssize_t n = read(fd, to, len);
        if (n < 0 && errno == EINTR) { continue; }
        if (n <= 0) { return n < 0 ? -errno : -ENODATA; }
        to += n;
        len -= (size_t)n;
    }
    return 0;
}

/* The same at a place of the file, in bytes from its start. */
MUST_CHECK static inline int pread_all(int fd, void *p, size_t len, uint64_t off)
{
    uint8_t *to = p;
    while (len > 0) {
        ssize_t n = pread(fd, to, len, (off_t)off);
        if (n < 0 && errno == EINTR) { continue; }
        if (n <= 0) { return n < 0 ? -errno : -ENODATA; }
        to += n;
        off += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

#endif
