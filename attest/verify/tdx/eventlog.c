/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See eventlog.h. Reads bytes of strangers. A first record in the old form names the algorithms;
 * the rest are records of {index, type, digests, event} until the index is all ones or the area
 * ends. Index 0 stands for MRTD, 1 to 4 for RTMR 0 to 3.
 */
#include "attest/verify/tdx/eventlog.h"

#include "attest/crypto.h"
#include "attest/verify/tdx/codes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EV_NO_ACTION   3
#define INDEX_END      0xffffffffu
#define ALG_SHA384     0x000c
#define ALGORITHMS_MAX 4

/* Algorithm identifiers of [TCG-PFP] that a log may name, and the sizes they must have. */
static size_t algorithm_size(uint16_t alg)
{
    switch (alg) {
    case 0x0004: return 20; /* SHA-1 */
    case 0x000b: return 32;
    case ALG_SHA384: return 48;
    case 0x000d: return 64;
    default: return 0;
    }
}

void tdx_rtmr_extend(uint8_t rtmr[TDX_MR], const uint8_t data[TDX_MR])
{
    uint8_t both[2 * TDX_MR];
    memcpy(both, rtmr, TDX_MR);
    memcpy(both + TDX_MR, data, TDX_MR);
    crypto_sha384(both, sizeof both, rtmr);
}

/* "Spec ID Event03": the algorithms, among them SHA-384. */
static int header_read(struct cur *c, struct err *e)
{
    static const char signature[16] = "Spec ID Event03";
    bool sha384 = false, known = true;
    cur_skip(c, 4); /* PCR index */
    uint32_t type = cur_u32le(c);
    cur_skip(c, 20); /* digest of the old form */
    struct view event = cur_sub(c, cur_u32le(c));
    struct cur s = cur_of(event.p, event.len);
    const uint8_t *sign = cur_take(&s, sizeof signature);
    cur_skip(&s, 8); /* platform class, versions, size of an integer */
    uint32_t count = cur_u32le(&s);
    if (c->bad || s.bad || type != EV_NO_ACTION || memcmp(sign, signature, sizeof signature) != 0 ||
        count == 0 || count > ALGORITHMS_MAX) {
        return err_set(e, EBADMSG, "event log: does not begin with a Spec ID event");
    }
    for (uint32_t i = 0; i < count; i++) {
        uint16_t alg = cur_u16le(&s);
        size_t size = cur_u16le(&s);
        known = known && size != 0 && size == algorithm_size(alg);
        sha384 = sha384 || alg == ALG_SHA384;
    }
    cur_skip(&s, cur_u8(&s)); /* vendor's information */
    if (!cur_end(&s) || !known || !sha384) {
        return err_set(e, EBADMSG, "event log: an algorithm nobody knows here, or no SHA-384");
    }
    return 0;
}

/* The SHA-384 digest of a record; NULL when there is not exactly one. */
static const uint8_t *digest_read(struct cur *c)
{
    const uint8_t *found = NULL;
    uint32_t count = cur_u32le(c);
    if (count == 0 || count > ALGORITHMS_MAX) { return NULL; }
    for (uint32_t i = 0; i < count; i++) {
        uint16_t alg = cur_u16le(c);
        const uint8_t *digest = cur_take(c, algorithm_size(alg));
        if (!digest || algorithm_size(alg) == 0 || (alg == ALG_SHA384 && found)) { return NULL; }
        if (alg == ALG_SHA384) { found = digest; }
    }
    return found;
}

static int record_read(struct cur *c, uint32_t index, struct tdx_replay *r, struct err *e)
{
    uint32_t type = cur_u32le(c);
    const uint8_t *digest = digest_read(c);
    cur_skip(c, cur_u32le(c)); /* the event */
    if (c->bad || !digest) {
        return err_set(e, EBADMSG, "event log: record %zu is malformed or cut short",
                       r->events + 1);
    }
    r->events++;
    if (type == EV_NO_ACTION) { return 0; }
    if (index == 0 || index > TDX_RTMRS) {
        return err_set(e, EBADMSG,
                       "event log: record %zu is about register %" PRIu32 ", wanted 1 to %d",
                       r->events, index, TDX_RTMRS);
    }
    tdx_rtmr_extend(r->rtmr[index - 1], digest);
    return 0;
}

int tdx_event_log_replay(const void *log, size_t len, struct tdx_replay *out, struct err *e)
{
    struct cur c = cur_of(log, len);
    struct tdx_replay r = {0};
    if (len > TDX_EVENT_LOG_MAX) {
        return err_set(e, E2BIG, "event log: more than %u bytes", TDX_EVENT_LOG_MAX);
    }
    int rc = header_read(&c, e);
    while (rc == 0 && c.left > 0) {
        uint32_t index = cur_u32le(&c);
        if (!c.bad && index == INDEX_END) { break; }
        rc = record_read(&c, index, &r, e);
    }
    if (rc == 0) { *out = r; }
    return rc;
}

void tdx_event_log_check(const void *log, size_t len, const struct tdx_quote *q, struct verdict *v)
{
    struct tdx_replay r;
    struct err e = {0};
    if (tdx_event_log_replay(log, len, &r, &e) < 0) {
        verdict_refuse(v, &tdx_codes[TDX_CODE_EVENT_LOG], "a log that does not parse",
                       "the CCEL area", "%s", e.text);
        return;
    }
    for (size_t i = 0; i < TDX_RTMRS; i++) {
        verdict_check_bytes(v, memcmp(r.rtmr[i], q->rtmr[i], TDX_MR) == 0,
                            &tdx_codes[TDX_CODE_EVENT_LOG_REPLAY], r.rtmr[i], q->rtmr[i], TDX_MR);
    }
}
