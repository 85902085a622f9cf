/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The administrator's side of the wire: one request to a broker over TLS 1.3, whose certificate must be in, or lead to,
 * the PEM file given. No redirects, no proxies, no system roots. Plain http only when the caller says so.
 */
#ifndef CASEMATE_ATTEST_KBS_DESK_CLIENT_H
#define CASEMATE_ATTEST_KBS_DESK_CLIENT_H

#include "attest/kbs/http/http.h"

struct client {
    const char *url;      /* "https://host:port", without a path */
    const char *cert_pem; /* file name */
    const char *token;    /* of an administrator, without line break */
    bool insecure_http;
};

struct client_answer {
    int status;
    char *body; /* malloc, len bytes and a zero byte; freed by the caller */
    size_t len;
};

#define CLIENT_BODY_MAX (16u * 1024 * 1024)

/* path begins with a slash. Returns 0 for any complete answer, whatever its status. */
MUST_CHECK int client_call(const struct client *c, enum http_method method, const char *path,
                           const void *body, size_t len, struct client_answer *out, struct err *e);

#endif
