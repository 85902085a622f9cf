/* SPDX-License-Identifier: Apache-2.0 */
/* Files that the owner names: read whole, and made where there was none. */
#ifndef CASEMATE_ATTEST_KBS_FILE_H
#define CASEMATE_ATTEST_KBS_FILE_H

#include "attest/crypto.h"
#include "attest/kbs/store/value.h"

#define PEM_MAX (64u * 1024)

/* The whole of a file of at most max bytes. private: refuse one that others may read. */
MUST_CHECK int file_read(const char *path, size_t max, bool private, struct store_value *out,
                         struct err *e);
/* A key in PEM. */
MUST_CHECK int file_key(const char *path, bool private, struct crypto_key **out, struct err *e);

/* A new file, on disk when this returns 0; one that is there is never replaced. private: for its owner alone. */
MUST_CHECK int file_make(const char *path, bool private, const void *p, size_t len, struct err *e);

#endif
