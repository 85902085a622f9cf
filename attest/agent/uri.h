/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two kinds of address the agent meets: a broker's URL from initdata, and kbs: names of
 * resources.
 */
#ifndef CASEMATE_ATTEST_AGENT_URI_H
#define CASEMATE_ATTEST_AGENT_URI_H

#include "guest/base/err.h"

#define URI_HOST_MAX 254 /* with the zero byte: the longest DNS name */
#define URI_PATH_MAX 256

struct broker_url {
    char host[URI_HOST_MAX]; /* a name or an address; IPv6 without its brackets */
    uint16_t port;
    char authority[URI_HOST_MAX + 8]; /* for the Host header */
};

/* "https://HOST[:PORT]" with at most one slash behind it. Plain http is refused, and says so. */
MUST_CHECK int broker_url_parse(const char *text, struct broker_url *out, struct err *e);

/*
 * The path behind /kbs/v0/resource/ of "kbs:///repository/type/tag" (or kbs:/…, or with an
 * authority, which is ignored as everywhere in CoCo). Each segment matches
 * [A-Za-z0-9_-][A-Za-z0-9_.-]*. Other plugins and queries are refused.
 */
MUST_CHECK int resource_uri_parse(const char *uri, char out_path[URI_PATH_MAX], struct err *e);

/* The same for "shares:///repository/type/tag", a secret in shares (attest/shares.h). */
MUST_CHECK int share_set_uri_parse(const char *uri, char out_path[URI_PATH_MAX], struct err *e);
/* Does it claim to be one? */
bool share_set_uri_is(const char *uri);

#endif
