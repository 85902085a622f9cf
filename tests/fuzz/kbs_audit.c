/* SPDX-License-Identifier: Apache-2.0 */
/* libs: kbs_pure rego initdata jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/* The audit log's checker, line by line: what it lets pass is in order, and a line of rubbish is never the last word. */
#include <stdlib.h>
#include <string.h>

#include "attest/kbs/audit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct audit_check c = {0};
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t len = end ? (size_t)(end - data) - at : size - at;
        struct audit_check before = c;
        struct err e = {0};
        if (audit_check_line(&c, (const char *)data + at, len, &e) < 0) {
            if (e.text[0] == '\0' || memcmp(&before, &c, sizeof c) != 0) { abort(); }
            return 0;
        }
        if (c.lines != before.lines + 1 || (before.lines && c.seq != before.seq + 1)) { abort(); }
        if (before.after_torn && c.after_torn) { abort(); }
        at += len + 1;
    }
    return 0;
}
