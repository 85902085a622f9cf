/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in front of its database: names are checked and values sealed here, so that a backend only keeps bytes. A
 * sealed value is
 *
 *      1 byte   version, 1
 *     12 bytes  IV, random
 *     16 bytes  GCM tag
 *      n bytes  ciphertext                  associated data: "casemate-kbs-item-1" 00 kind 00 name
 *
 * Random 96-bit IVs under one key allow 2^32 writes, far beyond what administrators make. [SP 800-38D §8.3]
 * Head and tag together name one writing of an item: they are its stamp.
 */
#include "attest/kbs/store/store.h"

#include "attest/crypto.h"
#include "attest/kbs/store/backend.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define BLOB_VERSION 1
#define BLOB_HEAD    (1 + CRYPTO_GCM_IV_SIZE + CRYPTO_GCM_TAG_SIZE)
_Static_assert(BLOB_HEAD == STORE_STAMP_SIZE, "the stamp is everything but the ciphertext");

struct store {
    struct store_backend *db;
    uint64_t outages;
    uint8_t key[STORE_KEY_SIZE];
};

static const char *kind_name(enum store_kind k)
{
    switch (k) {
    case STORE_RESOURCE: return "resource";
    case STORE_POLICY: return "policy";
    case STORE_REFERENCE: return "reference";
    case STORE_APPROVAL: return "approval";
    }
    return "meta";
}

/* Each result of a backend passes here. */
static int told(struct store *st, int rc)
{
    st->outages += rc == -ENOTCONN;
    return rc;
}

uint64_t store_outages(const struct store *st) { return st->outages; }

static int name_check(const char *name, struct err *e)
{
    size_t n = strlen(name);
    return n <= STORE_NAME_MAX ? 0
                               : err_set(e, ENAMETOOLONG, "store: a name of %zu bytes, at most %d",
                                         n, STORE_NAME_MAX);
}

/* ---- sealing --------------------------------------------------------------------------------- */

struct aad {
    uint8_t bytes[64 + STORE_NAME_MAX];
    size_t len;
};

static int aad_make(const char *kind, const char *name, struct aad *out, struct err *e)
{
    int rc = name_check(name, e);
    if (rc < 0) { return rc; }
    int n = snprintf((char *)out->bytes, sizeof out->bytes, "casemate-kbs-item-1%c%s%c%s", 0, kind,
                     0, name);
    out->len = (size_t)n;
    return 0;
}

/* *out: malloc, len + BLOB_HEAD bytes */
static int blob_seal(const struct store *st, const struct aad *aad, const void *value, size_t len,
                     uint8_t **out, struct err *e)
{
    auto_free uint8_t *b = malloc(len + BLOB_HEAD);
    if (!b) { return err_set(e, ENOMEM, "store: out of memory"); }
    b[0] = BLOB_VERSION;
    uint8_t *iv = b + 1, *tag = iv + CRYPTO_GCM_IV_SIZE;
    int rc = crypto_random(iv, CRYPTO_GCM_IV_SIZE);
    if (rc == 0) {
        rc = crypto_gcm_seal(st->key, sizeof st->key, iv, aad->bytes, aad->len, value, len,
                             b + BLOB_HEAD, tag);
    }
    if (rc < 0) { return err_set(e, -rc, "store: sealing failed"); }
    *out = steal_ptr(&b);
    return 0;
}

static int blob_open(const struct store *st, const struct aad *aad, const struct store_value *blob,
                     struct store_value *out, struct err *e)
{
    const uint8_t *b = blob->p;
    if (blob->len < BLOB_HEAD || b[0] != BLOB_VERSION) {
        return err_set(e, EBADMSG, "store: an item of unknown form");
    }
    size_t n = blob->len - BLOB_HEAD;
    struct store_value v = {.p = malloc(n + 1), .len = n};
    if (!v.p) { return err_set(e, ENOMEM, "store: out of memory"); }
    int rc = crypto_gcm_open(st->key, sizeof st->key, b + 1, aad->bytes, aad->len, b + BLOB_HEAD, n,
                             b + 1 + CRYPTO_GCM_IV_SIZE, v.p);
    if (rc < 0) {
        store_value_fini(&v);
        return err_set(e, -rc, "store: an item does not authenticate under this storage key");
    }
    v.p[n] = 0;
    *out = v;
    return 0;
}

/* ---- items ----------------------------------------------------------------------------------- */

