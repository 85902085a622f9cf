/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See uri.h. [CoCo §4.1, §7.5]; the text comes from initdata and from an image's annotations:
 * strangers.
 */
#include "attest/agent/uri.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* ---- the broker */

static bool host_ok(const char *p, size_t len, bool v6)
{
    for (size_t i = 0; i < len; i++) {
        bool ok = is_alnum(p[i]) || p[i] == '.' || (v6 ? p[i] == ':' : p[i] == '-');
        if (!ok) { return false; }
    }
    return len > 0 && len < URI_HOST_MAX;
}

/* ":PORT" or nothing, then "/" or nothing, then the end. */
static bool parse_port(const char *p, uint16_t *out)
{
    unsigned long v = 443;
    if (*p == ':') {
        size_t digits = strspn(++p, "0123456789");
        if (digits == 0 || digits > 5) { return false; }
        v = 0;
        for (; digits > 0; digits--) { v = v * 10 + (unsigned long)(*p++ - '0'); }
        if (v == 0 || v > 65535) { return false; }
    }
    if (*p == '/') { p++; }
    *out = (uint16_t)v;
    return *p == '\0';
}

int broker_url_parse(const char *text, struct broker_url *out, struct err *e)
{
    static const char scheme[] = "https://";
    struct broker_url u = {0};
    if (strncasecmp(text, "http://", 7) == 0) {
        return err_set(
            e, EINVAL,
            "broker %.100s: plain http gives the secret to whoever listens; wanted https", text);
    }
    if (strncasecmp(text, scheme, sizeof scheme - 1) != 0) {
        return err_set(e, EINVAL, "broker %.100s: wanted https://HOST[:PORT]", text);
    }
    const char *host = text + sizeof scheme - 1, *end;
    bool v6 = *host == '[';
    if (v6) {
        end = strchr(++host, ']');
        if (!end) { return err_set(e, EINVAL, "broker %.100s: \"]\" is missing", text); }
    } else {
        end = host + strcspn(host, ":/");
    }
    size_t len = (size_t)(end - host);
    if (!host_ok(host, len, v6) || !parse_port(v6 ? end + 1 : end, &u.port)) {
        return err_set(e, EINVAL, "broker %.100s: wanted https://HOST[:PORT]", text);
    }
    memcpy(u.host, host, len);
    (void)snprintf(u.authority, sizeof u.authority, v6 ? "[%s]:%u" : "%s:%u", u.host,
                   (unsigned)u.port);
    *out = u;
    return 0;
}

/* ---- resources */

static bool path_ok(const char *p)
{
    size_t segments = 0;
    for (;;) {
        size_t len = 0;
        while (is_alnum(p[len]) || p[len] == '_' || p[len] == '-' || (len > 0 && p[len] == '.')) {
            len++;
        }
        if (len == 0) { return false; }
        segments++;
        p += len;
        if (*p == '\0') { return segments == 3; }
        if (*p++ != '/') { return false; }
    }
}

int resource_uri_parse(const char *uri, char out_path[URI_PATH_MAX], struct err *e)
{
    const char *p = uri;
    if (strncasecmp(p, "kbs+", 4) == 0) {
        return err_set(e, ENOTSUP, "resource %.100s: plugins other than resource are not asked",
                       uri);
    }
    if (strncasecmp(p, "kbs:/", 5) != 0) {
        return err_set(e, EINVAL, "resource %.100s: wanted kbs:///repository/type/tag", uri);
    }
    p += 5;
    if (*p == '/') { /* an authority, perhaps an empty one */
        p = strchr(p + 1, '/');
        if (p) { p++; }
    }
    if (!p || !path_ok(p) || strlen(p) >= URI_PATH_MAX) {
        return err_set(e, EINVAL, "resource %.100s: wanted kbs:///repository/type/tag", uri);
    }
    memcpy(out_path, p, strlen(p) + 1);
    return 0;
}

#define SHARES "shares:///"

bool share_set_uri_is(const char *uri) { return strncmp(uri, "shares:", 7) == 0; }

int share_set_uri_parse(const char *uri, char out_path[URI_PATH_MAX], struct err *e)
{
    const char *p = uri + sizeof SHARES - 1;
    if (strncmp(uri, SHARES, sizeof SHARES - 1) != 0 || !path_ok(p) || strlen(p) >= URI_PATH_MAX) {
        return err_set(e, EINVAL, "resource %.100s: wanted " SHARES "repository/type/tag", uri);
    }
    memcpy(out_path, p, strlen(p) + 1);
    return 0;
}
