/* SPDX-License-Identifier: Apache-2.0 */
/* libs: kbs_pure rego initdata jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lcrypto */
/*
 * Approvals as anybody might send them: the bytes are a payload behind a good header, or the whole
 * text. What is read stays within its bounds, names a place in the store that is safe, and is never
 * taken as signed by a key that did not sign it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/base64.h"
#include "attest/kbs/rules/approval.h"
#include "attest/kbs/rules/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const char *text, size_t len)
{
    static struct crypto_key *key;
    struct claims c = {.tee = "sim", .initdata_len = 48, .has_registers = true};
    struct approval a;
    struct err e = {0}, v = {0};
    char name[APPROVAL_NAME_SIZE];
    const char *why;
    if (!key && crypto_key_generate(CRYPTO_ED25519, 0, &key) < 0) { abort(); }
    if (approval_parse(text, len, &a, &e) < 0) {
        if (e.text[0] == '\0') { abort(); }
        return;
    }
    approval_name(&a, name);
    if (!approver_name_ok(a.approver) || !resource_pattern_ok(a.resource) || a.count < 1 ||
        a.initdata_len < 32 || strlen(name) != strlen(a.approver) + 33) {
        abort();
    }
    if (approval_covers(&a, &c, "default/key/img", 0, &why) != (why == NULL)) { abort(); }
    if (approval_verify(text, len, key, &v) == 0) { abort(); }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char header[] =
        "{\"alg\":\"EdDSA\",\"kid\":\"alice\",\"typ\":\"casemate-approval\"}";
    static char text[8192];
    size_t n = b64u_len(sizeof header - 1);
    judge((const char *)data, size);
    if (size > 3000) { return 0; }
    b64u_encode((const uint8_t *)header, sizeof header - 1, text);
    text[n] = '.';
    b64u_encode(data, size, text + n + 1);
    memcpy(text + n + 1 + b64u_len(size), ".AAAA", sizeof ".AAAA");
    judge(text, strlen(text));
    return 0;
}
