/* SPDX-License-Identifier: Apache-2.0 */
/* See tdx.h. */
#include "attest/verify/tdx/tdx.h"

#include "attest/base64.h"
#include "attest/json.h"
#include "attest/verify/tdx/codes.h"
#include "attest/verify/tdx/eventlog.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool signature_check(const struct tdx_quote *q, const struct crypto_key *key,
                            struct verdict *v)
{
    uint8_t digest[CRYPTO_SHA256_SIZE];
    crypto_sha256(q->signed_bytes.p, q->signed_bytes.len, digest);
    bool good =
        crypto_ecdsa_verify(key, digest, sizeof digest, q->signature.p, q->signature.len) == 0;
    return verdict_check(v, good, &tdx_codes[TDX_CODE_QUOTE_SIGNATURE],
                         good ? "verifies" : "does not verify",
                         "verifies with the attestation key");
}

/* What may have happened to the platform's certificates since they were issued. */
static void platform_check(const struct tdx_endorsement *n, const struct tdx_collateral *c,
                           int64_t now, struct verdict *v)
{
    tdx_check_cert(&n->root, NULL, now, v);
    tdx_check_cert(&n->pck_ca, &c->root_crl, now, v);
    (void)tdx_step(v, tdx_same_authority(&n->pck_ca, &c->pck_ca), TDX_CODE_CRL_ISSUER,
                   c->pck_ca.subject, n->pck_ca.subject);
    tdx_check_cert(&n->pck, &c->pck_crl, now, v);
}

static void round_check(const struct tdx_collateral *c, uint32_t min, struct verdict *v)
{
    char found[16], wanted[32];
    (void)snprintf(found, sizeof found, "%" PRIu32, c->tcb.evaluation);
    (void)snprintf(wanted, sizeof wanted, "at least %" PRIu32, min);
    verdict_check(v, c->tcb.evaluation >= min, &tdx_codes[TDX_CODE_COLLATERAL_ROLLBACK], found,
                  wanted);
}

/* Everything that is left when the signatures are good. */
static void judge(const struct tdx_demand *d, const struct tdx_endorsement *n, struct tdx_facts *f,
                  struct verdict *v)
{
    const struct tdx_collateral *c = d->collateral_for(d->ctx, n);
    if (c) {
        f->evaluation = c->tcb.evaluation;
        f->expires = tdx_collateral_expires(c);
        tdx_collateral_at(c, d->now, v);
        platform_check(n, c, d->now, v);
        round_check(c, d->min_evaluation, v);
        tdx_appraise(&f->quote, &f->platform, c, &f->appraisal, v);
    } else {
        verdict_check(v, false, &tdx_codes[TDX_CODE_COLLATERAL], "none",
                      "what Intel says about this platform");
    }
    tdx_policy_apply(d->policy, &f->quote, &f->platform, &f->appraisal, v);
}

const struct tdx_collateral *tdx_collateral_given(void *ctx, const struct tdx_endorsement *n)
{
    (void)n;
    return ctx;
}

void verify_tdx(const void *quote, size_t len, const struct tdx_demand *d,
                struct tdx_facts *out_facts, struct verdict *v)
{
    struct tdx_facts f = {0};
    if (!tdx_quote_parse(quote, len, &f.quote, v)) { return; }
    *out_facts = f;
    const struct tdx_endorsement *n = tdx_endorsements_get(d->endorsements, &f.quote, v);
    if (!n || !signature_check(&f.quote, n->attestation_key, v)) { return; }
    f.platform = n->platform;
    judge(d, n, &f, v);
    *out_facts = f;
    verdict_close(v);
}

/* ---- as it travels --------------------------------------------------------------------------- */

void tdx_evidence_fini(struct tdx_evidence *ev)
{
    free(ev->quote);
    free(ev->log);
    *ev = (struct tdx_evidence){0};
}

static int decode(const char *name, const char *text, size_t max, uint8_t **out, size_t *out_len,
                  struct err *e)
{
    size_t cap = b64_decoded_max(strlen(text));
    if (cap > max + 3) {
        return err_set(e, E2BIG, "tdx evidence: \"%s\" has more than %zu bytes", name, max);
    }
    auto_free uint8_t *p = malloc(cap);
    if (!p) { return err_set(e, ENOMEM, "tdx evidence: out of memory"); }
    if (b64_decode(text, strlen(text), p, cap, out_len) < 0) {
        return err_set(e, EBADMSG, "tdx evidence: \"%s\" is not base64", name);
    }
    *out = steal_ptr(&p);
    return 0;
}

int tdx_evidence_parse(const json_t *primary, struct tdx_evidence *out, struct err *e)
{
    auto_tdx_evidence ev = {0};
    const char *text, *name;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)primary, name, value) {
        if (strcmp(name, "quote") != 0 && strcmp(name, "cc_eventlog") != 0) {
            return err_set(e, EBADMSG, "tdx evidence: unknown member \"%.60s\"", name);
        }
    }
    int r = json_get_text("tdx evidence", primary, "quote", &text, e);
    if (r == 0) { r = decode("quote", text, TDX_INPUT_MAX, &ev.quote, &ev.quote_len, e); }
    if (r < 0) { return r; }
    const json_t *log = json_object_get(primary, "cc_eventlog");
    if (log && !json_is_null(log)) {
        r = json_get_text("tdx evidence", primary, "cc_eventlog", &text, e);
        if (r == 0) { r = decode("cc_eventlog", text, TDX_EVENT_LOG_MAX, &ev.log, &ev.log_len, e); }
        if (r < 0) { return r; }
    }
    *out = ev;
    ev = (struct tdx_evidence){0};
    return 0;
}
