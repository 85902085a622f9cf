/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What initdata tell the agent, read strictly: a key nobody knows, a wrong type or a setting this
 * guest cannot honour is an error, so that a misspelt restriction cannot vanish.
 *
 *   aa.toml    [token_configs.kbs] url, cert               the broker, and its certificate (PEM)
 *              [eventlog_config] enable_eventlog           may the application extend register 3?
 *   cdh.toml   [kbc] url, kbs_cert                         the same broker, if named here too
 *              [[credentials]] resource_uri, path          keys that verify sealed secrets, for path
 *                                                          /run/confidential-containers/cdh/sealed-secret/NAME
 *   brokers.toml
 *              [brokers.NAME] url, cert                    two or more, each with one share of what
 *                                                          is named shares:///… (attest/shares.h)
 *   casemate.toml
 *              [agent]
 *              rest = "resource"                           the service on 127.0.0.1:8006: "resource",
 *                                                          "attestation", "all"; absent: none
 *              insecure_unsigned_secrets = true            take sealed secrets without signature
 *
 * CoCo's keys that say how its programs run (log, sockets, image pull) are known and mean nothing
 * here. Refused by name: a key-broker client other than cc_kbc, image policies and signature
 * stores (casemate.toml says which images run), skip_sealed_secret_verification (see above).
 */
#ifndef CASEMATE_ATTEST_AGENT_SETTINGS_H
#define CASEMATE_ATTEST_AGENT_SETTINGS_H

#include "attest/agent/uri.h"
#include "attest/shares.h"
#include "guest/base/err.h"

#define SETTINGS_CREDENTIALS_MAX 16
#define SETTINGS_NAME_MAX        64 /* with the zero byte */

struct agent_broker {
    char name[SETTINGS_NAME_MAX]; /* "" for the one of aa.toml and cdh.toml */
    char *url;                    /* heap; NULL = none is named */
    char *cert;                   /* heap, PEM */
};

/* A public key under a local name, kept at the broker. */
struct agent_credential {
    char name[SETTINGS_NAME_MAX];
    char *uri; /* heap */
};

struct agent_settings {
    struct agent_broker broker;
    struct agent_broker share_brokers[SHARES_MAX];
    size_t share_broker_count;
    struct agent_credential credentials[SETTINGS_CREDENTIALS_MAX];
    size_t credential_count;
    bool rest_resource, rest_attestation;
    bool event_log;
    bool insecure_unsigned_secrets;
};
void agent_settings_fini(struct agent_settings *s);
#define auto_settings __attribute__((cleanup(agent_settings_fini))) struct agent_settings

/* out: zeroed by the caller, untouched on failure. */
MUST_CHECK int agent_settings_read(const char *initdata, size_t len, struct agent_settings *out,
                                   struct err *e);

#endif
