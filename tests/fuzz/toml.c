/* SPDX-License-Identifier: Apache-2.0 */
/* libs: initdata jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/*
 * Configuration text from a stranger, and the same text as initdata: a tree, or an error with a
 * text.
 */
#include "attest/initdata.h"
#include "attest/toml.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    json_t *j = NULL;
    struct initdata d = {0};
    int r = toml_load("t", data, size, 1u << 20, &j, &e);
    if ((r == 0) != (j != NULL) || (r < 0) != (e.text[0] != '\0')) { abort(); }
    json_decref(j);
    e = (struct err){0};
    if (initdata_parse(data, size, &d, &e) == 0 && (r < 0 || d.digest_len < 32)) { abort(); }
    initdata_fini(&d);
    return 0;
}
