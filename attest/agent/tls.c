/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See tls.h. The descriptor is non-blocking; every wait is a poll() for what is left until the
 * deadline.
 */
#include "attest/agent/tls.h"

#include "guest/base/hosted.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#define PINS_MAX 8

struct tls {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    int64_t deadline_ms;
    bool open;            /* hands have been shaken */
    X509 *pins[PINS_MAX]; /* borrowed from the store in ctx */
    size_t pin_count;
    char host[256];
};

static const char out_of_memory[] = "TLS: out of memory";

int64_t tls_now_ms(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- waiting */

/*
 * After an SSL call that returned ret <= 0: wait for what it wants, or say what is wrong. 0 = try
 * again.
 */
static int wait_or_fail(struct tls *t, int ret, const char *what, struct err *e)
{
    int why = SSL_get_error(t->ssl, ret);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        unsigned long code = ERR_peek_last_error();
        const char *reason = code ? ERR_reason_error_string(code) : NULL;
        ERR_clear_error();
        if (!reason && errno != 0) { reason = strerror(errno); }
        return err_set(e, ECONNRESET, "TLS with %s: %s: %s", t->host, what,
                       reason ? reason : "connection closed");
    }
    struct pollfd p = {.fd = t->fd, .events = why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT};
    for (;;) {
        int64_t left = t->deadline_ms - tls_now_ms();
        if (left <= 0) {
            return err_set(e, ETIMEDOUT, "TLS with %s: %s: no answer in time", t->host, what);
        }
        int n = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
        if (n > 0) { return 0; }
        if (n < 0 && errno != EINTR) {
            return err_set(e, errno, "TLS with %s: poll: %s", t->host, strerror(errno));
        }
    }
}

/* ---- whom to trust */

static int load_pins(struct tls *t, const char *pem, struct err *e)
{
    X509_STORE *store = SSL_CTX_get_cert_store(t->ctx);
    BIO *b = BIO_new_mem_buf(pem, -1);
    int r = b ? 0 : err_set(e, ENOMEM, out_of_memory);
    while (r == 0) {
        X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
        if (!x) { break; }
        if (t->pin_count == PINS_MAX) {
            r = err_set(e, E2BIG, "the broker's certificate in initdata: more than %d certificates",
                        PINS_MAX);
        } else if (X509_STORE_add_cert(store, x) != 1) {
            r = err_set(e, ENOMEM, out_of_memory);
        } else {
            t->pins[t->pin_count++] = x; /* the store holds a reference of its own */
        }
        X509_free(x);
    }
    if (r == 0 &&
        (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE || t->pin_count == 0)) {
        r = err_set(e, EINVAL, "the broker's certificate in initdata is not PEM");
    }
    ERR_clear_error();
    BIO_free(b);
    return r;
}

static int pin_index; /* SSL ex-data slot, see tls_open() */

/*
 * A certificate that is itself pinned needs no name: the owner has said who it is. Everything else
 * stays as it is.
 */
static int verify_step(int ok, X509_STORE_CTX *c)
{
    int why = X509_STORE_CTX_get_error(c);
    if (ok == 1 || (why != X509_V_ERR_HOSTNAME_MISMATCH && why != X509_V_ERR_IP_ADDRESS_MISMATCH)) {
        return ok;
    }
    const SSL *ssl = X509_STORE_CTX_get_ex_data(c, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct tls *t = ssl ? SSL_get_ex_data(ssl, pin_index) : NULL;
    const X509 *leaf = X509_STORE_CTX_get0_cert(c);
    for (size_t i = 0; t && i < t->pin_count; i++) {
        if (X509_cmp(leaf, t->pins[i]) == 0) {
            X509_STORE_CTX_set_error(c, X509_V_OK);
            return 1;
        }
    }
    return 0;
}

static int set_name(struct tls *t, struct err *e)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    uint8_t address[sizeof(struct in6_addr)];
    bool is_address =
        inet_pton(AF_INET, t->host, address) == 1 || inet_pton(AF_INET6, t->host, address) == 1;
    int ok = is_address ? X509_VERIFY_PARAM_set1_ip_asc(param, t->host)
                        : X509_VERIFY_PARAM_set1_host(param, t->host, 0) == 1 &&
                              SSL_set_tlsext_host_name(t->ssl, t->host) == 1;
    if (ok != 1) { return err_set(e, EINVAL, "TLS: \"%.60s\" is no host name", t->host); }
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
    return 0;
}

