/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypt or decrypt every layer of an image, from one layout into another. An index stays an
 * index: each of its images is converted. What does not change keeps its bytes, so decrypting gives
 * back the digests of the image that was encrypted.
 */
#ifndef CASEMATE_LOADER_RECRYPT_H
#define CASEMATE_LOADER_RECRYPT_H

#include "loader/image/layout.h"
#include "loader/keys.h"
#include "loader/layout_write.h"

enum recrypt_mode {
    RECRYPT_ENCRYPT =
        1,           /* for the recipients in keys; a layer that is encrypted already is refused */
    RECRYPT_DECRYPT, /* with the keys; diff ids are checked, as the guest does */
};

/*
 * src layout and tag; the top entry of its index.json is what gets converted and entered under
 * dst_tag
 */
MUST_CHECK int recrypt(enum recrypt_mode mode, struct layout *src, const char *src_tag,
                       struct layout_writer *dst, const char *dst_tag, struct keys *keys,
                       struct digest *out_top, struct err *e);

#endif
