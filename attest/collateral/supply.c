/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See supply.h. One mutex over one table; the thread holds it only to choose a job and to write
 * down what came of it. Everything a job needs is copied before.
 */
#include "attest/collateral/supply.h"

#include "attest/collateral/check.h"
#include "guest/base/hosted.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NEWS_MAX      32
#define SCAN_MS       60000 /* how often the directory is looked through for what is old */
#define QUESTION_MS   1000  /* one of a stranger's each */
#define JUST_MS       2000  /* who looked before an item came asks for it within that time */
#define PATH_ROOM     4096
#define NAME_OF_AMD   "AMD"
#define NAME_OF_INTEL "Intel"

enum state { ITEM_FREE, ITEM_IDLE, ITEM_QUEUED, ITEM_BUSY };

struct item {
    enum state state;
    struct collateral_id id;
    char name[COLLATERAL_NAME_MAX];
    char *bytes; /* a certificate that nobody has kept; NULL = none */
    size_t len;
    bool keep;            /* and now somebody did */
    unsigned failures;    /* in a row */
    uint64_t not_before;  /* ms: after a failure, and after what can be renewed came */
    uint64_t came;        /* ms; 0 = it has not */
    uint64_t asked, used; /* turns */
};

struct supply {
    struct supply_setup setup;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    atomic_bool stop;
    struct item items[SUPPLY_ITEMS_MAX];
    size_t queued;
    uint64_t turn;
    uint64_t away_until, scan_at; /* ms */
    unsigned outages_in_a_row;
    uint64_t questions_until; /* ms: when the strangers' questions so far are paid for */
    struct supply_counts counts;
    char news[NEWS_MAX][SUPPLY_NEWS_SIZE];
    size_t news_first, news_count;
};

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t pause_ms(const struct supply *s, unsigned failures)
{
    uint64_t first = s->setup.pause_ms ? s->setup.pause_ms : SUPPLY_PAUSE_MS;
    return first << (failures < SUPPLY_DOUBLINGS ? failures : SUPPLY_DOUBLINGS);
}

static const char *vendor(const struct supply *s)
{
    return s->setup.intel ? NAME_OF_INTEL : NAME_OF_AMD;
}

/* ---- the table, under the lock --------------------------------------------------------------- */

static struct item *item_find(struct supply *s, const char *name)
{
    for (size_t i = 0; i < SUPPLY_ITEMS_MAX; i++) {
        struct item *m = &s->items[i];
        if (m->state != ITEM_FREE && strcmp(m->name, name) == 0) { return m; }
    }
    return NULL;
}

/* The item's place; a new one takes that of the least used. NULL: all of them have work to do. */
static struct item *item_place(struct supply *s, const struct collateral_id *id)
{
    char name[COLLATERAL_NAME_MAX];
    collateral_name(id, name);
    struct item *m = item_find(s, name);
    for (size_t i = 0; !m && i < SUPPLY_ITEMS_MAX; i++) {
        if (s->items[i].state == ITEM_FREE) { m = &s->items[i]; }
    }
    struct item *oldest = NULL;
    for (size_t i = 0; !m && i < SUPPLY_ITEMS_MAX; i++) {
        struct item *one = &s->items[i];
        if (one->state == ITEM_IDLE && !one->keep && (!oldest || one->used < oldest->used)) {
            oldest = one;
        }
    }
    if (!m) { m = oldest; }
    if (!m) { return NULL; }
    if (m->state == ITEM_FREE || strcmp(m->name, name) != 0) {
        free(m->bytes);
        *m = (struct item){.state = ITEM_IDLE, .id = *id};
        memcpy(m->name, name, sizeof m->name);
    }
    m->used = ++s->turn;
    return m;
}

static bool item_queue(struct supply *s, struct item *m)
{
    if (s->queued == SUPPLY_QUEUE_MAX) { return false; }
    s->queued++;
    m->state = ITEM_QUEUED;
    m->asked = ++s->turn;
    (void)pthread_cond_signal(&s->work);
    return true;
}

static void news_add(struct supply *s, const char *text)
{
    if (s->news_count == NEWS_MAX) { return; } /* nobody reads; the counters go on */
    char *line = s->news[(s->news_first + s->news_count++) % NEWS_MAX];
    (void)snprintf(line, SUPPLY_NEWS_SIZE, "%s", text);
    for (; *line; line++) {
        if ((unsigned char)*line < 0x20 || (unsigned char)*line >= 0x7f) { *line = '?'; }
    }
}

