/* SPDX-License-Identifier: Apache-2.0 */
/* See keeper.h. */
#include "attest/collateral/keeper.h"

#include "guest/base/hosted.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define KEPT_MAX 32 /* kinds of processor in one fleet */

struct kept {
    struct collateral_id id;    /* kind 0 = free */
    struct stat seen;           /* of the file that was tried last */
    struct tdx_collateral *set; /* NULL = nothing usable so far */
    uint64_t asked;
};

struct collateral_keeper {
    char *dir;
    uint8_t tdx_root[TDX_ROOT_SIZE];
    uint64_t questions;
    struct kept kept[KEPT_MAX];
};

struct collateral_keeper *collateral_keeper_new(const char *dir,
                                                const uint8_t tdx_root[TDX_ROOT_SIZE])
{
    auto_collateral_keeper k = calloc(1, sizeof *k);
    if (!k || !(k->dir = strdup(dir))) { return NULL; }
    memcpy(k->tdx_root, tdx_root, sizeof k->tdx_root);
    return steal_ptr(&k);
}

void collateral_keeper_free(struct collateral_keeper *k)
{
    if (!k) { return; }
    for (size_t i = 0; i < KEPT_MAX; i++) { tdx_collateral_free(k->kept[i].set); }
    free(k->dir);
    free(k);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* The newer of two sets for one kind of processor; the other is freed. */
static struct tdx_collateral *newer(struct tdx_collateral *held, struct tdx_collateral *read)
{
    bool better = !held || (read && (read->tcb.evaluation > held->tcb.evaluation ||
                                     (read->tcb.evaluation == held->tcb.evaluation &&
                                      read->tcb.dates.issued >= held->tcb.dates.issued)));
    tdx_collateral_free(better ? held : read);
    return better ? read : held;
}

static void refresh(struct collateral_keeper *k, struct kept *slot)
{
    const struct collateral_store store = {.dir = k->dir};
    char name[COLLATERAL_NAME_MAX], path[4096];
    auto_free char *bytes = NULL;
    struct verdict why = {0};
    struct err e = {0};
    struct stat now;
    size_t len;
    collateral_name(&slot->id, name);
    int n = snprintf(path, sizeof path, "%s/%s", k->dir, name);
    if (n < 0 || (size_t)n >= sizeof path || stat(path, &now) < 0 || same_file(&now, &slot->seen)) {
        return;
    }
    slot->seen = now;
    if (collateral_read(&store, &slot->id, &bytes, &len, &e) < 0) { return; }
    struct tdx_collateral *read;
    tdx_collateral_open(bytes, len, k->tdx_root, &read, &why);
    slot->set = newer(slot->set, read);
}

static bool is_about(const struct kept *s, const struct tdx_endorsement *n)
{
    return s->id.kind == COLLATERAL_TDX && s->id.processor_ca == n->processor_ca &&
           memcmp(s->id.fmspc, n->platform.fmspc, TDX_FMSPC) == 0;
}

const struct tdx_collateral *collateral_keeper_find(void *ctx, const struct tdx_endorsement *n)
{
    struct collateral_keeper *k = ctx;
    struct kept *slot = &k->kept[0];
    for (size_t i = 0; i < KEPT_MAX && !is_about(slot, n); i++) {
        struct kept *s = &k->kept[i];
        if (is_about(s, n) || s->asked < slot->asked) { slot = s; }
    }
    if (!is_about(slot, n)) { /* the one asked for longest ago gives way */
        tdx_collateral_free(slot->set);
        *slot = (struct kept){.id = collateral_of_platform(n)};
    }
    slot->asked = ++k->questions;
    refresh(k, slot);
    return slot->set;
}
