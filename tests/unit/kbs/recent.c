/* SPDX-License-Identifier: Apache-2.0 */
/* Guests of a moment ago; and that a broker gives the same to one who is not among them any more. */
#include "attest/kbs/session/recent.h"

#include "tests/unit/kbs/bench.h"

static void put(struct recent *r, const char *session, int number)
{
    struct jwk key = {.alg = "ECDH-ES+A256KW"};
    cr_assert_eq(crypto_key_generate(CRYPTO_P256, 0, &key.key), 0);
    recent_put(r, session, json_integer(number), &key);
    cr_assert_null(key.key, "it was taken over");
}

Test(recent, guest_is_found_by_his_whole_session_and_by_nothing_else)
{
    struct recent *r = recent_new();
    cr_assert_null(recent_get(r, "00000000000000000000000000000000"));
    put(r, "a0000000000000000000000000000001", 1);
    const struct recent_guest *g = recent_get(r, "a0000000000000000000000000000001");
    cr_assert_not_null(g);
    cr_assert_eq(json_integer_value(g->payload), 1);
    cr_assert_eq(crypto_key_type(g->key.key), CRYPTO_P256);
    cr_assert_null(recent_get(r, "a0000000000000000000000000000002"), "of the same slot");
    cr_assert_null(recent_get(r, "a000000000000000000000000000000"));
    cr_assert_null(recent_get(r, ""));
    recent_free(r);
}

Test(recent, newer_guest_takes_the_slot_over)
{
    struct recent *r = recent_new();
    put(r, "b0000000000000000000000000000001", 1);
    put(r, "b0000000000000000000000000000002", 2);
    put(r, "c0000000000000000000000000000003", 3);
    cr_assert_null(recent_get(r, "b0000000000000000000000000000001"));
    cr_assert_eq(json_integer_value(recent_get(r, "b0000000000000000000000000000002")->payload), 2);
    recent_free(r);
}

Test(recent, guest_whom_others_have_pushed_out_gets_the_same_and_no_longer_than_his_token)
{
    struct bench b;
    struct guest first, other;
    bench_init(&b);
    owner_registers(&b, "");
    broker_free(b.broker);
    b.setup.max_sessions = 1000;
    b.setup.token_seconds = 100;
    bench_start(&b);
    guest_init(&first);
    guest_handshake(&b, &first);
    auto_answer remembered = guest_get(&b, &first, RESOURCE);
    assert_opens(&first, &remembered);
    for (int i = 0; i < 400;
         i++) { /* 64 slots: that his own was left alone is a chance of 1 in 500 */
        guest_init(&other);
        guest_handshake(&b, &other);
        crypto_key_free(other.key);
    }
    auto_answer read_again = guest_get(&b, &first, RESOURCE);
    assert_opens(&first, &read_again);
    auto_answer late = ask_at(&b, NOW + 100 + 61, "GET", RESOURCE, first.cookie, "", 0);
    cr_assert_eq(late.status, 401);
    cr_assert_str_eq(late.type, "TokenVerifierError");

    guest_init(&other);
    guest_handshake(&b, &other);
    auto_answer late_too = ask_at(&b, NOW + 100 + 61, "GET", RESOURCE, other.cookie, "", 0);
    cr_assert_eq(late_too.status, 401, "a guest who is remembered is not let in longer");
    cr_assert_str_eq(late_too.type, "TokenVerifierError");
    crypto_key_free(other.key);
    crypto_key_free(first.key);
    bench_fini(&b);
}
