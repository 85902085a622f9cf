/* SPDX-License-Identifier: Apache-2.0 */
/* One request by libcurl, with its many defaults narrowed. */
#include "attest/kbs/desk/client.h"

#include "guest/base/ct.h"
#include "guest/base/hosted.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

struct sink {
    char *p;
    size_t len;
};

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct sink *s = arg;
    size_t n = size * count; /* size is 1, says libcurl */
    if (n > CLIENT_BODY_MAX - s->len) { return 0; }
    char *p = realloc(s->p, s->len + n + 1);
    if (!p) { return 0; }
    memcpy(p + s->len, data, n);
    s->p = p;
    s->len += n;
    s->p[s->len] = '\0';
    return n;
}

static void slist_cleanup(struct curl_slist **l) { curl_slist_free_all(*l); }
static void curl_cleanup(CURL **c)
{
    if (*c) { curl_easy_cleanup(*c); }
}

#define auto_slist __attribute__((cleanup(slist_cleanup))) struct curl_slist *
#define auto_curl  __attribute__((cleanup(curl_cleanup))) CURL *

static int headers_make(const struct client *c, struct curl_slist **out, struct err *e)
{
    size_t n = strlen(c->token) + 32;
    auto_free char *line = malloc(n);
    if (!line) { return err_set(e, ENOMEM, "out of memory"); }
    (void)snprintf(line, n, "Authorization: Bearer %s", c->token);
    struct curl_slist *l = curl_slist_append(NULL, line);
    wipe(line, n);
    struct curl_slist *more =
        l ? curl_slist_append(l, "Expect:") : NULL; /* no 100-continue round trip */
    if (!more) {
        curl_slist_free_all(l);
        return err_set(e, ENOMEM, "out of memory");
    }
    *out = more;
    return 0;
}

int client_call(const struct client *c, enum http_method method, const char *path, const void *body,
                size_t len, struct client_answer *out, struct err *e)
{
    char url[4096], detail[CURL_ERROR_SIZE] = "";
    int n = snprintf(url, sizeof url, "%s%s", c->url, path);
    if (n < 0 || (size_t)n >= sizeof url) {
        return err_set(e, ENAMETOOLONG, "the address is too long");
    }
    auto_slist headers = NULL;
    int rc = headers_make(c, &headers, e);
    if (rc < 0) { return rc; }
    auto_curl h = curl_easy_init();
    if (!h) { return err_set(e, ENOMEM, "out of memory"); }
    struct sink sink = {0};

    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, c->insecure_http ? "http,https" : "https");
    curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
    curl_easy_setopt(h, CURLOPT_CAINFO, c->cert_pem);
    curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(h, CURLOPT_PROXY, "");
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, http_method_name(method));
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(h, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, &sink);
    if (method == HTTP_POST) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, len ? body : "");
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    }

    CURLcode code = curl_easy_perform(h);
    long status = 0;
    (void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK) {
        free(sink.p);
        return err_set(e, EIO, "%s: %s", c->url, detail[0] ? detail : curl_easy_strerror(code));
    }
    *out = (struct client_answer){
        .status = (int)status, .body = sink.p ? sink.p : strdup(""), .len = sink.len};
    return out->body ? 0 : err_set(e, ENOMEM, "out of memory");
}
