/* SPDX-License-Identifier: Apache-2.0 */
/* From one store into another, item by item: opened under the old key, sealed under the new one. */
#include "attest/kbs/store/store.h"

#include "guest/base/cc.h"

#include <errno.h>

struct copy {
    struct store *from, *to;
    enum store_kind kind;
    uint64_t count;
    struct err *e;
};

static int is_there(void *ctx, const char *name)
{
    return err_set(ctx, EEXIST, "store: the new one is not empty: there is %s", name);
}

static int is_counted(void *ctx, const char *name, uint64_t used)
{
    (void)used;
    return is_there(ctx, name);
}

static int must_be_empty(struct store *st, struct err *e)
{
    int rc = store_counters(st, is_counted, e, e);
    for (enum store_kind k = STORE_RESOURCE; rc == 0 && k <= STORE_KIND_LAST; k++) {
        rc = store_list(st, k, is_there, e, e);
    }
    return rc;
}

static int copy_item(void *ctx, const char *name)
{
    struct copy *c = ctx;
    auto_store_value v = {0};
    int rc = store_get(c->from, c->kind, name, &v, c->e);
    if (rc == 0) { rc = store_put(c->to, c->kind, name, v.p, v.len, c->e); }
    if (rc < 0) { return err_wrap(c->e, "copy %s", name); }
    c->count++;
    return 0;
}

static int copy_counter(void *ctx, const char *name, uint64_t used)
{
    struct copy *c = ctx;
    return store_count_begin(c->to, name, used, c->e);
}

int store_copy(struct store *from, struct store *to, uint64_t *out_count, struct err *e)
{
    struct copy c = {.from = from, .to = to, .e = e};
    int rc = must_be_empty(to, e);
    if (rc == 0) { rc = store_counters(from, copy_counter, &c, e); }
    for (c.kind = STORE_RESOURCE; rc == 0 && c.kind <= STORE_KIND_LAST; c.kind++) {
        rc = store_list(from, c.kind, copy_item, &c, e);
    }
    if (rc == 0) { *out_count = c.count; }
    return rc;
}