/* Strangers' questions are paid for at one a second, SUPPLY_BURST of them on credit. */
static bool question_take(struct supply *s, uint64_t now)
{
    uint64_t from = s->questions_until > now ? s->questions_until : now;
    if (from - now >= (uint64_t)SUPPLY_BURST * QUESTION_MS) { return false; }
    s->questions_until = from + QUESTION_MS;
    return true;
}

/* ---- for users ------------------------------------------------------------------------------- */

/* Never renewed: what is there will do. */
static bool lies_there(const struct supply *s, const struct collateral_id *id)
{
    char name[COLLATERAL_NAME_MAX], path[PATH_ROOM];
    if (id->kind != COLLATERAL_VCEK && id->kind != COLLATERAL_AMD_CHAIN) { return false; }
    collateral_name(id, name);
    int n = snprintf(path, sizeof path, "%s/%s", s->setup.store.dir, name);
    return n > 0 && (size_t)n < sizeof path && access(path, F_OK) == 0;
}

static bool is_ours(const struct supply *s, enum collateral_kind kind)
{
    return kind != COLLATERAL_NONE && (kind == COLLATERAL_TDX) == s->setup.intel;
}

/* Is there nothing to ask for, since it came after its reader had looked? */
static bool just_came(const struct item *m, uint64_t now)
{
    return m->bytes || (m->came && now - m->came < JUST_MS);
}

