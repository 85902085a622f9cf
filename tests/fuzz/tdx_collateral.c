/* SPDX-License-Identifier: Apache-2.0 */
/* libs: evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/*
 * A set of collateral from a stranger, believing whatever root it brings, so that all of it is
 * read: opened, or there is a reason. Under a root whose key nobody has it never opens.
 */
#include "attest/json.h"
#include "attest/verify/tdx/collateral.h"
#include "attest/verify/tdx/pem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void root_of(const uint8_t *data, size_t size, uint8_t out[TDX_ROOT_SIZE])
{
    struct crypto_cert *chain[2];
    struct err e = {0};
    auto_json set = NULL;
    if (json_load_strict("set", data, size, TDX_COLLATERAL_MAX, &set, &e) < 0) { return; }
    const char *pem = json_string_value(json_object_get(set, "tcb_info_issuer_chain"));
    if (!pem || tdx_pem_certs(pem, strlen(pem), 2, chain, &e) < 0) { return; }
    if (crypto_cert_key_sha256(chain[1], out) < 0) { abort(); }
    crypto_cert_free(chain[0]);
    crypto_cert_free(chain[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t root[TDX_ROOT_SIZE] = {0};
    static const uint8_t nobody[TDX_ROOT_SIZE];
    struct tdx_collateral *c;
    struct verdict v = {0};
    tdx_collateral_open(data, size, nobody, &c, &v);
    if (c || v.reason_count == 0) { abort(); }
    v = (struct verdict){0};
    root_of(data, size, root);
    tdx_collateral_open(data, size, root, &c, &v);
    if (!c != (v.reason_count != 0)) { abort(); }
    if (c) {
        int64_t expires = tdx_collateral_expires(c);
        tdx_collateral_at(c, expires + 1, &v);
        if (v.reason_count == 0) { abort(); }
    }
    tdx_collateral_free(c);
    return 0;
}
