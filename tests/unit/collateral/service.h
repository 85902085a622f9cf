/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vendor's service on this machine: one canned answer per path, every path that was asked written
 * down. It can be away, and it can take a request and say nothing until it is let go. And an ear
 * for what a supply says of it.
 */
#ifndef CASEMATE_TESTS_COLLATERAL_SERVICE_H
#define CASEMATE_TESTS_COLLATERAL_SERVICE_H

#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVICE_PAGES_MAX 16

struct page {
    const char *path; /* with the query */
    int status;
    char *header; /* malloc; "" = none */
    char *body;   /* malloc */
    size_t len;
};

static struct service {
    int fd;
    unsigned port;
    char url[64];
    pthread_t thread;
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t let_go;
    bool mute, away, over; /* away: a connection is closed without a word */
    struct page pages[SERVICE_PAGES_MAX];
    size_t page_count;
    char asked[4096];
} service;

static inline void service_answer(int fd)
{
    char request[4096], head[16384];
    size_t n = 0;
    ssize_t got;
    while (n < sizeof request - 1 && (got = read(fd, request + n, sizeof request - 1 - n)) > 0) {
        n += (size_t)got;
        request[n] = '\0';
        if (strstr(request, "\r\n\r\n")) { break; }
    }
    char *path = n ? strchr(request, ' ') : NULL;
    char *end = path ? strchr(path + 1, ' ') : NULL;
    if (!end) { return; }
    *end = '\0';
    path++;
    size_t at = strlen(service.asked);
    snprintf(service.asked + at, sizeof service.asked - at, "%s\n", path);
    while (service.mute && !service.over) { pthread_cond_wait(&service.let_go, &service.lock); }
    if (service.away) { return; }
    struct page missing = {.status = 404, .header = "", .body = "", .len = 0}, *p = &missing;
    for (size_t i = 0; i < service.page_count; i++) {
        if (strcmp(service.pages[i].path, path) == 0) { p = &service.pages[i]; }
    }
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
                       p->status, p->header, p->len);
    if (send(fd, head, (size_t)len, MSG_NOSIGNAL) == len) {
        (void)!send(fd, p->body, p->len, MSG_NOSIGNAL);
    }
}

static inline void *service_run(void *arg)
{
    for (;;) {
        int fd = accept(service.fd, NULL, NULL);
        if (fd < 0) { return arg; }
        pthread_mutex_lock(&service.lock);
        service_answer(fd);
        pthread_mutex_unlock(&service.lock);
        close(fd);
    }
}

/* A later page of the same path takes the place of an earlier one. */
static inline void page(const char *path, int status, const char *header, const void *body,
                        size_t len)
{
    pthread_mutex_lock(&service.lock);
    struct page *p = &service.pages[service.page_count++];
    cr_assert_leq(service.page_count, SERVICE_PAGES_MAX);
    *p = (struct page){.path = path, .status = status, .header = strdup(header), .len = len};
    p->body = malloc(len + 1);
    memcpy(p->body, body, len);
    pthread_mutex_unlock(&service.lock);
}

static inline void service_drop_pages(void)
{
    for (size_t i = 0; i < service.page_count; i++) {
        free(service.pages[i].header);
        free(service.pages[i].body);
    }
    service.page_count = 0;
}

/* The paths so far, a line each; forgotten then. */
static inline void service_asked(char out[static 4096])
{
    pthread_mutex_lock(&service.lock);
    memcpy(out, service.asked, sizeof service.asked);
    service.asked[0] = '\0';
    pthread_mutex_unlock(&service.lock);
}

static inline void service_be(bool away, bool mute)
{
    pthread_mutex_lock(&service.lock);
    service.away = away;
    service.mute = mute;
    pthread_cond_broadcast(&service.let_go);
    pthread_mutex_unlock(&service.lock);
}

static inline void service_start(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    memset(&service, 0, sizeof service);
    pthread_mutex_init(&service.lock, NULL);
    pthread_cond_init(&service.let_go, NULL);
    service.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(service.fd, (struct sockaddr *)&a, sizeof a), 0);
    cr_assert_eq(listen(service.fd, 8), 0);
    cr_assert_eq(getsockname(service.fd, (struct sockaddr *)&a, &len), 0);
    service.port = ntohs(a.sin_port);
    snprintf(service.url, sizeof service.url, "http://127.0.0.1:%u", service.port);
    cr_assert_eq(pthread_create(&service.thread, NULL, service_run, NULL), 0);
}

static inline void service_stop(void)
{
    pthread_mutex_lock(&service.lock);
    service.over = true;
    pthread_cond_broadcast(&service.let_go);
    pthread_mutex_unlock(&service.lock);
    shutdown(service.fd, SHUT_RDWR);
    close(service.fd);
    pthread_join(service.thread, NULL);
    service_drop_pages();
}

/* ---- for a supply's `changed` */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t more;
    unsigned count, seen;
    void (*pass_on)(void); /* NULL = to nobody */
} changes = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static inline void changed(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&changes.lock);
    changes.count++;
    pthread_cond_signal(&changes.more);
    if (changes.pass_on) { changes.pass_on(); }
    pthread_mutex_unlock(&changes.lock);
}

static inline void pass_changes_on(void (*to)(void))
{
    pthread_mutex_lock(&changes.lock);
    changes.pass_on = to;
    pthread_mutex_unlock(&changes.lock);
}

/* The next so many; the suite's time limit ends it when there are none. */
static inline void settle(unsigned times)
{
    pthread_mutex_lock(&changes.lock);
    while (changes.count - changes.seen < times) {
        pthread_cond_wait(&changes.more, &changes.lock);
    }
    changes.seen += times;
    pthread_mutex_unlock(&changes.lock);
}

#endif
