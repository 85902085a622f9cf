/* SPDX-License-Identifier: Apache-2.0 */
/* From sample evidence on the wire to claims; what the guest cannot have told are CoCo's constants. [coco §5.3] */
#include "attest/kbs/evidence/sample.h"

#include "attest/initdata.h"
#include "attest/transcript.h"
#include "attest/verify/sample.h"

#include <string.h>

/* What is demanded of report data: a further device does not cover the additional evidence, which carries it. */
static int report_data_wanted(const struct evidence *ev, uint8_t out[TRANSCRIPT_REPORT_DATA],
                              struct err *e)
{
    return ev->additional ? transcript_report_data(ev->nonce, ev->tee_key, ev->additional,
                                                   CRYPTO_SHA384, out, e)
                          : transcript_device_data(ev->nonce, ev->tee_key, CRYPTO_SHA384, out, e);
}

/* Nothing binds initdata to this evidence; their digest is told all the same, as CoCo does. */
static int initdata_tell(const struct evidence *ev, struct claims *c, struct err *e)
{
    auto_initdata d = {0};
    if (ev->initdata.len == 0) { return 0; }
    int rc = initdata_parse(ev->initdata.p, ev->initdata.len, &d, e);
    if (rc < 0) { return rc; }
    memcpy(c->initdata, d.digest, d.digest_len);
    c->initdata_len = d.digest_len;
    return 0;
}

static void judge(const struct evidence *ev, struct sample_facts *facts, struct claims *out,
                  struct verdict *v)
{
    uint8_t report_data[TRANSCRIPT_REPORT_DATA];
    struct claims c = {.phase = CLAIMS_PHASE_INIT};
    struct err e = {0};
    int rc = report_data_wanted(ev, report_data, &e);
    if (rc == 0) { rc = initdata_tell(ev, &c, &e); }
    if (rc < 0) {
        verdict_refuse(v, &sample_codes[SAMPLE_EVIDENCE], "a handshake that does not parse",
                       "nonce, key and initdata", "%s", e.text);
        return;
    }
    verify_sample(ev->primary, report_data, facts, v);
    if (v->result != VERDICT_ACCEPTED) { return; }
    memcpy(c.report_data, report_data, sizeof c.report_data);
    *out = c;
}

static void sample_verify(void *ctx, const struct evidence *ev, struct claims *out,
                          struct verdict *v)
{
    (void)ctx;
    struct sample_facts facts;
    judge(ev, &facts, out, v);
    if (v->result != VERDICT_ACCEPTED) { return; }
    out->platform = json_pack("{s:b, s:s, s:{s:i, s:i}, s:s}", "debug", 0, "launch_digest", "abcde",
                              "platform_version", "major", 1, "minor", 4, "svn", facts.svn);
}

static void sampledevice_verify(void *ctx, const struct evidence *ev, struct claims *out,
                                struct verdict *v)
{
    (void)ctx;
    struct sample_facts facts;
    judge(ev, &facts, out, v);
    if (v->result == VERDICT_ACCEPTED) { out->platform = json_pack("{s:s}", "svn", facts.svn); }
}

struct verifier evidence_sample_verifier(void)
{
    return (struct verifier){
        .name = "sample", .kind = "sample", .further = true, .verify = sample_verify};
}

struct verifier evidence_sampledevice_verifier(void)
{
    return (struct verifier){.name = "sampledevice",
                             .kind = "sampledevice",
                             .class = CLAIMS_GPU,
                             .further = true,
                             .verify = sampledevice_verify};
}