/* *out: malloc, len + BLOB_HEAD bytes */
static int item_seal(const struct store *st, const char *kind, const char *name, const void *value,
                     size_t len, uint8_t **out, struct err *e)
{
    if (len > STORE_VALUE_MAX) {
        return err_set(e, EFBIG, "store: a value of %zu bytes, at most %u", len, STORE_VALUE_MAX);
    }
    struct aad aad;
    int rc = aad_make(kind, name, &aad, e);
    return rc < 0 ? rc : blob_seal(st, &aad, value, len, out, e);
}

static int put_sealed(struct store *st, const char *kind, const char *name, const void *value,
                      size_t len, struct err *e)
{
    auto_free uint8_t *blob = NULL;
    int rc = item_seal(st, kind, name, value, len, &blob, e);
    return rc < 0 ? rc : told(st, st->db->ops->put(st->db, kind, name, blob, len + BLOB_HEAD, e));
}

static int get_sealed(struct store *st, const char *kind, const char *name, struct store_value *out,
                      struct err *e)
{
    struct aad aad;
    auto_store_value blob = {0};
    int rc = aad_make(kind, name, &aad, e);
    if (rc == 0) { rc = told(st, st->db->ops->get(st->db, kind, name, SIZE_MAX, &blob, e)); }
    return rc < 0 ? rc : blob_open(st, &aad, &blob, out, e);
}

int store_put(struct store *st, enum store_kind kind, const char *name, const void *value,
              size_t len, struct err *e)
{
    return put_sealed(st, kind_name(kind), name, value, len, e);
}

int store_put_all(struct store *st, enum store_kind kind, const struct store_item *items,
                  size_t count, struct err *e)
{
    if (count == 0) { return 0; }
    uint8_t **blobs = calloc(count, sizeof *blobs);
    struct store_item *sealed = calloc(count, sizeof *sealed);
    int rc = blobs && sealed ? 0 : err_set(e, ENOMEM, "store: out of memory");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = item_seal(st, kind_name(kind), items[i].name, items[i].value, items[i].len, &blobs[i],
                       e);
        sealed[i] = (struct store_item){
            .name = items[i].name, .value = blobs[i], .len = items[i].len + BLOB_HEAD};
    }
    if (rc == 0) { rc = told(st, st->db->ops->put_all(st->db, kind_name(kind), sealed, count, e)); }
    for (size_t i = 0; blobs && i < count; i++) { free(blobs[i]); }
    free(blobs);
    free(sealed);
    return rc;
}

int store_get(struct store *st, enum store_kind kind, const char *name, struct store_value *out,
              struct err *e)
{
    return get_sealed(st, kind_name(kind), name, out, e);
}

int store_delete(struct store *st, enum store_kind kind, const char *name, struct err *e)
{
    int rc = name_check(name, e);
    return rc < 0 ? rc : told(st, st->db->ops->del(st->db, kind_name(kind), name, e));
}

int store_list(struct store *st, enum store_kind kind, int (*each)(void *ctx, const char *name),
               void *ctx, struct err *e)
{
    return told(st, st->db->ops->list(st->db, kind_name(kind), each, ctx, e));
}

int store_stamp(struct store *st, enum store_kind kind, const char *name, struct store_stamp *out,
                struct err *e)
{
    auto_store_value head = {0};
    int rc = name_check(name, e);
    if (rc == 0) {
        rc = told(st, st->db->ops->get(st->db, kind_name(kind), name, STORE_STAMP_SIZE, &head, e));
    }
    if (rc < 0) { return rc; }
    if (head.len != STORE_STAMP_SIZE) {
        return err_set(e, EBADMSG, "store: an item of unknown form");
    }
    memcpy(out->v, head.p, STORE_STAMP_SIZE);
    return 0;
}

/* ---- counters -------------------------------------------------------------------------------- */

int store_count_take(struct store *st, const char *name, uint64_t max, bool *out_taken,
                     struct err *e)
{
    int rc = name_check(name, e);
    if (rc < 0) { return rc; }
    if (max == 0) {
        *out_taken = false;
        return 0;
    }
    return told(st, st->db->ops->count_take(
                        st->db, name, max > INT64_MAX ? INT64_MAX : (int64_t)max, out_taken, e));
}

int store_count_get(struct store *st, const char *name, uint64_t *out, struct err *e)
{
    int64_t n = 0;
    int rc = name_check(name, e);
    if (rc == 0) { rc = told(st, st->db->ops->count_get(st->db, name, &n, e)); }
    if (rc == 0) { *out = (uint64_t)n; }
    return rc;
}

/* Any question that has an answer in every store. */
int store_ping(struct store *st, struct err *e)
{
    uint64_t ignored;
    return store_count_get(st, "", &ignored, e);
}

