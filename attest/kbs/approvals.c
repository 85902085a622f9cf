/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Approvals as the broker keeps them, and what else rules look up in the store. An approval is
 * checked when it is uploaded, so that whoever uploads it hears at once what is wrong; it is checked
 * again whenever it is to count, against the approvers of that moment.
 */
#include "attest/kbs/handlers.h"

#include "attest/kbs/references.h"
#include "attest/kbs/rules/approval.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define APPROVALS_MAX 1024u /* kept at a time; each release that needs some reads all */

/* ---- for rules ------------------------------------------------------------------------------- */

struct walk {
    struct exchange *x;
    int (*each)(void *ctx, const char *text, size_t len);
    void *ctx;
    struct err *e;
};

static int approval_visit(void *ctx, const char *name)
{
    struct walk *w = ctx;
    auto_store_value text = {0};
    struct err e = {0};
    int rc = store_get(w->x->b->setup.store, STORE_APPROVAL, name, &text, &e);
    if (rc == -ENOENT) { return 0; } /* withdrawn a moment ago */
    if (rc < 0) { return err_set(w->e, -rc, "%s", e.text); }
    return w->each(w->ctx, (const char *)text.p, text.len);
}

static int source_approvals(void *ctx, int (*each)(void *each_ctx, const char *text, size_t len),
                            void *each_ctx, struct err *e)
{
    struct walk w = {.x = ctx, .each = each, .ctx = each_ctx, .e = e};
    return store_list(w.x->b->setup.store, STORE_APPROVAL, approval_visit, &w, e);
}

static int source_counted(void *ctx, const char *counter, uint64_t *out, struct err *e)
{
    struct exchange *x = ctx;
    return store_count_get(x->b->setup.store, counter, out, e);
}

/* Nothing is counted for a resource that is not there: nothing will be released. */
static int source_take(void *ctx, const char *counter, uint64_t max, bool *out_taken, struct err *e)
{
    struct exchange *x = ctx;
    struct store_stamp stamp;
    struct err absent = {0};
    int rc = store_stamp(x->b->setup.store, STORE_RESOURCE, x->subject, &stamp, &absent);
    if (rc == -ENOENT) {
        *out_taken = true;
        return 0;
    }
    if (rc < 0) { return err_set(e, -rc, "%s", absent.text); }
    return store_count_take(x->b->setup.store, counter, max, out_taken, e);
}

struct rule_sources rule_sources_of(struct exchange *x)
{
    return (struct rule_sources){.references = references_in(x->b->setup.store),
                                 .ctx = x,
                                 .approvals = source_approvals,
                                 .counted = source_counted,
                                 .take = source_take};
}

/* ---- for administrators ---------------------------------------------------------------------- */

static void refuse(struct exchange *x, int rc, const struct err *e)
{
    reply_error(x, rc == -ENOMEM || rc == -EIO ? 500 : 401, "ApprovalError", "%s", e->text);
}

/* Names of some that have expired. */
#define SWEEP_MAX 64
struct sweep {
    int64_t now;
    size_t old_count;
    char old[SWEEP_MAX][APPROVAL_NAME_SIZE];
};

static int sweep_one(void *ctx, const char *text, size_t len)
{
    struct sweep *s = ctx;
    struct approval a;
    struct err e = {0};
    if (s->old_count < SWEEP_MAX && approval_parse(text, len, &a, &e) == 0 && a.expires <= s->now) {
        approval_name(&a, s->old[s->old_count++]);
    }
    return 0;
}

static int count_one(void *ctx, const char *name)
{
    (void)name;
    ++*(size_t *)ctx;
    return 0;
}

/* Room for one more: what has expired makes it. */
static int room_make(struct exchange *x, struct err *e)
{
    struct sweep s = {.now = x->now};
    size_t count = 0;
    int rc = store_list(x->b->setup.store, STORE_APPROVAL, count_one, &count, e);
    if (rc < 0 || count < APPROVALS_MAX) { return rc; }
    rc = source_approvals(x, sweep_one, &s, e);
    if (rc < 0) { return rc; }
    for (size_t i = 0; i < s.old_count; i++) {
        struct err gone = {0};
        rc = store_delete(x->b->setup.store, STORE_APPROVAL, s.old[i], &gone);
        if (rc < 0 && rc != -ENOENT) { return err_set(e, -rc, "%s", gone.text); }
    }
    return s.old_count
               ? 0
               : err_set(e, ENOSPC, "approval: %u are kept and none has expired", APPROVALS_MAX);
}

