/* SPDX-License-Identifier: Apache-2.0 */
/* See supplies.h. */
#include "attest/kbs/supplies.h"

#include "guest/base/hosted.h"

/* Inside it each kind of item is held against its own vendor's root alone. */
static struct supply_setup setup_of(const struct config *c, const char *dir, bool intel)
{
    const struct config_collateral *k = &c->collateral;
    return (struct supply_setup){
        .store = {.dir = dir, .tdx_root = tdx_intel_root, .snp_roots = &snp_amd_roots},
        .from = {.intel = k->intel_url,
                 .intel_ca = k->intel_ca_url,
                 .amd = k->amd_url,
                 .ca_file = k->ca_file,
                 .timeout_s = (long)k->timeout_s},
        .intel = intel,
        .refresh_s = k->refresh_s,
    };
}

int supplies_start(const struct config *c, void (*changed)(void *ctx), void *ctx,
                   struct supplies *out, struct err *e)
{
    const struct {
        const char *url, *dir;
        bool intel;
        struct supply **at;
    } all[] = {{c->collateral.amd_url, c->snp.collateral_dir, false, &out->amd},
               {c->collateral.intel_url, c->tdx.collateral_dir, true, &out->intel}};
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        if (!all[i].url) { continue; }
        struct supply_setup setup = setup_of(c, all[i].dir, all[i].intel);
        setup.changed = changed;
        setup.ctx = ctx;
        int rc = supply_new(&setup, all[i].at, e);
        if (rc < 0) {
            supplies_stop(out);
            return rc;
        }
    }
    return 0;
}

void supplies_stop(struct supplies *s)
{
    supply_free(s->amd);
    supply_free(s->intel);
    *s = (struct supplies){0};
}

bool supplies_news(const struct supplies *s, char out[SUPPLY_NEWS_SIZE])
{
    return (s->amd && supply_news(s->amd, out)) || (s->intel && supply_news(s->intel, out));
}

struct supplies_counts supplies_counts(const struct supplies *s)
{
    struct supply *const all[] = {s->amd, s->intel};
    struct supplies_counts sum = {0};
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        struct supply_counts one = all[i] ? supply_counts(all[i]) : (struct supply_counts){0};
        sum.fetched += one.fetched;
        sum.refused += one.refused;
        sum.outages += one.outages;
        sum.away += one.away;
    }
    return sum;
}
