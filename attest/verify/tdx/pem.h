/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates in the one text form in which quotes and the provisioning service carry them: PEM
 * blocks directly behind each other, nothing around them, and at the end a line feed, one NUL, or
 * neither.
 */
#ifndef CASEMATE_ATTEST_VERIFY_TDX_PEM_H
#define CASEMATE_ATTEST_VERIFY_TDX_PEM_H

#include "attest/crypto.h"
#include "guest/base/err.h"

/*
 * Exactly count certificates, in order. Nothing is left behind on failure: -EILSEQ when a block
 * holds no certificate in DER, other errors when the text around it is wrong.
 */
MUST_CHECK int tdx_pem_certs(const void *text, size_t len, size_t count, struct crypto_cert **out,
                             struct err *e);

#endif
