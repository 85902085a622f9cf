/* SPDX-License-Identifier: Apache-2.0 */
/* libs: attest_cli collateral evidence initdata jose plan crypto_full crypto_small base */
/* ldlibs: -ljansson -lcurl -lcrypto */
/* A refusal somebody kept: an error with a text, or reasons that are printable and fit. */
#include "attest/cli/refusal.h"
#include "attest/cli/words.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct refusal f;
    struct err e = {0};
    char words[WORDS_MAX];
    if (refusal_parse((const char *)data, size, &f, &e) < 0) {
        if (e.text[0] == '\0') { abort(); }
        return 0;
    }
    if (f.count == 0 || f.count > REFUSAL_REASONS_MAX) { abort(); }
    for (size_t i = 0; i < f.count; i++) {
        const struct refusal_reason *r = &f.reasons[i];
        for (const char *p = r->text; *p; p++) {
            if ((unsigned char)*p < 0x20) { abort(); }
        }
        (void)words_find(r->subject, r->rule[0] != '\0');
        words_difference(r->code ? r->code->name : "", r->found, r->wanted, words);
        words_difference("snp-guest-policy", r->found, r->wanted, words);
        if (strlen(words) >= sizeof words) { abort(); }
    }
    return 0;
}
