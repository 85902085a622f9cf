/* SPDX-License-Identifier: Apache-2.0 */
/* libs: kbs_pure rego initdata jose crypto_full crypto_small base */
/* ldlibs: -lm -ljansson -lcrypto */
/* A target's path and query: there is always an answer, and a path has one part more than slashes. */
#include <stdlib.h>
#include <string.h>

#include "attest/kbs/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1); /* the server has let printable ASCII through */
    size_t slashes = 0;
    for (size_t i = 0; i < size; i++) {
        text[i] = (char)(0x21 + data[i] % 0x5e);
        slashes += text[i] == '/';
    }
    struct view v = {.p = (const uint8_t *)text, .len = size};
    auto_json path = target_path(v);
    auto_json query = target_query(v);
    free(text);
    if (json_array_size(path) != slashes + 1 || !json_is_object(query)) { abort(); }
    return 0;
}
