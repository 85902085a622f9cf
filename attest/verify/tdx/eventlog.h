/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history of a TD's runtime registers as its firmware and guest tell it: the CCEL area.
 * Replayed it must give the registers of the quote; only then may its digests be believed. The
 * bytes of the events are not covered in general: what was hashed depends on the kind of event.
 *
 * Source: [TCG-PFP] PC Client Platform Firmware Profile, crypto agile log; [GHCI] CCEL.
 */
#ifndef CASEMATE_ATTEST_VERIFY_TDX_EVENTLOG_H
#define CASEMATE_ATTEST_VERIFY_TDX_EVENTLOG_H

#include "attest/verify/tdx/quote.h"
#include "guest/base/err.h"

#define TDX_EVENT_LOG_MAX (256u << 10)

struct tdx_replay {
    uint8_t rtmr[TDX_RTMRS][TDX_MR];
    size_t events; /* without the header */
};

/* -EBADMSG when it is not such a log. */
MUST_CHECK int tdx_event_log_replay(const void *log, size_t len, struct tdx_replay *out,
                                    struct err *e);

/* Is this log the history of the quote's registers? Complaints go to v. */
void tdx_event_log_check(const void *log, size_t len, const struct tdx_quote *q, struct verdict *v);

/* One extend of a register. */
void tdx_rtmr_extend(uint8_t rtmr[TDX_MR], const uint8_t data[TDX_MR]);

#endif