bool supply_want(struct supply *s, const struct collateral_id *id)
{
    if (!is_ours(s, id->kind)) { return false; }
    bool there = lies_there(s, id), coming = false;
    (void)pthread_mutex_lock(&s->lock);
    uint64_t now = now_ms();
    struct item *m = item_place(s, id);
    if (m && just_came(m, now)) {
        coming = true;
    } else if (m && (m->state == ITEM_QUEUED || m->state == ITEM_BUSY)) {
        coming = now >= s->away_until;
    } else if (m && !there && now >= m->not_before &&
               (id->kind != COLLATERAL_VCEK || question_take(s, now))) {
        coming = item_queue(s, m) && now >= s->away_until;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return coming;
}

bool supply_find(struct supply *s, const struct collateral_id *id, char **out, size_t *out_len)
{
    char name[COLLATERAL_NAME_MAX];
    char *copy = NULL;
    collateral_name(id, name);
    (void)pthread_mutex_lock(&s->lock);
    struct item *m = item_find(s, name);
    if (m && m->bytes && (copy = malloc(m->len))) {
        memcpy(copy, m->bytes, m->len);
        *out = copy;
        *out_len = m->len;
        m->used = ++s->turn;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return copy != NULL;
}

void supply_keep(struct supply *s, const struct collateral_id *id)
{
    char name[COLLATERAL_NAME_MAX];
    collateral_name(id, name);
    (void)pthread_mutex_lock(&s->lock);
    struct item *m = item_find(s, name);
    bool tried = m && m->failures && now_ms() < m->not_before; /* to write it, in vain */
    if (m && m->bytes && m->state == ITEM_IDLE && !tried) {
        m->keep = item_queue(s, m);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

bool supply_news(struct supply *s, char out[SUPPLY_NEWS_SIZE])
{
    (void)pthread_mutex_lock(&s->lock);
    bool any = s->news_count > 0;
    if (any) {
        memcpy(out, s->news[s->news_first], SUPPLY_NEWS_SIZE);
        s->news_first = (s->news_first + 1) % NEWS_MAX;
        s->news_count--;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return any;
}

struct supply_counts supply_counts(struct supply *s)
{
    (void)pthread_mutex_lock(&s->lock);
    struct supply_counts c = s->counts;
    (void)pthread_mutex_unlock(&s->lock);
    return c;
}

/* ---- what is old in the directory ------------------------------------------------------------ */

/* Called without the lock: the directory is slow. */
static int scan_one(void *ctx, const struct collateral_id *id, struct err *e)
{
    struct supply *s = ctx;
    char name[COLLATERAL_NAME_MAX], path[PATH_ROOM];
    struct stat st;
    (void)e;
    if (!is_ours(s, id->kind) || id->kind == COLLATERAL_VCEK || id->kind == COLLATERAL_AMD_CHAIN) {
        return 0;
    }
    collateral_name(id, name);
    int n = snprintf(path, sizeof path, "%s/%s", s->setup.store.dir, name);
    if (n < 0 || (size_t)n >= sizeof path || stat(path, &st) < 0) { return 0; }
    int64_t age = (int64_t)time(NULL) - (int64_t)st.st_mtim.tv_sec;
    if (age >= 0 && age < s->setup.refresh_s) { return 0; } /* from the future: nobody knows */
    (void)pthread_mutex_lock(&s->lock);
    struct item *m = item_place(s, id);
    if (m && m->state == ITEM_IDLE && now_ms() >= m->not_before) { (void)item_queue(s, m); }
    (void)pthread_mutex_unlock(&s->lock);
    return 0;
}

static void scan(struct supply *s)
{
    struct err none = {0}; /* no directory: nothing is old */
    (void)!collateral_each(&s->setup.store, scan_one, s, &none);
}

/* ---- one item -------------------------------------------------------------------------------- */

struct job {
    struct collateral_id id;
    char *bytes; /* to be kept, the item's own; NULL = to be fetched */
    size_t len;
};

/* 0, or why not; *out_held: a certificate that stays in memory, with nobody's word for it yet. */
static int job_do(const struct supply *s, struct job *j, char **out_held, size_t *out_len,
                  struct err *e)
{
    struct collateral_ages ages;
    bool keep = j->bytes || j->id.kind != COLLATERAL_VCEK;
    int r = j->bytes ? 0 : fetch_item(&s->setup.from, &j->id, &j->bytes, &j->len, e);
    if (r == 0 && keep) { return collateral_write(&s->setup.store, &j->id, j->bytes, j->len, e); }
    if (r == 0) { r = collateral_check(&s->setup.store, &j->id, j->bytes, j->len, &ages, e); }
    if (r == 0) {
        *out_held = steal_ptr(&j->bytes);
        *out_len = j->len;
    }
    return r;
}

/* The service has answered, whatever it said. */
static void answered(struct supply *s)
{
    char line[SUPPLY_NEWS_SIZE];
    if (s->counts.away) {
        (void)snprintf(line, sizeof line, "%s's service answers again", vendor(s));
        news_add(s, line);
    }
    s->counts.away = false;
    s->outages_in_a_row = 0;
    s->away_until = 0;
}

/* It has not: everything waits for a while, what is there is used. */
static void found_away(struct supply *s, const struct err *why)
{
    char line[SUPPLY_NEWS_SIZE + sizeof why->text];
    if (!s->counts.away) {
        (void)snprintf(line, sizeof line, "%s's service is away, what is kept stays in use: %s",
                       vendor(s), why->text);
        news_add(s, line);
        s->counts.outages++;
    }
    s->counts.away = true;
    s->away_until = now_ms() + pause_ms(s, s->outages_in_a_row++);
}

/* Under the lock. */
static void job_settle(struct supply *s, struct item *m, bool fetched, int r, const struct err *why)
{
    char line[SUPPLY_NEWS_SIZE + sizeof why->text];
    m->state = ITEM_IDLE;
    if (fetched && r == -EIO) {
        found_away(s, why);
        m->not_before = s->away_until;
        return;
    }
    if (fetched) { answered(s); }
    if (r < 0) {
        s->counts.refused++;
        m->not_before = now_ms() + pause_ms(s, m->failures++);
        (void)snprintf(line, sizeof line, "not taken: %s", why->text);
    } else {
        s->counts.fetched += fetched;
        m->failures = 0;
        m->came = now_ms();
        m->not_before = m->came + pause_ms(s, 0); /* it may be there, and expired */
        (void)snprintf(line, sizeof line, "%s: %s", m->name, fetched ? "fetched" : "kept");
    }
    news_add(s, line);
}

/* Called with the lock, which is let go meanwhile; nobody else touches what is ITEM_BUSY. */
static void item_serve(struct supply *s, struct item *m)
{
    struct err why = {0};
    bool fetched = !m->keep;
    struct job j = {.id = m->id, .bytes = m->keep ? m->bytes : NULL, .len = m->len};
    char *held = NULL;
    size_t held_len = 0;
    m->keep = false;
    m->state = ITEM_BUSY;
    s->queued--;
    (void)pthread_mutex_unlock(&s->lock);
    int r = job_do(s, &j, &held, &held_len, &why);
    if (fetched) { free(j.bytes); }
    (void)pthread_mutex_lock(&s->lock);
    if (held) {
        m->bytes = held;
        m->len = held_len;
    }
    if (!fetched && r == 0) { free(steal_ptr(&m->bytes)); } /* the store has it now */
    if (atomic_load(&s->stop)) { return; }                  /* cut off by us: that says nothing */
    job_settle(s, m, fetched, r, &why);
    (void)pthread_mutex_unlock(&s->lock);
    s->setup.changed(s->setup.ctx);
    (void)pthread_mutex_lock(&s->lock);
}

/* The one asked for first; while the service is away, only what needs no service. */
static struct item *item_next(struct supply *s, uint64_t now)
{
    struct item *first = NULL;
    for (size_t i = 0; i < SUPPLY_ITEMS_MAX; i++) {
        struct item *m = &s->items[i];
        if (m->state != ITEM_QUEUED || (now < s->away_until && !m->keep)) { continue; }
        if (!first || m->asked < first->asked) { first = m; }
    }
    return first;
}

static void wait_until(struct supply *s, uint64_t ms)
{
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)pthread_cond_timedwait(&s->work, &s->lock, &t);
}

static void *run(void *arg)
{
    struct supply *s = arg;
    (void)pthread_mutex_lock(&s->lock);
    while (!atomic_load(&s->stop)) {
        uint64_t now = now_ms();
        struct item *m = item_next(s, now);
        if (m) {
            item_serve(s, m);
        } else if (now >= s->scan_at) {
            s->scan_at = now + SCAN_MS;
            (void)pthread_mutex_unlock(&s->lock);
            scan(s);
            (void)pthread_mutex_lock(&s->lock);
        } else {
            bool sooner = s->queued && s->away_until > now && s->away_until < s->scan_at;
            wait_until(s, sooner ? s->away_until : s->scan_at);
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- from birth to death --------------------------------------------------------------------- */

/* *to = a copy of from; both may be NULL. */
static bool copy_text(const char **text)
{
    if (*text) { *text = strdup(*text); }
    return *text != NULL;
}

static void texts_free(struct supply_setup *u)
{
    const char *const all[] = {u->store.dir, u->from.intel, u->from.intel_ca, u->from.amd,
                               u->from.ca_file};
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) { free((void *)(uintptr_t)all[i]); }
}

static bool texts_copy(struct supply_setup *u)
{
    const char **const all[] = {&u->store.dir, &u->from.intel, &u->from.intel_ca, &u->from.amd,
                                &u->from.ca_file};
    bool good = true;
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        bool wanted = *all[i] != NULL;
        good = (!wanted || copy_text(all[i])) && good;
    }
    return good;
}

/* Signals are for the thread that was there before. */
static int thread_start(struct supply *s)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&s->thread, NULL, run, s);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

static void supply_destroy(struct supply *s)
{
    for (size_t i = 0; i < SUPPLY_ITEMS_MAX; i++) { free(s->items[i].bytes); }
    texts_free(&s->setup);
    (void)pthread_cond_destroy(&s->work);
    (void)pthread_mutex_destroy(&s->lock);
    curl_global_cleanup();
    free(s);
}

int supply_new(const struct supply_setup *setup, struct supply **out, struct err *e)
{
    pthread_condattr_t monotonic;
    struct supply *s = calloc(1, sizeof *s);
    if (!s) { return err_set(e, ENOMEM, "out of memory"); }
    s->setup = *setup;
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->work, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    s->setup.from.stop = &s->stop;
    int r = texts_copy(&s->setup) ? thread_start(s) : ENOMEM;
    if (r != 0) {
        supply_destroy(s);
        return err_set(e, r, "collateral: a thread cannot be started: %s", strerror(r));
    }
    *out = s;
    return 0;
}

void supply_free(struct supply *s)
{
    if (!s) { return; }
    (void)pthread_mutex_lock(&s->lock);
    atomic_store(&s->stop, true);
    (void)pthread_cond_signal(&s->work);
    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_join(s->thread, NULL);
    supply_destroy(s);
}
