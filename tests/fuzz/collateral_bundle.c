/* SPDX-License-Identifier: Apache-2.0 */
/* libs: collateral evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -ljansson -lcurl -lcrypto */
/*
 * A bundle, as a stranger made it and as the operator would have signed it; a name of an item; an
 * answer of a vendor's service. The store is a place where nothing can be written.
 */
#include "attest/collateral/bundle.h"
#include "attest/collateral/fetch.h"

#include "attest/base64.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct collateral_store nowhere = {
    .dir = "/proc/none", .tdx_root = tdx_intel_root, .snp_roots = &snp_amd_roots};

static void import_signed(const struct crypto_key *key, const char *payload)
{
    static const char magic[] = "casemate-collateral-v1";
    char *message, *text, sig_text[100];
    uint8_t sig[CRYPTO_ED25519_SIG_SIZE];
    struct bundle_result r;
    struct err e = {0};
    if (asprintf(&message, "%s\n%s", magic, payload) < 0 ||
        crypto_ed25519_sign(key, message, strlen(message), sig) < 0) {
        abort();
    }
    b64_encode(sig, sizeof sig, sig_text);
    if (asprintf(&text, "%s %s\n%s", magic, sig_text, payload) < 0) { abort(); }
    int rc = bundle_import(&nowhere, &key, 1, text, strlen(text), &r, &e);
    if (rc == -EKEYREJECTED || (rc == 0 && r.written != 0)) { abort(); }
    free(message);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct crypto_key *key;
    struct collateral_id id, again;
    struct bundle_result r;
    struct err e = {0}, f = {0};
    char *document = NULL, *signature = NULL, *pem = NULL, name[COLLATERAL_NAME_MAX];
    char *text = strndup((const char *)data, size);
    if (!text || (!key && crypto_key_generate(CRYPTO_ED25519, 0, &key) < 0)) { abort(); }
    if (bundle_import(&nowhere, (const struct crypto_key *const *)&key, 1, text, strlen(text), &r,
                      &e) == 0) {
        abort();
    }
    import_signed(key, text);
    if (collateral_parse_name(text, &id)) {
        collateral_name(&id, name);
        if (strcmp(name, text) != 0 || !collateral_parse_name(name, &again)) { abort(); }
    }
    if (fetch_signed(text, strlen(text), "tcbInfo", &document, &signature, &f) == 0) {
        if (document[0] != '{' || !strstr(text, document)) { abort(); }
    }
    f = (struct err){0};
    if (fetch_unescape(text, &pem, &f) == 0 && strlen(pem) > strlen(text)) { abort(); }
    free(document);
    free(signature);
    free(pem);
    free(text);
    return 0;
}
