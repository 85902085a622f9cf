/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line discipline: what happens to each byte between the terminal and the program. Typed bytes are hostile only in
 * amount: the queue is fixed, a full one drops (canonical mode) or pushes back (raw mode).
 *
 * Editing works on bytes [line, head). Erasing on the screen needs the width of what is erased: control characters
 * are shown as two, tabs as what is left to their stop, bytes that continue a UTF-8 character as none.
 */
#include "guest/fs/ldisc.h"
#include "guest/mm/mm.h"

static bool lflag(const struct tty *t, uint32_t f) { return (t->t.lflag & f) != 0; }
static bool iflag(const struct tty *t, uint32_t f) { return (t->t.iflag & f) != 0; }
static bool is_cc(const struct tty *t, unsigned which, uint8_t c)
{
    return t->t.cc[which] != 0 && t->t.cc[which] == c;
}

void ldisc_init(struct tty *t)
{
    static const uint8_t cc[C_COUNT] = {
        [C_INTR] = 3,     [C_QUIT] = 28,   [C_ERASE] = 127, [C_KILL] = 21, [C_EOF] = 4,
        [C_MIN] = 1,      [C_START] = 17,  [C_STOP] = 19,   [C_SUSP] = 26, [C_REPRINT] = 18,
        [C_DISCARD] = 15, [C_WERASE] = 23, [C_LNEXT] = 22,
    };

    t->t = (struct termios_abi){
        .iflag = I_ICRNL | I_IXON,
        .oflag = O_OPOST | O_ONLCR,
        .cflag = 0x4bf, /* B38400 CS8 CREAD HUPCL */
        .lflag = L_ISIG | L_ICANON | L_ECHO | L_ECHOE | L_ECHOK | L_ECHOCTL | L_ECHOKE | L_IEXTEN,
    };
    memcpy(t->t.cc, cc, sizeof(cc));
    t->ispeed = t->ospeed = 38400;
}

/* ---- output ---- */

/* The most bytes that one can become: a tab, or a newline. */
static size_t widest(const struct tty *t)
{
    if (!(t->t.oflag & O_OPOST)) { return 1; }
    return (t->t.oflag & O_TABDLY) == O_TABDLY ? 8 : 2;
}

/* One byte, processed, into out; how many it became. */
static size_t expand(struct tty *t, uint8_t c, uint8_t out[8])
{
    uint32_t o = t->t.oflag;

    out[0] = c;
    if (!(o & O_OPOST)) { return 1; }
    switch (c) {
    case '\n':
        if (o & O_ONLRET) { t->column = 0; }
        if (!(o & O_ONLCR)) { return 1; }
        t->column = t->canon_column = 0;
        out[0] = '\r';
        out[1] = '\n';
        return 2;
    case '\r':
        t->column = t->canon_column = 0;
        if (o & O_OCRNL) { out[0] = '\n'; }
        return 1;
    case '\t': {
        size_t n = 8 - t->column % 8;
        t->column += (uint32_t)n;
        if ((o & O_TABDLY) != O_TABDLY) { return 1; }
        memset(out, ' ', n);
        return n;
    }
    case '\b':
        if (t->column > 0) { t->column--; }
        return 1;
    default:
        if (c >= 32 && c != 127 && !(iflag(t, I_IUTF8) && (c & 0xc0) == 0x80)) { t->column++; }
        return 1;
    }
}

size_t ldisc_out(struct tty *t, const uint8_t *b, size_t len)
{
    size_t room = t->ops->room(t), wide = widest(t), at = 0;

    while (at < len && room >= wide) {
        uint8_t out[256];
        size_t n = 0;
        while (at < len && n + wide <= sizeof(out) && n + wide <= room) {
            n += expand(t, b[at++], out + n);
        }
        (void)t->ops->write(t, out, n);
        room -= n;
    }
    return at;
}

/* ---- echo: best effort, a full terminal loses it ---- */

static void echo_raw(struct tty *t, const char *s)
{
    (void)ldisc_out(t, (const uint8_t *)s, strlen(s));
}

static bool shown_as_two(const struct tty *t, uint8_t c)
{
    return lflag(t, L_ECHOCTL) && (c < 32 || c == 127) && c != '\t' && c != '\n';
}

static void echo(struct tty *t, uint8_t c)
{
    if (shown_as_two(t, c)) {
        uint8_t two[2] = {'^', c ^ 0x40};
        (void)ldisc_out(t, two, 2);
    } else {
        (void)ldisc_out(t, &c, 1);
    }
}

static void bell(struct tty *t)
{
    if (iflag(t, I_IMAXBEL)) { echo_raw(t, "\a"); }
}

/* ---- the queue ---- */

