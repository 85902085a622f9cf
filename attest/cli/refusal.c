/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See refusal.h. The forms of a reason, by who gives it:
 *
 *   a verifier   "LAYER (CODE): TEXT: found F, wanted W"
 *   a rule       "rule NAME: CHECK: found F, wanted W", or another text behind CHECK
 *   a broker     "SUBJECT: TEXT"
 *
 * Several in one error body stand behind "; ", and in front may be "the evidence of KIND is
 * refused: ". Whatever does not have a form is kept as a text without a subject.
 */
#include "attest/cli/refusal.h"

#include "attest/json.h"
#include "attest/verify/explain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TEXT_SIZE (1u << 20) /* of one line, or the whole of a document */

/* ---- one reason */

/* n bytes of text, cut where out is full; what would move a terminal's cursor becomes a ?. */
static void copy(char *out, size_t size, const char *text, size_t n)
{
    size_t len = n < size - 1 ? n : size - 1;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        out[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    out[len] = '\0';
}

/* "… found F, wanted W": the last "found " that has a ", wanted " behind it. */
static void take_values(struct refusal_reason *r)
{
    const char *found = NULL;
    for (const char *p = r->text; (p = strstr(p, "found ")) != NULL; p++) { found = p + 6; }
    const char *wanted = found ? strstr(found, ", wanted ") : NULL;
    if (!wanted) { return; }
    copy(r->found, sizeof r->found, found, (size_t)(wanted - found));
    copy(r->wanted, sizeof r->wanted, wanted + 9, strlen(wanted + 9));
}

/* "rule NAME: CHECK: …" */
static bool take_rule(struct refusal_reason *r)
{
    const char *name = r->text + 5, *check, *end;
    if (strncmp(r->text, "rule ", 5) != 0 || !(check = strstr(name, ": "))) { return false; }
    copy(r->rule, sizeof r->rule, name, (size_t)(check - name));
    check += 2;
    end = strstr(check, ": ");
    copy(r->subject, sizeof r->subject, check, end ? (size_t)(end - check) : strlen(check));
    return true;
}

/* "LAYER (CODE): …" */
static bool take_code(struct refusal_reason *r)
{
    const char *open = strstr(r->text, " ("), *shut = open ? strstr(open, "): ") : NULL;
    if (!shut || strcspn(r->text, " ") != (size_t)(open - r->text)) { return false; }
    copy(r->subject, sizeof r->subject, open + 2, (size_t)(shut - open - 2));
    r->code = explain_find(r->subject);
    return r->code != NULL;
}

static void take_subject(struct refusal_reason *r)
{
    const char *colon = strstr(r->text, ": ");
    copy(r->subject, sizeof r->subject, r->text, colon ? (size_t)(colon - r->text) : 0);
}

static void reason_add(struct refusal *f, const char *text, size_t len)
{
    if (len == 0) { return; }
    if (f->count == REFUSAL_REASONS_MAX) {
        f->more = true;
        return;
    }
    struct refusal_reason *r = &f->reasons[f->count++];
    *r = (struct refusal_reason){0};
    copy(r->text, sizeof r->text, text, len);
    if (!take_rule(r) && !take_code(r)) { take_subject(r); }
    take_values(r);
}

/* ---- where reasons stand */

/* Does a new reason begin here? Texts have semicolons of their own. */
static bool begins_reason(const char *p)
{
    size_t word = strcspn(p, " ");
    return strncmp(p, "rule ", 5) == 0 || (p[word] == ' ' && p[word + 1] == '(');
}

static void take_detail(struct refusal *f, const char *text)
{
    const char *refused = strstr(text, " is refused: ");
    if (strncmp(text, "the evidence of ", 16) == 0 && refused) { text = refused + 13; }
    const char *start = text;
    for (const char *p = text; (p = strstr(p, "; ")) != NULL; p += 2) {
        if (!begins_reason(p + 2)) { continue; }
        reason_add(f, start, (size_t)(p - start));
        start = p + 2;
    }
    reason_add(f, start, strlen(start));
}

/* A reason of `cc-attest verify --json` is an object; one of an audit line is a text. */
static void take_entry(struct refusal *f, const json_t *entry)
{
    char text[REFUSAL_TEXT_MAX];
    if (json_is_string(entry)) {
        reason_add(f, json_string_value(entry), json_string_length(entry));
        return;
    }
    static const char *const names[] = {"check", "code", "text", "found", "wanted"};
    const char *v[ARRAY_COUNT(names)];
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        v[i] = json_string_value(json_object_get(entry, names[i]));
        if (!v[i]) { return; }
    }
    (void)snprintf(text, sizeof text, "%s (%s): %s: found %s, wanted %s", v[0], v[1], v[2], v[3],
                   v[4]);
    reason_add(f, text, strlen(text));
}

static void take_object(struct refusal *f, const json_t *doc)
{
    const char *detail = json_string_value(json_object_get(doc, "detail"));
    const json_t *list = json_object_get(doc, "reasons"), *entry;
    size_t i;
    if (detail) { take_detail(f, detail); }
    json_array_foreach (list, i, entry) { take_entry(f, entry); }
}

/* One document, or one on each line. */
static void take_line(struct refusal *f, const char *line, size_t len)
{
    struct err ignored = {0};
    auto_json doc = NULL;
    char text[REFUSAL_TEXT_MAX];
    if (json_load_strict("refusal", line, len, TEXT_SIZE, &doc, &ignored) == 0) {
        take_object(f, doc);
    } else if (len > 0 && line[0] != '{') {
        copy(text, sizeof text, line, len);
        take_detail(f, text);
    }
}

int refusal_parse(const char *text, size_t len, struct refusal *out, struct err *e)
{
    struct err ignored = {0};
    auto_json doc = NULL;
    out->count = 0;
    out->more = false;
    if (json_load_strict("refusal", text, len, TEXT_SIZE, &doc, &ignored) == 0) {
        take_object(out, doc);
    } else {
        for (size_t at = 0; at < len;) {
            const char *end = memchr(text + at, '\n', len - at);
            size_t n = end ? (size_t)(end - text) - at : len - at;
            take_line(out, text + at, n);
            at += n + 1;
        }
    }
    if (out->count == 0) {
        return err_set(e, EBADMSG,
                       "no refusal in it: wanted a broker's error body, lines of its audit log or "
                       "what verify --json prints");
    }
    return 0;
}
