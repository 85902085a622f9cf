/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One 512-byte tar header, in the forms that image tools write: ustar, pax, GNU and v7
 * [POSIX.1-2017 pax, "ustar Interchange Format"]. Numbers are octal or base-256; the checksum must
 * match. Names are cut at NUL and otherwise taken as they are: what a name may do is decided where
 * it is used.
 */
#ifndef CASEMATE_LOADER_TAR_H
#define CASEMATE_LOADER_TAR_H

#include "guest/base/cc.h"
#include "guest/base/err.h"

#define TAR_BLOCK    512
#define TAR_NAME_MAX 256 /* prefix (155), slash, name (100) */
#define TAR_LINK_MAX 100

enum tar_type {
    TAR_FILE = '0',
    TAR_HARDLINK = '1',
    TAR_SYMLINK = '2',
    TAR_CHAR = '3',
    TAR_BLOCK_DEV = '4',
    TAR_DIR = '5',
    TAR_FIFO = '6',
    TAR_PAX = 'x',
    TAR_PAX_GLOBAL = 'g',
    TAR_GNU_NAME = 'L',
    TAR_GNU_LINK = 'K',
};

struct tar_header {
    char name[TAR_NAME_MAX + 1];
    char link[TAR_LINK_MAX + 1];
    char type; /* enum tar_type or an unknown letter; v7's NUL and '7' come out as TAR_FILE */
    uint32_t mode;
    uint32_t uid, gid;
    uint64_t size; /* bytes that follow, padded to whole blocks */
    int64_t mtime;
    uint32_t major, minor;
};

bool tar_is_end(const uint8_t block[TAR_BLOCK]); /* all zero */
MUST_CHECK int tar_header_parse(const uint8_t block[TAR_BLOCK], struct tar_header *out,
                                struct err *e);

/* size rounded up to whole blocks; false when that does not fit in 64 bits */
MUST_CHECK bool tar_padded(uint64_t size, uint64_t *out);

#endif
