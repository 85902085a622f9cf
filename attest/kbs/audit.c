/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the chain: the writer needs nothing but the last line of the file. Checking a line is in audit_check.c. */
#include "attest/kbs/audit.h"

#include "attest/hex.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

/* ---- writing --------------------------------------------------------------------------------- */

/* What the chain needs of a file's last bytes; tail starts behind a line break or at the start of the file. */
static int end_read(struct audit *a, const char *tail, size_t len, struct err *e)
{
    struct audit_link last = {0};
    const char *end = memrchr(tail, '\n', len);
    size_t whole = end ? (size_t)(end - tail) : 0; /* without the line break */
    a->torn = !end || tail + len != end + 1;
    if (end) {
        const char *before = memrchr(tail, '\n', whole);
        const char *start = before ? before + 1 : tail;
        size_t n = (size_t)(end - start);
        int rc = audit_link_read(start, n, &last, e);
        if (rc < 0) { return rc; }
        crypto_sha256(start, n, a->head);
        a->seq = last.seq;
    }
    if (a->torn) {
        const char *start = end ? end + 1 : tail;
        crypto_sha256(start, (size_t)(tail + len - start), a->head);
        a->seq++;
    }
    return 0;
}

/* Two lines of the largest size, or the whole file. */
static int file_end(struct audit *a, struct err *e)
{
    struct stat sb;
    if (fstat(a->fd, &sb) < 0) { return err_set(e, errno, "%s", strerror(errno)); }
    if (sb.st_size == 0) { return 0; }
    size_t max = 2 * AUDIT_LINE_MAX;
    size_t len = (uint64_t)sb.st_size < max ? (size_t)sb.st_size : max;
    auto_free char *tail = malloc(len);
    if (!tail) { return err_set(e, ENOMEM, "out of memory"); }
    if (pread(a->fd, tail, len, sb.st_size - (off_t)len) != (ssize_t)len) {
        return err_set(e, EIO, "cannot be read");
    }
    const char *start = tail;
    if (len < (size_t)sb.st_size) {
        const char *first = memchr(tail, '\n', len);
        if (!first) { return err_set(e, EBADMSG, "its last line is longer than ours are"); }
        start = first + 1;
    }
    return end_read(a, start, len - (size_t)(start - tail), e);
}

static int open_file(const char *path, struct audit *a, struct err *e)
{
    struct stat sb;
    a->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (a->fd < 0) { return err_set(e, errno, "%s", strerror(errno)); }
    if (fstat(a->fd, &sb) < 0 || !S_ISREG(sb.st_mode)) {
        return err_set(e, EINVAL, "is not a file");
    }
    if (flock(a->fd, LOCK_EX | LOCK_NB) < 0) {
        return err_set(e, EBUSY, "another process writes it");
    }
    return file_end(a, e);
}

int audit_open(const char *path, struct audit *out, struct err *e)
{
    struct audit a = {.fd = -1};
    int rc = 0;
    if (path) {
        rc = open_file(path, &a, e);
    } else {
        a.fd = dup(STDERR_FILENO);
        if (a.fd < 0) { rc = err_set(e, errno, "%s", strerror(errno)); }
    }
    if (rc < 0) {
        audit_close(&a);
        return err_wrap(e, "audit log %s", path ? path : "(standard error)");
    }
    *out = a;
    return 0;
}

int audit_reopen(struct audit *a, const char *path, struct err *e)
{
    struct stat now, then;
    if (!path || (stat(path, &now) == 0 && fstat(a->fd, &then) == 0 && now.st_ino == then.st_ino &&
                  now.st_dev == then.st_dev)) {
        return 0; /* nobody moved it */
    }
    struct audit fresh = {.fd = -1};
    int rc = open_file(path, &fresh, e);
    if (rc < 0) {
        audit_close(&fresh);
        return err_wrap(e, "audit log %s", path);
    }
    if (fresh.seq == 0) { /* an empty file goes on where ours ends */
        fresh.seq = a->seq;
        memcpy(fresh.head, a->head, sizeof fresh.head);
    }
    fresh.lost = a->lost;
    fresh.sync = a->sync;
    audit_close(a);
    *a = fresh;
    return 0;
}

void audit_close(struct audit *a)
{
    if (a->fd >= 0) { (void)close(a->fd); }
    a->fd = -1;
}

/* One write. What arrives of it becomes part of the chain, whole or torn. */
static int append(struct audit *a, const char *body)
{
    char prev[HEX_LEN(CRYPTO_SHA256_SIZE)];
    auto_free char *line = NULL;
    hex_encode(a->head, sizeof a->head, prev);
    int n =
        asprintf(&line, "{\"seq\":%" PRIu64 ",\"prev\":\"%s\",%s\n", a->seq + 1, prev, body + 1);
    if (n < 0) {
        line = NULL;
        return -ENOMEM;
    }
    if ((size_t)n > AUDIT_LINE_MAX) { return -EFBIG; }
    ssize_t done = write(a->fd, line, (size_t)n);
    if (done <= 0) { return done < 0 ? -errno : -EIO; }
    a->torn = done < n;
    a->seq++;
    crypto_sha256(line, (size_t)(a->torn ? done : n - 1), a->head);
    if (a->torn) { return -ENOSPC; }
    /* A pipe has no disk behind it. */
    return a->sync && fdatasync(a->fd) < 0 && errno != EINVAL ? -errno : 0;
}

/* Close a torn line, and say how many were lost. */
static int resume(struct audit *a)
{
    if (!a->torn && a->lost == 0) { return 0; }
    if (a->torn && write(a->fd, "\n", 1) != 1) { return errno ? -errno : -EIO; }
    a->torn = false;
    char body[160], when[32];
    struct tm tm;
    time_t t = time(NULL);
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    (void)snprintf(body, sizeof body,
                   "{\"time\":\"%s\",\"event\":\"" AUDIT_RESUMED
                   "\",\"decision\":\"note\",\"lost\":%" PRIu64 "}",
                   when, a->lost);
    int rc = append(a, body);
    if (rc == 0) { a->lost = 0; }
    return rc;
}

int audit_line(void *ctx, const char *line)
{
    struct audit *a = ctx;
    int rc = resume(a);
    if (rc == 0) { rc = append(a, line); }
    if (rc == 0) { return 0; }
    a->lost++;
    (void)fprintf(stderr, "cc-kbs: audit log: %s: %s\n", strerror(-rc), line);
    return -EIO;
}

/* ---- checking a file ------------------------------------------------------------------------- */

int audit_check_file(struct audit_check *c, const char *path, struct err *e)
{
    auto_file f = fopen(path, "re");
    auto_free char *buf = malloc(AUDIT_LINE_MAX + 1);
    if (!f) { return err_set(e, errno, "%s: %s", path, strerror(errno)); }
    if (!buf) { return err_set(e, ENOMEM, "%s: out of memory", path); }
    uint64_t number = 0;
    for (size_t len = 0;;) {
        int ch = getc(f);
        if (ch == EOF && len == 0) { break; }
        if (ch != EOF && ch != '\n') {
            if (len == AUDIT_LINE_MAX) {
                return err_set(e, EBADMSG, "%s: line %" PRIu64 ": longer than ours are", path,
                               number + 1);
            }
            buf[len++] = (char)ch;
            continue;
        }
        number++;
        int rc = audit_check_line(c, buf, len, e);
        if (rc < 0) { return err_wrap(e, "%s: line %" PRIu64, path, number); }
        len = 0;
        if (ch == EOF) { break; }
    }
    return ferror(f) ? err_set(e, EIO, "%s: cannot be read", path) : 0;
}
