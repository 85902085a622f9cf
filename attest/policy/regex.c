/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See regex.h. The pattern becomes a program for a machine that holds a set of places in it and
 * moves all of them on each character [Thompson 1968]: time is text times program, whatever they
 * are. A repeat is compiled by reading its atom again, so a short pattern can be much work and a
 * small program; the work is counted, and told.
 */
#include "attest/policy/regex.h"

#include <errno.h>
#include <string.h>

enum inst_kind {
    INST_CHAR = 1,
    INST_ANY,
    INST_CLASS,
    INST_SPLIT,
    INST_JUMP,
    INST_BEGIN,
    INST_END,
    INST_MATCH,
};

struct range {
    uint32_t first, last;
};
struct inst {
    enum inst_kind kind;
    uint32_t c;     /* INST_CHAR */
    size_t to, or ; /* INST_SPLIT: both; INST_JUMP: to */
    bool negated;   /* INST_CLASS */
    const struct range *ranges;
    size_t range_count;
};
struct regex {
    struct inst *v;
    size_t count, cap;
    size_t work; /* instructions made, those made again included */
};

#define GROUPS_MAX 32u /* inside each other */
#define RANGES_MAX 64u /* in one pair of brackets */

struct compiler {
    struct arena *a;
    const char *p, *end;
    struct regex *re;
    unsigned groups;
    struct err *e;
    int rc;
};

static void fail(struct compiler *c, const char *what)
{
    if (c->rc == 0) { c->rc = err_set(c->e, EINVAL, "regular expression: %s", what); }
}

static void no_memory(struct compiler *c)
{
    if (c->rc == 0) { c->rc = err_set(c->e, ENOMEM, "regular expression: no memory"); }
}

/* Room for one instruction more. Only what is used is paid for: most programs are short. */
static bool room(struct compiler *c)
{
    struct regex *re = c->re;
    if (re->count < re->cap) { return true; }
    size_t cap = re->cap ? 2 * re->cap : 64;
    struct inst *grown = arena_alloc(c->a, cap * sizeof *grown);
    if (!grown) { return false; }
    if (re->count) { memcpy(grown, re->v, re->count * sizeof *grown); }
    re->v = grown;
    re->cap = cap;
    return true;
}

/* Its place; on failure the first one's, which is always there. */
static size_t emit(struct compiler *c, struct inst i)
{
    if (c->re->count == REGEX_PROGRAM_MAX || c->re->work == REGEX_WORK_MAX) {
        fail(c, "too large, or repeated too often");
        return 0;
    }
    if (!room(c)) {
        no_memory(c);
        return 0;
    }
    c->re->work++;
    c->re->v[c->re->count] = i;
    return c->re->count++;
}

static int peek(const struct compiler *c) { return c->p < c->end ? (unsigned char)*c->p : -1; }
static bool take(struct compiler *c, char ch)
{
    bool there = peek(c) == (unsigned char)ch;
    if (there) { c->p++; }
    return there;
}

/* One character of well-formed UTF-8; a broken byte is a character that is none. */
#define NO_CHARACTER 0x110000u
static uint32_t decode(const char **p, const char *end)
{
    unsigned char lead = (unsigned char)*(*p)++;
    size_t more = lead < 0x80 ? 0 : lead < 0xc2 ? 9 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    uint32_t v = more == 0 ? lead : lead & (0x3fu >> more);
    if (more == 9 || lead > 0xf4) { return NO_CHARACTER; }
    for (; more; more--) {
        if (*p == end || ((unsigned char)**p & 0xc0) != 0x80) { return NO_CHARACTER; }
        v = v << 6 | ((unsigned char)*(*p)++ & 0x3fu);
    }
    return v;
}

/* ---- compiling ------------------------------------------------------------------------------- */

struct class
{
    struct range v[RANGES_MAX];
    size_t count;
};

static void class_add(struct compiler *c, struct class *k, uint32_t first, uint32_t last)
{
    if (k->count == RANGES_MAX) {
        fail(c, "too many ranges in one pair of brackets");
        return;
    }
    k->v[k->count++] = (struct range){first, last};
}

