/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets for one guest, wherever initdata say they are: resources of the broker (kbs:), secrets in
 * shares at several brokers (shares:), and sealed secrets on top of them. The handshake with a
 * broker happens at its first use; every use after that is one request in the same session, and
 * everything is forgotten with the struct.
 *
 * Of a secret in shares, brokers are asked in the order of the initdata until as many shares have
 * come as the first one says are wanted; a broker that refuses or gives no share is passed over,
 * and named if there are not enough others. Each broker gets evidence and a key of its own.
 */
#ifndef CASEMATE_ATTEST_AGENT_RELEASE_H
#define CASEMATE_ATTEST_AGENT_RELEASE_H

#include "attest/agent/kbs.h"
#include "attest/agent/sealed.h"

/* Zeroed but for the first three, which are borrowed. */
struct release {
    const struct agent_env *env;
    const struct agent_settings *settings;
    const struct kbs_guest *guest;
    struct kbs *session;
    struct kbs *share_sessions[SHARES_MAX]; /* by place in settings->share_brokers */
};
void release_fini(struct release *r);
#define auto_release __attribute__((cleanup(release_fini))) struct release

/* The session, opened now if it is not yet; a view. */
MUST_CHECK int release_session(struct release *r, struct kbs **out, struct err *e);

/* Values are heap, wiped and freed by the caller. */
MUST_CHECK int release_resource(struct release *r, const char *uri, uint8_t **out, size_t *out_len,
                                struct err *e);
MUST_CHECK int release_sealed(struct release *r, const char *text, size_t len, uint8_t **out,
                              size_t *out_len, struct err *e);

#endif
