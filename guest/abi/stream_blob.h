/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STREAM_KIND_BLOB: name = digest as in a manifest ("sha256:<64 hex>"), or "volume:NAME" for a file
 * that is the host's and may change, both rings. OPENED carries
 * the size, or -ENOENT. The guest sends requests, the host answers each with exactly `len` bytes,
 * in order, without a header; requests may be sent ahead. A request outside the blob, or a blob
 * that can no longer be read, is the stream's error. Bytes are untrusted: the reader checks the
 * digest.
 */
#ifndef CASEMATE_GUEST_ABI_STREAM_BLOB_H
#define CASEMATE_GUEST_ABI_STREAM_BLOB_H

#include "guest/base/cc.h"

struct stream_blob_read {
    uint64_t off;
    uint32_t len;      /* 1 .. STREAM_BLOB_READ_MAX, off + len inside the blob */
    uint32_t reserved; /* zero, checked */
};
ABI_SIZE(struct stream_blob_read, 16);
#define STREAM_BLOB_READ_MAX 0x100000u
#define STREAM_BLOB_NAME_MAX 135u /* "sha512:" and 128 hex digits */

#endif
