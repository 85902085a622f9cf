/* SPDX-License-Identifier: Apache-2.0 */
/* libs: evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/* A document of Intel's from a stranger: levels come out descending, or there is a reason. */
#include "attest/verify/tdx/tcb.h"

#include <stdlib.h>
#include <string.h>

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
    static struct tdx_tcb_info t;
    struct verdict v = {0};
    if (!tdx_tcb_info_parse(data, size, &t, &v)) {
        if (v.reason_count != 1) { abort(); }
        return 0;
    }
    for (size_t i = 0; i < t.module_count; i++) {
        descending(&t.modules[i].levels);
        if (tdx_module_find(&t, t.modules[i].major) != &t.modules[i]) { abort(); }
    }
    for (size_t i = 1; i < t.level_count; i++) {
        if (memcmp(t.levels[i - 1].sgx, t.levels[i].sgx, TDX_COMPONENTS) < 0) { abort(); }
    }
    tdx_tcb_info_fini(&t);
    return 0;
}
