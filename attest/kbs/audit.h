/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log: one JSON object a line, appended by a single write, and each line chained to the one before it:
 *
 *      {"seq":7,"prev":"<SHA-256 of line 6, without its line break>",<what the caller says>}
 *
 * The first line of a new log has seq 1 and 64 zeros. So a line that is changed, removed or put in between shows, unless
 * everything behind it was made again: whoever keeps seq and hash of one line elsewhere (`cc-kbs audit verify` prints the
 * last) can tell that, too, and a cut end as well.
 *
 * A process that is killed or a disk that is full may leave a torn line. It stays; the line behind it has the event
 * "audit-resumed" and chains over its bytes. "lost" in that line is the number of lines that could not be written at all.
 *
 * To rotate, move the file and send SIGHUP: the new file goes on where the old one ended.
 */
#ifndef CASEMATE_ATTEST_KBS_AUDIT_H
#define CASEMATE_ATTEST_KBS_AUDIT_H

#include "attest/crypto.h"
#include "guest/base/err.h"

#define AUDIT_LINE_MAX (64u * 1024)

/* ---- writing --------------------------------------------------------------------------------- */

struct audit {
    int fd;
    uint64_t seq; /* of the last line */
    uint8_t head[CRYPTO_SHA256_SIZE];
    bool torn; /* the last line has no end */
    bool sync; /* a line counts as written when it is on disk; set by the owner */
    uint64_t lost;
};

/*
 * path NULL: standard error, a chain of its own. A file goes on where it ends; one that does not end in a line of ours is
 * refused, and so is one that another process writes.
 */
MUST_CHECK int audit_open(const char *path, struct audit *out, struct err *e);
/* The same path again, after a rotation; when it cannot be opened the old file stays. */
MUST_CHECK int audit_reopen(struct audit *a, const char *path, struct err *e);
void audit_close(struct audit *a);

/*
 * ctx: a struct audit. line: a JSON object with at least one member, without line breaks. One that cannot be written is
 * said on standard error and counted, and -EIO returned. Whether the broker goes on is its owner's choice ([audit] required).
 */
int audit_line(void *ctx, const char *line);

/* ---- checking (audit_check.c) -------------------------------------------------------------------------------- */

#define AUDIT_RESUMED "audit-resumed"

/* What one line says of its place in the chain. */
struct audit_link {
    uint64_t seq, lost;
    uint8_t prev[CRYPTO_SHA256_SIZE];
    bool resumed;
};
MUST_CHECK int audit_link_read(const char *line, size_t len, struct audit_link *out, struct err *e);

/* Where a chain stands; zero = before its first line. */
struct audit_check {
    uint64_t lines, torn, lost;
    uint64_t first_seq, seq;
    uint8_t first_prev[CRYPTO_SHA256_SIZE], head[CRYPTO_SHA256_SIZE];
    bool after_torn;
};

/* The next line, without its line break. -EBADMSG says what is wrong with it. */
MUST_CHECK int audit_check_line(struct audit_check *c, const char *line, size_t len, struct err *e);

/* All of a file (audit.c); the chain goes on from what c has seen before. */
MUST_CHECK int audit_check_file(struct audit_check *c, const char *path, struct err *e);

#endif