/* ---- open, close */

static int set_up(struct tls *t, const char *pem, struct err *e)
{
    t->ctx = SSL_CTX_new(TLS_client_method());
    if (!t->ctx || SSL_CTX_set_min_proto_version(t->ctx, TLS1_3_VERSION) != 1) {
        return err_set(e, ENOMEM, out_of_memory);
    }
    (void)SSL_CTX_set_options(t->ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, verify_step);
    int r = load_pins(t, pem, e);
    if (r < 0) { return r; }
    t->ssl = SSL_new(t->ctx);
    if (!t->ssl || SSL_set_ex_data(t->ssl, pin_index, t) != 1 || SSL_set_fd(t->ssl, t->fd) != 1) {
        return err_set(e, ENOMEM, out_of_memory);
    }
    return set_name(t, e);
}

/* wait: go on until it is done; otherwise as far as goes without the peer. */
static int shake_hands(struct tls *t, bool wait, struct err *e)
{
    for (;;) {
        errno = 0;
        ERR_clear_error();
        int ret = SSL_connect(t->ssl);
        if (ret == 1) {
            t->open = true;
            return 0;
        }
        if (!wait && SSL_get_error(t->ssl, ret) == SSL_ERROR_WANT_READ) { return 0; }
        long verdict = SSL_get_verify_result(t->ssl);
        if (verdict != X509_V_OK) {
            ERR_clear_error();
            return err_set(e, EKEYREJECTED,
                           "TLS with %s: not the certificate that initdata names: %s", t->host,
                           X509_verify_cert_error_string(verdict));
        }
        int r = wait_or_fail(t, ret, "handshake", e);
        if (r < 0) { return r; }
    }
}

int tls_open(int take_fd, const char *host, const char *pem, int64_t deadline_ms, struct tls **out,
             struct err *e)
{
    struct tls *t = calloc(1, sizeof *t);
    if (!t) {
        (void)close(take_fd);
        return err_set(e, ENOMEM, out_of_memory);
    }
    t->fd = take_fd;
    t->deadline_ms = deadline_ms;
    (void)snprintf(t->host, sizeof t->host, "%s", host);

    (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    /* Slot 0 is OpenSSL's own, so 0 means that we have none yet. */
    if (pin_index == 0) { pin_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL); }
    int flags = fcntl(t->fd, F_GETFL), r = 0;
    if (flags < 0 || fcntl(t->fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        r = err_set(e, errno, "TLS: fcntl: %s", strerror(errno));
    }
    if (r == 0) { r = set_up(t, pem, e); }
    if (r == 0) { r = shake_hands(t, false, e); }
    ERR_clear_error();
    if (r < 0) {
        tls_close(t);
        return r;
    }
    *out = t;
    return 0;
}

void tls_close(struct tls *t)
{
    if (!t) { return; }
    if (t->ssl && SSL_is_init_finished(t->ssl)) { (void)SSL_shutdown(t->ssl); }
    SSL_free(t->ssl);
    SSL_CTX_free(t->ctx);
    (void)close(t->fd);
    ERR_clear_error();
    free(t);
}

/* ---- read, write */

int tls_read(void *ctx, uint8_t *buf, size_t cap, size_t *out_n, struct err *e)
{
    struct tls *t = ctx;
    for (;;) {
        errno = 0;
        ERR_clear_error();
        int ret = SSL_read_ex(t->ssl, buf, cap, out_n);
        if (ret == 1) { return 0; }
        if (SSL_get_error(t->ssl, ret) == SSL_ERROR_ZERO_RETURN) { /* an end that the peer signed */
            *out_n = 0;
            return 0;
        }
        int r = wait_or_fail(t, ret, "read", e);
        if (r < 0) { return r; }
    }
}

int tls_write(void *ctx, const uint8_t *p, size_t len, struct err *e)
{
    struct tls *t = ctx;
    int open = t->open ? 0 : shake_hands(t, true, e);
    if (open < 0) { return open; }
    while (len > 0) {
        size_t n = 0;
        errno = 0;
        ERR_clear_error();
        int ret = SSL_write_ex(t->ssl, p, len, &n);
        if (ret == 1) {
            p += n;
            len -= n;
            continue;
        }
        int r = wait_or_fail(t, ret, "write", e);
        if (r < 0) { return r; }
    }
    return 0;
}