/* \d and its like, behind the backslash. False when it is none of them. */
static bool class_escape(struct compiler *c, struct class *k)
{
    static const struct {
        char name;
        struct range v[5];
        size_t count;
    } classes[] = {
        {'d', {{'0', '9'}}, 1},
        {'D', {{0, '0' - 1}, {'9' + 1, 0x10ffff}}, 2},
        {'w', {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, 4},
        {'W',
         {{0, '0' - 1},
          {'9' + 1, 'A' - 1},
          {'Z' + 1, '_' - 1},
          {'_' + 1, 'a' - 1},
          {'z' + 1, 0x10ffff}},
         5},
        {'s', {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}, 3},
        {'S', {{0, '\t' - 1}, {'\n' + 1, '\f' - 1}, {'\r' + 1, ' ' - 1}, {' ' + 1, 0x10ffff}}, 4},
    };
    for (size_t i = 0; i < ARRAY_COUNT(classes); i++) {
        if (!take(c, classes[i].name)) { continue; }
        for (size_t n = 0; n < classes[i].count; n++) {
            class_add(c, k, classes[i].v[n].first, classes[i].v[n].last);
        }
        return true;
    }
    return false;
}

/* A character that stands for itself, or an escape that stands for one. */
static uint32_t literal(struct compiler *c)
{
    static const char from[] = "nrt", to[] = "\n\r\t";
    if (peek(c) < 0) {
        fail(c, "cut short");
        return 0;
    }
    if (!take(c, '\\')) { return decode(&c->p, c->end); }
    int ch = peek(c);
    const char *at = ch > 0 ? strchr(from, ch) : NULL;
    if (!at && (ch < 0 || !strchr("\\.+*?()|[]{}^$-/", ch))) {
        fail(c, "an escape that is not supported");
        return 0;
    }
    c->p++;
    return at ? (uint32_t)to[at - from] : (uint32_t)ch;
}

static void class_emit(struct compiler *c, const struct class *k, bool negated)
{
    struct range *v = arena_alloc(c->a, (k->count ? k->count : 1) * sizeof *v);
    if (!v) {
        no_memory(c);
        return;
    }
    memcpy(v, k->v, k->count * sizeof *v);
    (void)emit(c,
               (struct inst){
                   .kind = INST_CLASS, .ranges = v, .range_count = k->count, .negated = negated});
}

/* Behind "[". */
static void brackets(struct compiler *c)
{
    struct class k = {0};
    bool negated = take(c, '^'), first = true;
    while (c->rc == 0 && peek(c) >= 0 && (first || peek(c) != ']')) {
        first = false;
        if (peek(c) == '[') { fail(c, "[ inside brackets is not supported: write \\["); }
        if (peek(c) == '\\') {
            c->p++;
            if (class_escape(c, &k)) { continue; }
            c->p--;
        }
        uint32_t low = literal(c), high = low;
        if (peek(c) == '-' && c->p + 1 < c->end && c->p[1] != ']') {
            c->p++;
            high = literal(c);
        }
        if (high < low) { fail(c, "a range that ends before it begins"); }
        class_add(c, &k, low, high);
    }
    if (!take(c, ']')) { fail(c, "[ without ]"); }
    class_emit(c, &k, negated);
}

static void alternatives(struct compiler *c);

static void atom(struct compiler *c)
{
    struct class k = {0};
    if (take(c, '(')) {
        if (take(c, '?') && !take(c, ':')) { fail(c, "(? is not supported, but for (?:"); }
        if (++c->groups > GROUPS_MAX) { fail(c, "groups nested too deeply"); }
        if (c->rc == 0) { alternatives(c); }
        c->groups--;
        if (!take(c, ')')) { fail(c, "( without )"); }
    } else if (take(c, '[')) {
        brackets(c);
    } else if (take(c, '.')) {
        (void)emit(c, (struct inst){.kind = INST_ANY});
    } else if (take(c, '^')) {
        (void)emit(c, (struct inst){.kind = INST_BEGIN});
    } else if (take(c, '$')) {
        (void)emit(c, (struct inst){.kind = INST_END});
    } else if (peek(c) == '*' || peek(c) == '+' || peek(c) == '?' || peek(c) == '{') {
        fail(c, "a repeat of nothing");
    } else {
        if (take(c, '\\')) {
            if (class_escape(c, &k)) {
                class_emit(c, &k, false);
                return;
            }
            c->p--;
        }
        uint32_t ch = literal(c);
        (void)emit(c, (struct inst){.kind = INST_CHAR, .c = ch});
    }
}

/* Digits; -1 when there are none. */
static long number(struct compiler *c)
{
    long n = -1;
    while (peek(c) >= '0' && peek(c) <= '9') {
        n = (n < 0 ? 0 : n) * 10 + (*c->p++ - '0');
        if (n > (long)REGEX_REPEAT_MAX) {
            fail(c, "repeated too often");
            return 0;
        }
    }
    return n;
}

/* Behind "{": n, or n and more, or n to m. */
static void counts(struct compiler *c, long *min, long *max)
{
    *min = *max = number(c);
    if (take(c, ',')) { *max = number(c); }
    if (*min < 0 || !take(c, '}') || (*max >= 0 && *max < *min)) {
        fail(c, "wanted {n}, {n,} or {n,m}");
    }
}

/* The repeat behind an atom: min times, and up to max; max -1 = without end. False: there is none. */
static bool repeat(struct compiler *c, long *min, long *max)
{
    int sign = peek(c);
    if (sign != '*' && sign != '+' && sign != '?' && sign != '{') { return false; }
    c->p++;
    *min = sign == '+' ? 1 : 0;
    *max = sign == '?' ? 1 : -1;
    if (sign == '{') { counts(c, min, max); }
    (void)take(c, '?'); /* as few as possible: whether it matches is the same */
    return true;
}

/* The atom between start and end of the pattern once more. */
static void again(struct compiler *c, const char *start)
{
    const char *after = c->p;
    if (c->rc < 0) { return; }
    c->p = start;
    atom(c);
    c->p = after;
}

static void repeated(struct compiler *c)
{
    const char *start = c->p;
    size_t first = c->re->count;
    long min, max;
    atom(c);
    if (c->rc < 0 || !repeat(c, &min, &max)) { return; }
    const char *after = c->p;
    c->re->count = first; /* compile it again, as often as wanted */
    for (long i = 0; i < min; i++) { again(c, start); }
    for (long i = min; i < max; i++) { /* each of these may be left out */
        size_t split = emit(c, (struct inst){.kind = INST_SPLIT});
        again(c, start);
        c->re->v[split].to = split + 1;
        c->re->v[split].or = c->re->count;
    }
    if (max < 0) {
        size_t split = emit(c, (struct inst){.kind = INST_SPLIT});
        again(c, start);
        (void)emit(c, (struct inst){.kind = INST_JUMP, .to = split});
        c->re->v[split].to = split + 1;
        c->re->v[split].or = c->re->count;
    }
    c->p = after;
    int next = peek(c);
    if (next == '*' || next == '+' || next == '?' || next == '{') {
        fail(c, "a repeat of a repeat");
    }
}

static void sequence(struct compiler *c)
{
    while (c->rc == 0 && peek(c) >= 0 && peek(c) != '|' && peek(c) != ')') { repeated(c); }
}

/*
 * a|b|c: what follows the first alternative is not known when its split is needed, so each
 * alternative is preceded by the room for one.
 */
static void alternatives(struct compiler *c)
{
    size_t jumps[64], count = 0;
    for (;;) {
        size_t split = emit(c, (struct inst){.kind = INST_JUMP});
        c->re->v[split].to = split + 1;
        sequence(c);
        if (c->rc < 0 || !take(c, '|')) { break; }
        if (count == ARRAY_COUNT(jumps)) {
            fail(c, "too many alternatives");
            return;
        }
        jumps[count++] = emit(c, (struct inst){.kind = INST_JUMP});
        c->re->v[split] = (struct inst){.kind = INST_SPLIT, .to = split + 1, .or = c->re->count};
    }
    for (size_t i = 0; i < count; i++) { c->re->v[jumps[i]].to = c->re->count; }
}

int regex_compile(struct arena *a, const char *pattern, size_t len, struct regex **out,
                  struct err *e)
{
    struct regex *re = arena_alloc(a, sizeof *re);
    struct compiler c = {.a = a, .p = pattern, .end = pattern + len, .re = re, .e = e};
    if (len > REGEX_TEXT_MAX) {
        return err_set(e, EINVAL, "regular expression: %zu bytes, at most %u", len, REGEX_TEXT_MAX);
    }
    if (!re || !room(&c)) { return err_set(e, ENOMEM, "regular expression: no memory"); }
    alternatives(&c);
    if (peek(&c) == ')') { fail(&c, ") without ("); }
    (void)emit(&c, (struct inst){.kind = INST_MATCH});
    if (c.rc == 0) { *out = re; }
    return c.rc;
}

/* ---- matching -------------------------------------------------------------------------------- */

/* A set of places: in, and a list to walk. */
struct places {
    size_t *v, count;
    uint64_t *in; /* by place: the round in which it was added */
    uint64_t round;
};

struct machine {
    const struct regex *re;
    struct places now, next;
    size_t *stack;
    bool matched;
};

/* Adds a place and all that can be reached from it without a character. */
static void reach(struct machine *m, struct places *s, size_t place, bool at_begin, bool at_end)
{
    size_t depth = 0;
    m->stack[depth++] = place;
    while (depth) {
        size_t at = m->stack[--depth];
        const struct inst *i = &m->re->v[at];
        if (s->in[at] == s->round) { continue; }
        s->in[at] = s->round;
        switch (i->kind) {
        case INST_JUMP: m->stack[depth++] = i->to; break;
        case INST_SPLIT:
            m->stack[depth++] = i->or ;
            m->stack[depth++] = i->to;
            break;
        case INST_BEGIN:
            if (at_begin) { m->stack[depth++] = at + 1; }
            break;
        case INST_END:
            if (at_end) { m->stack[depth++] = at + 1; }
            break;
        case INST_MATCH: m->matched = true; break;
        default: s->v[s->count++] = at; break;
        }
    }
}

static bool inst_takes(const struct inst *i, uint32_t c)
{
    bool in = false;
    if (c == NO_CHARACTER) { return false; }
    if (i->kind == INST_CHAR) { return i->c == c; }
    if (i->kind == INST_ANY) { return c != '\n'; }
    for (size_t k = 0; k < i->range_count; k++) {
        in |= c >= i->ranges[k].first && c <= i->ranges[k].last;
    }
    return in != i->negated;
}

static bool machine_init(struct arena *a, struct machine *m)
{
    size_t n = m->re->count;
    struct places *both[] = {&m->now, &m->next};
    for (size_t i = 0; i < 2; i++) {
        both[i]->v = arena_alloc(a, n * sizeof(size_t));
        both[i]->in = arena_alloc(a, n * sizeof(uint64_t));
        if (!both[i]->v || !both[i]->in) { return false; }
    }
    m->stack = arena_alloc(a, 2 * (n + 1) * sizeof(size_t)); /* two for each place entered */
    return m->stack != NULL;
}

uint64_t regex_work(const struct regex *re) { return re->work; }
uint64_t regex_cost(const struct regex *re, size_t len) { return (uint64_t)re->count * (len + 1); }

int regex_match(struct arena *a, const struct regex *re, const char *text, size_t len, bool *out)
{
    struct machine m = {.re = re};
    const char *p = text, *end = text + len;
    uint64_t round = 1;
    if (!machine_init(a, &m)) { return -ENOMEM; }
    m.now.round = round;
    reach(&m, &m.now, 0, true, len == 0);
    while (!m.matched && p < end) {
        uint32_t c = decode(&p, end);
        m.next.count = 0;
        m.next.round = ++round;
        for (size_t i = 0; i < m.now.count; i++) {
            size_t at = m.now.v[i];
            if (inst_takes(&re->v[at], c)) { reach(&m, &m.next, at + 1, false, p == end); }
        }
        reach(&m, &m.next, 0, false, p == end); /* it may begin anywhere */
        struct places spare = m.now;
        m.now = m.next;
        m.next = spare;
    }
    *out = m.matched;
    return 0;
}