static uint8_t *at(struct tty *t, uint64_t pos) { return &t->buf[pos % TTY_BUF]; }
static bool is_end(const struct tty *t, uint64_t pos)
{
    return (t->ends[pos % TTY_BUF / 64] >> pos % 64 & 1) != 0;
}

static void set_end(struct tty *t, uint64_t pos, bool end)
{
    uint64_t bit = 1ull << pos % 64;

    if (end) {
        t->ends[pos % TTY_BUF / 64] |= bit;
    } else {
        t->ends[pos % TTY_BUF / 64] &= ~bit;
    }
}

static void put(struct tty *t, uint8_t c, bool end)
{
    *at(t, t->head) = c;
    set_end(t, t->head, end);
    t->head++;
}

static uint64_t limit(const struct tty *t) { return lflag(t, L_ICANON) ? t->line : t->head; }

size_t ldisc_readable(const struct tty *t) { return (size_t)(limit(t) - t->tail); }

bool ldisc_may_read(const struct tty *t)
{
    uint64_t want = lflag(t, L_ICANON) || t->t.cc[C_TIME] || !t->t.cc[C_MIN] ? 1 : t->t.cc[C_MIN];
    return limit(t) - t->tail >= want;
}

void ldisc_flush_input(struct tty *t)
{
    t->tail = t->line = t->head;
    if (t->ops->input_room) { t->ops->input_room(t); }
}

int64_t ldisc_take(struct tty *t, struct uio *u)
{
    uint64_t end = limit(t);
    bool canon = lflag(t, L_ICANON);
    int64_t done = 0;

    while (t->tail < end && u->left > 0) {
        uint8_t c = *at(t, t->tail);
        bool last = canon && is_end(t, t->tail);
        if (!(last && c == 0)) { /* an end of file is not a byte */
            if (uio_put(u, &c, 1) != 1) { return done > 0 ? done : -EFAULT; }
            done++;
        } else if (done > 0) {
            t->tail++; /* it ends the bytes before it, and is not an end of file of its own */
            break;
        }
        t->tail++;
        if (last) { break; }
    }
    if (t->ops->input_room) { t->ops->input_room(t); }
    return done;
}

void ldisc_mode(struct tty *t, const struct termios_abi *to)
{
    if ((t->t.lflag ^ to->lflag) & L_ICANON) {
        /* Bytes that nobody has read stay readable in the other mode, a half-edited line included. */
        t->line = t->head;
    }
    t->t = *to;
    if (!(to->iflag & I_IXON) && t->stopped) {
        t->stopped = false;
        wake(&t->write_wait, LPOLLOUT);
    }
    if (ldisc_may_read(t)) { wake(&t->read_wait, LPOLLIN); }
}

/* ---- editing ---- */

static bool continues_utf8(const struct tty *t, uint8_t c)
{
    return iflag(t, I_IUTF8) && (c & 0xc0) == 0x80;
}

/* The screen column after the line being edited, up to pos. */
static uint32_t column_at(struct tty *t, uint64_t pos)
{
    uint32_t col = t->canon_column;

    for (uint64_t p = t->line; p < pos; p++) {
        uint8_t c = *at(t, p);
        if (c == '\t') {
            col += 8 - col % 8;
        } else if (shown_as_two(t, c)) {
            col += 2;
        } else if (c >= 32 && !continues_utf8(t, c)) {
            col++;
        }
    }
    return col;
}

/* Removes the last character of the line, from the screen too. */
static void erase_one(struct tty *t)
{
    uint32_t before = column_at(t, t->head);

    do {
        t->head--;
    } while (t->head > t->line && continues_utf8(t, *at(t, t->head)));
    if (!lflag(t, L_ECHO)) { return; }
    if (!lflag(t, L_ECHOE)) {
        echo(t, t->t.cc[C_ERASE]);
        return;
    }
    bool tab = *at(t, t->head) == '\t';
    for (uint32_t n = before - column_at(t, t->head); n > 0; n--) {
        echo_raw(t, tab ? "\b" : "\b \b");
    }
}

static bool word_byte(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           c >= 128;
}

static void erase_word(struct tty *t)
{
    bool seen = false;

    while (t->head > t->line) {
        bool word = word_byte(*at(t, t->head - 1));
        if (seen && !word) { break; }
        seen = seen || word;
        erase_one(t);
    }
}

static void erase_line(struct tty *t)
{
    if (lflag(t, L_ECHO) && !(lflag(t, L_ECHOKE) && lflag(t, L_ECHOE))) {
        echo(t, t->t.cc[C_KILL]);
        if (lflag(t, L_ECHOK)) { echo_raw(t, "\n"); }
        t->head = t->line;
        return;
    }
    while (t->head > t->line) { erase_one(t); }
}

static void reprint(struct tty *t)
{
    echo(t, t->t.cc[C_REPRINT]);
    echo_raw(t, "\n");
    for (uint64_t p = t->line; p < t->head; p++) { echo(t, *at(t, p)); }
}

