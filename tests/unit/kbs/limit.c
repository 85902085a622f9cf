/* SPDX-License-Identifier: Apache-2.0 */
/* Limits per client: what one may ask, and that a crowd neither fills the memory nor touches another's share. */
#include "attest/kbs/http/limit.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#define SECOND UINT64_C(1000000)

static struct limiter *make(uint32_t per_second, uint32_t burst, uint32_t connections,
                            uint32_t clients)
{
    struct limit_setup s = {per_second, burst, connections, clients};
    struct limiter *l = NULL;
    struct err e = {0};
    cr_assert_eq(limiter_new(&s, &l, &e), 0, "%s", e.text);
    return l;
}

static struct limit_client client(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        return limit_client_of((struct sockaddr *)&v4);
    }
    cr_assert_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return limit_client_of((struct sockaddr *)&v6);
}

static bool same(const char *a, const char *b)
{
    struct limit_client x = client(a), y = client(b);
    return memcmp(x.v, y.v, sizeof x.v) == 0;
}

Test(limit, a_client_is_an_address_or_an_ipv6_network)
{
    cr_assert(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
    cr_assert(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
    cr_assert(!same("192.0.2.1", "192.0.2.2"));
    cr_assert(same("192.0.2.1", "::ffff:192.0.2.1"));
    cr_assert(!same("192.0.2.1", "c000:201::"), "families are apart");
}

Test(limit, allows_a_burst_and_then_the_rate)
{
    struct limiter *l = make(10, 3, 9, 64);
    struct limit_client a = client("192.0.2.1"), b = client("192.0.2.2");
    uint64_t t = 50 * SECOND;
    for (size_t i = 0; i < 3; i++) { cr_assert_eq(limiter_request(l, &a, t), 0); }
    cr_assert_eq(limiter_request(l, &a, t), 1, "the fourth waits, and hears a whole second");
    cr_assert_eq(limiter_request(l, &b, t), 0, "another client does not");
    cr_assert_eq(limiter_request(l, &a, t + 99999), 1);
    cr_assert_eq(limiter_request(l, &a, t + 100000), 0, "a tenth of a second buys one");
    cr_assert_eq(limiter_request(l, &a, t + 100000), 1);
    cr_assert_eq(limiter_request(l, &a, t + 60 * SECOND), 0, "refusals cost nothing");
    limiter_free(l);
}

Test(limit, tells_how_long_to_wait_and_means_it)
{
    static const struct {
        uint32_t per_second, burst;
    } rates[] = {{1, 1}, {1, 5}, {1000000, 1}};
    for (size_t i = 0; i < ARRAY_COUNT(rates); i++) {
        struct limiter *l = make(rates[i].per_second, rates[i].burst, 9, 64);
        struct limit_client a = client("192.0.2.1");
        uint64_t t = SECOND;
        uint32_t wait = 0;
        for (size_t n = 0; n <= rates[i].burst; n++) { wait = limiter_request(l, &a, t); }
        cr_assert_eq(wait, 1);
        cr_assert_eq(limiter_request(l, &a, t + wait * SECOND), 0);
        limiter_free(l);
    }
}

Test(limit, counts_connections)
{
    struct limiter *l = make(10, 3, 2, 64);
    struct limit_client a = client("192.0.2.1"), b = client("192.0.2.2");
    cr_assert(limiter_connect(l, &a, 1));
    cr_assert(limiter_connect(l, &a, 1));
    cr_assert(!limiter_connect(l, &a, 1));
    cr_assert(limiter_connect(l, &b, 1));
    limiter_disconnect(l, &a);
    cr_assert(limiter_connect(l, &a, 1));
    limiter_free(l);
}

/* Connections alone, each with a handshake to pay for, run into a limit of their own. */
Test(limit, connections_cost_as_much_as_requests)
{
    struct limiter *l = make(10, 3, 99, 64);
    struct limit_client a = client("192.0.2.1"), b = client("192.0.2.2");
    for (size_t i = 0; i < 3; i++) { cr_assert(limiter_connect(l, &a, SECOND)); }
    cr_assert_eq(limiter_request(l, &a, SECOND), 1, "they have emptied the bucket");
    for (size_t i = 0; i < 3; i++) {
        cr_assert(limiter_connect(l, &a, SECOND), "but he is let in to hear that");
    }
    cr_assert(!limiter_connect(l, &a, SECOND));
    cr_assert(limiter_connect(l, &b, SECOND));
    cr_assert(limiter_connect(l, &a, SECOND + 100000));
    cr_assert_eq(limiter_request(l, &a, SECOND + 100000), 1);
    cr_assert_eq(limiter_request(l, &a, 2 * SECOND), 0);
    limiter_free(l);
}

/* A thousand addresses come by a table of eight: the one who is connected keeps his place and his empty bucket. */
Test(limit, a_crowd_does_not_push_out_who_is_connected)
{
    struct limiter *l = make(1, 2, 2, 8);
    struct limit_client a = client("192.0.2.1");
    cr_assert(limiter_connect(l, &a, SECOND));
    cr_assert_eq(limiter_request(l, &a, SECOND), 0);
    for (uint32_t i = 0; i < 1000; i++) {
        struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000000 + i)};
        struct limit_client c = limit_client_of((struct sockaddr *)&sa);
        cr_assert_eq(limiter_request(l, &c, SECOND), 0);
    }
    cr_assert_eq(limiter_request(l, &a, SECOND), 1);
    limiter_free(l);
}

Test(limit, a_table_full_of_connections_takes_nobody_new)
{
    struct limiter *l = make(10, 10, 1, 8);
    struct limit_client a = client("192.0.2.1");
    for (uint32_t i = 0; i < 8; i++) {
        struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000000 + i)};
        struct limit_client c = limit_client_of((struct sockaddr *)&sa);
        cr_assert(limiter_connect(l, &c, SECOND));
    }
    cr_assert(!limiter_connect(l, &a, SECOND));
    cr_assert_eq(limiter_request(l, &a, SECOND), 1);
    limiter_free(l);
}
