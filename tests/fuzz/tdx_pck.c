/* SPDX-License-Identifier: Apache-2.0 */
/* libs: evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/*
 * The SGX extension of a PCK certificate, PEM around certificates, an event log: a stranger's all.
 */
#include "attest/der.h"
#include "attest/verify/tdx/eventlog.h"
#include "attest/verify/tdx/pck.h"
#include "attest/verify/tdx/pem.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct crypto_cert *certs[2];
    struct tdx_replay replay;
    struct tdx_pck p;
    struct err e = {0}, f = {0};
    if (tdx_pck_parse(data, size, &p)) {
        if (p.sgx_type > 2 || !der_is_strict(data, size)) { abort(); }
    }
    if (tdx_pem_certs(data, size, 2, certs, &e) == 0) {
        crypto_cert_free(certs[0]);
        crypto_cert_free(certs[1]);
    } else if (e.text[0] == '\0') {
        abort();
    }
    if (tdx_event_log_replay(data, size, &replay, &f) < 0 && f.text[0] == '\0') { abort(); }
    return 0;
}