/* By one of the approvers of today's rules, with his key. */
static int signed_by_approver(const struct exchange *x, const struct approval *a, struct view body,
                              struct err *e)
{
    const struct crypto_key *key = rules_approver(x->b->release.rules, a->approver);
    if (!key) {
        return err_set(e, EACCES, "approval: %s is not among the approvers of the policy",
                       a->approver);
    }
    return approval_verify((const char *)body.p, body.len, key, e);
}

void handle_approval_put(struct exchange *x)
{
    struct approval a;
    struct err e = {0};
    char name[APPROVAL_NAME_SIZE];
    struct view body = x->rq->body;
    while (body.len && (body.p[body.len - 1] == '\n' || body.p[body.len - 1] == '\r')) {
        body.len--;
    }
    int rc = policy_refresh(x->b->setup.store, POLICY_RELEASE, &x->b->release, &e);
    if (rc == 0) { rc = approval_parse((const char *)body.p, body.len, &a, &e); }
    if (rc == 0) { rc = signed_by_approver(x, &a, body, &e); }
    if (rc == 0 && a.expires <= x->now) { rc = err_set(&e, EACCES, "approval: it has expired"); }
    if (rc == 0) { rc = room_make(x, &e); }
    if (rc == 0) {
        approval_name(&a, name);
        (void)snprintf(x->subject, sizeof x->subject, "%s", name);
        rc = store_put(x->b->setup.store, STORE_APPROVAL, name, body.p, body.len, &e);
    }
    if (rc < 0) {
        refuse(x, rc, &e);
        return;
    }
    x->decision.allowed = true;
    reply_json(x, json_pack("{s:s}", "name", name));
}

void handle_approval_delete(struct exchange *x)
{
    struct err e = {0};
    (void)snprintf(x->subject, sizeof x->subject, "%.*s", (int)x->rest.len,
                   x->rest.p ? (const char *)x->rest.p : "");
    int rc = store_delete(x->b->setup.store, STORE_APPROVAL, x->subject, &e);
    if (rc < 0) {
        refuse(x, rc, &e);
        return;
    }
    x->decision.allowed = true;
    reply_empty(x);
}

struct listing {
    struct exchange *x;
    json_t *list;
    struct err *e;
};

/* What it says, and how often it was used. */
static int list_one(void *ctx, const char *text, size_t len)
{
    struct listing *l = ctx;
    struct approval a;
    struct err unreadable = {0};
    char name[APPROVAL_NAME_SIZE], counter[RULE_COUNTER_SIZE];
    uint64_t used = 0;
    if (approval_parse(text, len, &a, &unreadable) < 0) { return 0; }
    approval_name(&a, name);
    (void)snprintf(counter, sizeof counter, "approval/%s", name);
    int rc = source_counted(l->x, counter, &used, l->e);
    if (rc < 0) { return rc; }
    json_t *one = json_pack("{s:s, s:s, s:b, s:I, s:I, s:I}", "name", name, "resource", a.resource,
                            "expired", a.expires <= l->x->now, "expires", (json_int_t)a.expires,
                            "count", (json_int_t)a.count, "used", (json_int_t)used);
    return json_array_append_new(l->list, one) < 0
               ? err_set(l->e, ENOMEM, "approvals: out of memory")
               : 0;
}

void handle_approval_list(struct exchange *x)
{
    struct err e = {0};
    struct listing l = {.x = x, .list = json_array(), .e = &e};
    int rc = source_approvals(x, list_one, &l, &e);
    if (rc < 0) {
        json_decref(l.list);
        refuse(x, rc, &e);
        return;
    }
    x->decision.allowed = true;
    reply_json(x, l.list);
}
