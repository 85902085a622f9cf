/* SPDX-License-Identifier: Apache-2.0 */
/* Checking the audit log's chain, one line after the other, as a stranger might have left them: functions of bytes. */
#include "attest/kbs/audit.h"

#include "attest/hex.h"
#include "attest/json.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

int audit_link_read(const char *line, size_t len, struct audit_link *out, struct err *e)
{
    auto_json doc = NULL;
    const char *prev;
    int rc = json_load_strict("line", line, len, AUDIT_LINE_MAX, &doc, e);
    if (rc == 0) { rc = json_get_text("line", doc, "prev", &prev, e); }
    if (rc < 0) { return rc; }
    const json_t *seq = json_object_get(doc, "seq"), *lost = json_object_get(doc, "lost");
    const char *event = json_string_value(json_object_get(doc, "event"));
    if (!json_is_integer(seq) || json_integer_value(seq) < 1 ||
        !hex_decode(prev, strlen(prev), out->prev, sizeof out->prev)) {
        return err_set(e, EBADMSG, "line: seq or prev is not what it must be");
    }
    out->seq = (uint64_t)json_integer_value(seq);
    out->lost = json_integer_value(lost) > 0 ? (uint64_t)json_integer_value(lost) : 0;
    out->resumed = event && strcmp(event, AUDIT_RESUMED) == 0;
    return 0;
}

/* ---- checking -------------------------------------------------------------------------------- */

static int place_check(const struct audit_check *c, const struct audit_link *l, struct err *e)
{
    if (c->lines == 0) { return 0; }
    if (l->seq != c->seq + 1) {
        return err_set(e, EBADMSG, "found seq %" PRIu64 ", wanted %" PRIu64, l->seq, c->seq + 1);
    }
    if (memcmp(l->prev, c->head, sizeof l->prev) != 0) {
        char found[HEX_LEN(CRYPTO_SHA256_SIZE)], wanted[HEX_LEN(CRYPTO_SHA256_SIZE)];
        hex_encode(l->prev, sizeof l->prev, found);
        hex_encode(c->head, sizeof c->head, wanted);
        return err_set(e, EBADMSG, "seq %" PRIu64 ": found prev %.16s..., wanted %.16s...", l->seq,
                       found, wanted);
    }
    return 0;
}

int audit_check_line(struct audit_check *c, const char *line, size_t len, struct err *e)
{
    struct audit_link l = {0};
    struct err why = {0};
    bool torn = audit_link_read(line, len, &l, &why) < 0;
    if (torn && (c->after_torn || c->lines == 0)) { return err_set(e, EBADMSG, "%s", why.text); }
    if (torn) {
        l.seq = c->seq + 1; /* what it would have been; the line behind it must confirm it */
    } else {
        int rc = place_check(c, &l, e);
        if (rc < 0) { return rc; }
        if (c->after_torn && !l.resumed) {
            return err_set(e, EBADMSG, "seq %" PRIu64 ": the line before it is not one of ours",
                           l.seq);
        }
    }
    if (c->lines++ == 0) {
        c->first_seq = l.seq;
        memcpy(c->first_prev, l.prev, sizeof l.prev);
    }
    c->after_torn = torn;
    c->torn += torn;
    c->lost += l.lost;
    c->seq = l.seq;
    crypto_sha256(line, len, c->head);
    return 0;
}
