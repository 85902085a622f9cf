/* SPDX-License-Identifier: Apache-2.0 */
/* See references.h. */
#include "attest/kbs/references.h"

/* A value is a digest in hex or a list of them; anything else in it matches nothing. */
static struct reference_answer reference_ask(void *ctx, const char *tee,
                                             const uint8_t measurement[CLAIMS_MEASUREMENT])
{
    struct reference_answer a = {0};
    const char *name = reference_name_of(tee);
    auto_store_value text = {0};
    struct err e = {0};
    if (!name || store_get(ctx, STORE_REFERENCE, name, &text, &e) < 0) { return a; }
    auto_json value = json_loadb((const char *)text.p, text.len, JSON_DECODE_ANY, NULL);
    return reference_answer_of(value, measurement);
}

struct references references_in(struct store *st)
{
    return (struct references){.ctx = st, .ask = reference_ask};
}

static json_t *reference_get(void *ctx, const char *name)
{
    auto_store_value text = {0};
    struct err e = {0};
    if (store_get(ctx, STORE_REFERENCE, name, &text, &e) < 0) { return NULL; }
    return json_loadb((const char *)text.p, text.len, JSON_DECODE_ANY, NULL);
}

struct reference_source reference_source_in(struct store *st)
{
    return (struct reference_source){.ctx = st, .get = reference_get};
}
