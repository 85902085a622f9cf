/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store that is filled while it is used: a thread of its own asks one vendor's service, or a
 * mirror of it, for what somebody missed and, once in a while, again for what can expire.
 *
 *   1. No call here waits for a network or a disk: wanting, looking and keeping return at once.
 *   2. Nobody sees what was fetched before collateral_check() has said yes, and the store takes it
 *      as it takes any other item: whole, and never in place of a newer one.
 *   3. A chip's certificate, which any stranger's report may ask for, stays in memory (the least
 *      used of SUPPLY_ITEMS_MAX gives way) until supply_keep(): a report that it signed was
 *      accepted. So strangers fill no disk; they are allowed SUPPLY_BURST such questions, and one
 *      more each second. Of everything else there is only as much as vendors make.
 *   4. What could not be had is not asked for again before a pause is over, which doubles each
 *      time. A service that does not answer is left alone altogether, in the same way.
 *   5. What is in the store stays and is served, however long a service is away.
 *
 * The dates of files say when to ask again: this machine's clock, with which nothing is judged.
 */
#ifndef CASEMATE_ATTEST_COLLATERAL_SUPPLY_H
#define CASEMATE_ATTEST_COLLATERAL_SUPPLY_H

#include "attest/collateral/fetch.h"

#define SUPPLY_ITEMS_MAX 256 /* remembered: fetched, wanted, or refused a moment ago */
#define SUPPLY_QUEUE_MAX 32  /* wanted at one time */
#define SUPPLY_BURST     64
#define SUPPLY_PAUSE_MS  10000 /* the first; doubled SUPPLY_DOUBLINGS times at most */
#define SUPPLY_DOUBLINGS 8
#define SUPPLY_NEWS_SIZE 320

struct supply;

struct supply_setup {
    struct collateral_store store; /* its directory and the texts in `from` are copied, its roots
                                      are borrowed and outlive it */
    struct fetch_from from;        /* `stop` is filled in */
    bool intel;                    /* asks for Intel's items; else for AMD's */
    int64_t refresh_s;             /* what can expire is asked for when its file is that old */
    uint32_t pause_ms;             /* 0 = SUPPLY_PAUSE_MS; for tests */
    /* From the thread, after each answer: what is wanted may be there, and there is news. */
    void (*changed)(void *ctx);
    void *ctx;
};

/* Starts the thread, which begins with what is old in the directory. */
MUST_CHECK int supply_new(const struct supply_setup *setup, struct supply **out, struct err *e);
/* Ends a transfer under way; takes a second at most. NULL is fine. */
void supply_free(struct supply *s);

/*
 * Somebody has looked for this item in vain. True when it is on its way, or came since: `changed`
 * tells that it is there, or that it cannot be had. False when it is not to be waited for: it lies
 * in the directory, was asked for in vain a moment ago, the service is away, or too much is wanted.
 * A list or a set that has expired may be wanted though it is there.
 */
MUST_CHECK bool supply_want(struct supply *s, const struct collateral_id *id);

/* A chip's certificate out of memory: heap bytes; false when it is not there. */
MUST_CHECK bool supply_find(struct supply *s, const struct collateral_id *id, char **out,
                            size_t *out_len);
/* That certificate signed a report that was accepted: into the store with it. */
void supply_keep(struct supply *s, const struct collateral_id *id);

/* The next line for a log, printable ASCII; false when there is none. */
bool supply_news(struct supply *s, char out[SUPPLY_NEWS_SIZE]);

struct supply_counts {
    uint64_t fetched; /* items that were taken */
    uint64_t refused; /* answers that were not: not there, of another chip, older, broken */
    uint64_t outages; /* times that the service was found away */
    bool away;        /* it is now, as far as is known */
};
struct supply_counts supply_counts(struct supply *s);

#endif
