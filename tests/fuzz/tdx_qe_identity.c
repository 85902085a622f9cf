/* SPDX-License-Identifier: Apache-2.0 */
/* libs: evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/* A document of Intel's from a stranger: levels come out descending, or there is a reason. */
#include "attest/verify/tdx/tcb.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void descending(const struct tdx_svn_levels *l)
{
    if (l->count > TDX_SVN_LEVELS_MAX) { abort(); }
    for (size_t i = 1; i < l->count; i++) {
        if (l->v[i - 1].isv_svn < l->v[i].isv_svn) { abort(); }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tdx_qe_identity q;
    struct verdict v = {0};
    if (!tdx_qe_identity_parse(data, size, &q, &v)) {
        if (v.reason_count != 1) { abort(); }
        return 0;
    }
    descending(&q.levels);
    tdx_qe_identity_fini(&q);
    return 0;
}