static void line_done(struct tty *t)
{
    t->line = t->head;
    wake(&t->read_wait, LPOLLIN | LPOLLRDNORM);
}

/* ---- one typed byte ---- */

static bool signal_key(struct tty *t, uint8_t c)
{
    int signo = is_cc(t, C_INTR, c)   ? LSIG_INT
                : is_cc(t, C_QUIT, c) ? LSIG_QUIT
                : is_cc(t, C_SUSP, c) ? LSIG_TSTP
                                      : 0;

    if (!lflag(t, L_ISIG) || !signo) { return false; }
    if (!lflag(t, L_NOFLSH)) { ldisc_flush_input(t); }
    if (lflag(t, L_ECHO)) { echo(t, c); }
    if (t->pgid) {
        (void)signal_pgrp(t->pgid, &(struct ksiginfo){.signo = signo, .code = LSI_KERNEL});
    }
    return true;
}

static bool flow_key(struct tty *t, uint8_t c)
{
    if (!iflag(t, I_IXON)) { return false; }
    if (is_cc(t, C_STOP, c) && !is_cc(t, C_START, c)) {
        t->stopped = true;
        return true;
    }
    bool start = is_cc(t, C_START, c);
    if (start || (t->stopped && iflag(t, I_IXANY))) {
        t->stopped = false;
        wake(&t->write_wait, LPOLLOUT);
    }
    return start;
}

/* Keys that edit the line; false: an ordinary byte. */
static bool edit_key(struct tty *t, uint8_t c)
{
    bool any = t->head > t->line;

    if (is_cc(t, C_ERASE, c)) {
        if (any) { erase_one(t); }
    } else if (is_cc(t, C_KILL, c)) {
        erase_line(t);
    } else if (lflag(t, L_IEXTEN) && is_cc(t, C_WERASE, c)) {
        erase_word(t);
    } else if (lflag(t, L_IEXTEN) && is_cc(t, C_REPRINT, c)) {
        if (lflag(t, L_ECHO)) { reprint(t); }
    } else if (lflag(t, L_IEXTEN) && is_cc(t, C_LNEXT, c)) {
        t->literal = true;
        if (lflag(t, L_ECHO)) { echo_raw(t, "^\b"); }
    } else if (is_cc(t, C_EOF, c)) {
        if (t->head - t->tail < TTY_BUF) { put(t, 0, true); }
        line_done(t);
    } else {
        return false;
    }
    return true;
}

static void canon_byte(struct tty *t, uint8_t c, bool literal)
{
    bool end = !literal &&
               (c == '\n' || is_cc(t, C_EOL, c) || (lflag(t, L_IEXTEN) && is_cc(t, C_EOL2, c)));

    if (!literal && edit_key(t, c)) { return; }
    /* The last place is for the byte that ends the line: a line that is too long loses its tail, not its end. */
    if (t->head - t->tail >= TTY_BUF - (end ? 0 : 1)) {
        bell(t);
        return;
    }
    if (lflag(t, L_ECHO) || (c == '\n' && lflag(t, L_ECHONL))) {
        if (t->head == t->line && !end) { t->canon_column = t->column; }
        if (c == '\n' && !literal) {
            echo_raw(t, "\n");
        } else {
            echo(t, c);
        }
    }
    put(t, c, end);
    if (end) { line_done(t); }
}

/* False: no room (raw mode), the byte was not taken. */
static bool typed(struct tty *t, uint8_t c)
{
    bool literal = t->literal, canon = lflag(t, L_ICANON);

    if (iflag(t, I_ISTRIP)) { c &= 0x7f; }
    t->literal = false;
    if (!literal) {
        if (flow_key(t, c) || signal_key(t, c)) { return true; }
        if (c == '\r') {
            if (iflag(t, I_IGNCR)) { return true; }
            if (iflag(t, I_ICRNL)) { c = '\n'; }
        } else if (c == '\n' && iflag(t, I_INLCR)) {
            c = '\r';
        }
    }
    if (canon) {
        canon_byte(t, c, literal);
        return true;
    }
    if (t->head - t->tail >= TTY_BUF) { return false; }
    if (lflag(t, L_ECHO)) { echo(t, c); }
    put(t, c, false);
    t->line = t->head;
    return true;
}

size_t tty_input(struct tty *t, const uint8_t *bytes, size_t len)
{
    size_t n = 0;

    while (n < len && typed(t, bytes[n])) { n++; }
    if (n > 0 && ldisc_may_read(t)) { wake(&t->read_wait, LPOLLIN | LPOLLRDNORM); }
    return n;
}

size_t tty_input_room(struct tty *t)
{
    return lflag(t, L_ICANON) ? TTY_BUF : TTY_BUF - (size_t)(t->head - t->tail);
}
