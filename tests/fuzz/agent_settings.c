/* SPDX-License-Identifier: Apache-2.0 */
/* libs: agent evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -lssl -ljansson -lcrypto */
/* Initdata as the agent reads them: settings or one error. */
#include "attest/agent/settings.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_settings s = {0};
    struct err e = {0};
    int r = agent_settings_read((const char *)data, size, &s, &e);
    if ((r < 0) != (e.text[0] != '\0')) { abort(); }
    if (r < 0 && (s.broker.url || s.credential_count > 0 || s.rest_resource)) { abort(); }
    return 0;
}
