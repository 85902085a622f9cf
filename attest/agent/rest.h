/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoCo's REST service for applications, on the guest's own 127.0.0.1:8006. It exists only where
 * initdata ask for it (settings.h), and the half that attests only where they say so: whoever gets
 * evidence over bytes of his choice can do a broker's handshake in this guest's name.
 *
 *   GET  /cdh/resource/REPO/TYPE/TAG               the resource's bytes             [resource]
 *   GET  /aa/token?token_type=kbs                  {"token","tee_keypair"}          [attestation]
 *   GET  /aa/evidence?runtime_data=TEXT            primary evidence, JSON           [attestation]
 *             [&encoding=base64]                   TEXT is base64url; at most 64 bytes
 *   GET  /aa/additional-evidence?runtime_data=TEXT the registers, or nothing        [attestation]
 *   POST /aa/aael {"domain","operation","content"} {"success":"true"}, register 3   [attestation]
 *   GET  /info                                     {"version","tee","feature"}
 *
 * Tokens and resources come from a fresh attestation each, after seal, with a fresh key, so they
 * are what the application may have and never what init was given. Statuses, types and texts are
 * CoCo's; where CoCo says only "ttrpc request error" the reason follows it.
 *
 * One process per connection: a key or a secret of one request is gone with it, and a client that
 * dawdles keeps nobody waiting. Register 3 is counted in a memory file that all of them share.
 */
#ifndef CASEMATE_ATTEST_AGENT_REST_H
#define CASEMATE_ATTEST_AGENT_REST_H

#include "attest/agent/kbs.h"
#include "attest/kbs/http/http.h"

#define REST_PORT        8006
#define REST_BODY_MAX    8192u /* a log entry */
#define REST_CLIENTS_MAX 32    /* connections at a time; more wait */
#define REST_SECONDS     120   /* for one request, waiting for it included */

struct rest {
    const struct agent_env *env;
    const struct agent_settings *settings;
    struct kbs_guest guest; /* sealed; its register 3 is the one the service began with */
    int register3_fd;       /* from rest_init() */
};
/* Fill in register3_fd; the rest is the caller's. */
MUST_CHECK int rest_init(struct rest *r, struct err *e);
void rest_fini(struct rest *r);

/* One request, its body in place; out is zeroed by the caller. Always fills in an answer. */
void rest_answer(const struct rest *r, const struct http_request *q, struct http_response *out);

/* A listener on 127.0.0.1:port; port 0 = any. */
MUST_CHECK int rest_listen(uint16_t port, int *out_fd, struct err *e);
/* Serve until the listener is shut down. */
void rest_serve(const struct rest *r, int listener);

#endif
