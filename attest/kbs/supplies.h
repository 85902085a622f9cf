/* SPDX-License-Identifier: Apache-2.0 */
/* The vendors' services behind a broker's directories: a supply for each that the configuration names. */
#ifndef CASEMATE_ATTEST_KBS_SUPPLIES_H
#define CASEMATE_ATTEST_KBS_SUPPLIES_H

#include "attest/collateral/supply.h"
#include "attest/kbs/config/config.h"

struct supplies {
    struct supply *amd, *intel; /* NULL = none */
};

/* changed: as supply_setup's. Nothing is started where [collateral] is absent. */
MUST_CHECK int supplies_start(const struct config *c, void (*changed)(void *ctx), void *ctx,
                              struct supplies *out, struct err *e);
void supplies_stop(struct supplies *s); /* a zeroed one is fine */

/* The next line for a log. */
bool supplies_news(const struct supplies *s, char out[SUPPLY_NEWS_SIZE]);

struct supplies_counts {
    uint64_t fetched, refused, outages;
    uint32_t away; /* services, now */
};
struct supplies_counts supplies_counts(const struct supplies *s);

#endif