int store_counters(struct store *st, int (*each)(void *ctx, const char *name, uint64_t used),
                   void *ctx, struct err *e)
{
    return told(st, st->db->ops->counters(st->db, each, ctx, e));
}

int store_count_begin(struct store *st, const char *name, uint64_t used, struct err *e)
{
    int rc = name_check(name, e);
    if (rc < 0) { return rc; }
    return told(st, st->db->ops->count_begin(st->db, name,
                                             used > INT64_MAX ? INT64_MAX : (int64_t)used, e));
}

/* ---- handshakes ------------------------------------------------------------------------------ */

/* What is sealed depends on the state: a row whose state was changed by hand does not open. */
static const char *session_kind(bool settled) { return settled ? "session" : "challenge"; }

bool store_is_shared(const struct store *st) { return st->db->ops->sessions != NULL; }

static int session_seal(struct store *st, const char *id, bool settled, const void *value,
                        size_t len, uint8_t **out, struct err *e)
{
    struct aad aad;
    int rc = aad_make(session_kind(settled), id, &aad, e);
    return rc < 0 ? rc : blob_seal(st, &aad, value, len, out, e);
}

int store_session_open(struct store *st, const char *id, int64_t expires, const void *value,
                       size_t len, struct err *e)
{
    auto_free uint8_t *blob = NULL;
    int rc = session_seal(st, id, false, value, len, &blob, e);
    return rc < 0 ? rc
                  : told(st, st->db->ops->sessions->open(st->db, id, expires, blob, len + BLOB_HEAD,
                                                         e));
}

int store_session_get(struct store *st, const char *id, int64_t now, bool *out_settled,
                      int64_t *out_expires, struct store_value *out, struct err *e)
{
    struct aad aad;
    auto_store_value blob = {0};
    bool settled = false;
    int rc = told(st, st->db->ops->sessions->get(st->db, id, now, &settled, out_expires, &blob, e));
    if (rc == 0) { rc = aad_make(session_kind(settled), id, &aad, e); }
    if (rc == 0) { rc = blob_open(st, &aad, &blob, out, e); }
    if (rc == 0) { *out_settled = settled; }
    return rc;
}

int store_session_settle(struct store *st, const char *id, int64_t now, const void *value,
                         size_t len, struct err *e)
{
    auto_free uint8_t *blob = NULL;
    int rc = session_seal(st, id, true, value, len, &blob, e);
    return rc < 0
               ? rc
               : told(st, st->db->ops->sessions->settle(st->db, id, now, blob, len + BLOB_HEAD, e));
}

int store_session_drop(struct store *st, const char *id, struct err *e)
{
    return told(st, st->db->ops->sessions->drop(st->db, id, e));
}

int store_session_sweep(struct store *st, int64_t now, uint32_t max, uint32_t max_open,
                        uint32_t *out_count, struct err *e)
{
    return told(st, st->db->ops->sessions->sweep(st->db, now, max, max_open, out_count, e));
}

/* ---- opening --------------------------------------------------------------------------------- */

/* One sealed item that every store has tells a wrong key from a right one. */
static int key_check(struct store *st, const char *where, struct err *e)
{
    static const char text[] = "casemate-kbs";
    auto_store_value v = {0};
    struct err got = {0};
    int rc = get_sealed(st, "meta", "key-check", &v, &got);
    if (rc == -ENOENT) { return put_sealed(st, "meta", "key-check", text, sizeof text, e); }
    if (rc == -EBADMSG ||
        (rc == 0 && (v.len != sizeof text || memcmp(v.p, text, sizeof text) != 0))) {
        return err_set(e, EKEYREJECTED, "store %s: was made under another storage key", where);
    }
    return rc < 0 ? err_set(e, -rc, "%s", got.text) : 0;
}

bool store_is_url(const char *where) { return strstr(where, "://") != NULL; }

int store_open(const char *where, const uint8_t key[static STORE_KEY_SIZE], struct store **out,
               struct err *e)
{
    struct store *st = calloc(1, sizeof *st);
    if (!st) { return err_set(e, ENOMEM, "store: out of memory"); }
    memcpy(st->key, key, sizeof st->key);
    int rc = store_is_url(where) ? store_pg_open(where, &st->db, e)
                                 : store_sqlite_open(where, &st->db, e);
    if (rc == 0) { rc = key_check(st, where, e); }
    if (rc < 0) {
        store_close(st);
        return rc;
    }
    *out = st;
    return 0;
}

void store_close(struct store *st)
{
    if (!st) { return; }
    if (st->db) { st->db->ops->close(st->db); }
    wipe(st->key, sizeof st->key);
    free(st);
}
