/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's configuration: one TOML file, read strictly. Unknown tables and keys are errors, and one that a CoCo broker
 * would know says what it is called here. File names are relative to the file's own directory.
 *
 *      [server]
 *      listen = "127.0.0.1:8443"
 *      ops_listen = "127.0.0.1:9090"        plain http for /metrics, /healthz and /readyz, on an inner network; absent:
 *                                           they are served, without details, to whoever asks at `listen`
 *      tls_cert = "server.crt"              PEM, leaf first
 *      tls_key = "server.key"
 *      max_connections = 1024               absent = that
 *      max_body = 2097152                   bytes; absent = that
 *      documented_statuses = true           403 for what a policy refuses, 404 for a resource that is not there; absent: 401
 *                                           for both, as CoCo's broker answers, and its clients attest again
 *      [storage]
 *      database = "kbs.sqlite"              a file of this broker alone, or
 *      url = "postgresql://user@host/db"    a database that several brokers share, sessions included. Passwords by
 *                                           ?passfile=FILE; the server's certificate is checked (sslmode=verify-full,
 *                                           sslrootcert=FILE) unless the URL names another sslmode
 *      key_file = "storage.key"             64 hexadecimal digits; readable by nobody else; or
 *      key_env = "NAME"                     the same in an environment variable, which is wiped; or
 *      [storage.pkcs11]                     in a security module:
 *      module = "/usr/lib/softhsm/libsofthsm2.so"
 *      token = "kbs"                        labels of token and RSA key pair
 *      key = "storage"
 *      pin_file = "hsm.pin"                 or pin_env = "NAME"
 *      wrapped_key = "storage.key.wrapped"  what cc-kbs wrap-storage-key makes
 *      [token]
 *      key = "token.key"                    PEM, private: P-256 (the only kind CoCo's broker reads), P-384 or P-521
 *      issuer = "cc-kbs"                    absent = that
 *      seconds = 300                        how long a token holds; absent = as long as a session
 *      chain = "token.crt"                  PEM, leaf first: goes into every token; absent = none
 *      trusted_certs = ["other.crt"]        PEM: attestation services whose tokens are believed, by certificate
 *      trusted_jwks = ["other.jwks"]        JWK sets: the same by key
 *      [admin]
 *      public_keys = ["admin.pub"]          PEM, Ed25519 or P-256
 *      issuer = "cc-kbs"                    absent = that
 *      [admin.roles]                        absent = none but `admin`, which may do everything
 *      ci = ["set-reference"]               a role's operations, named as in the audit log
 *      [sessions]                           absent = these
 *      max = 10000
 *      seconds = 300
 *      [limits]                             per client (an IPv4 address, an IPv6 /64); absent = these
 *      requests_per_second = 200            and connections, on average; 0 = no limits, for behind a balancer that hides addresses
 *      burst = 2000                         at once
 *      connections = 256
 *      clients = 16384                      remembered
 *      [audit]                              absent = standard error
 *      file = "audit.log"
 *      required = true                      a decision is told when its line is on disk, and is a 503 when it cannot be written;
 *                                           absent = it is told, for whoever fills the disk must not stop starts
 *      [snp]                                absent = evidence of kind snp is refused
 *      policy = "snp.json"                  what is demanded of reports: every member of attest/verify/snp/policy.h but
 *                                           report_data, host_data (each handshake's) and measurements (the rules');
 *                                           null = not demanded
 *      collateral_dir = "collateral"        certificates and revocation lists, kept there by `cc-attest collateral fetch`
 *                                           or `import`; absent = evidence must bring its own. Roots are in the program
 *      [tdx]                                absent = evidence of kind tdx is refused
 *      policy = "tdx.json"                  what is demanded of TDs: every member of attest/verify/tdx/policy.h but
 *                                           report_data, mr_config_id (each handshake's), mr_td, rtmr_* (the rules') and
 *                                           ppids, which may be left out
 *      collateral_dir = "collateral"        what Intel says, kept there by `cc-attest collateral fetch` or `import`
 *      mr_config_id_alone = false           for guests of CoCo: attest/kbs/evidence/tdx.h; absent = that
 *      [collateral]                         absent = the directories are read and never filled. With it the broker itself
 *                                           fetches what is missing or old, beside its work (attest/collateral/supply.h)
 *      amd_url = "https://kdsintf.amd.com"  AMD's service or a mirror with its paths, for [snp] collateral_dir; absent = none
 *      intel_url = "https://api.trustedservices.intel.com"      Intel's, for [tdx] collateral_dir; absent = none
 *      intel_ca_url = "https://certificates.trustedservices.intel.com"      where Intel's root has its list; absent =
 *                                           intel_url. http will do, too: what comes is signed by the vendor or not taken
 *      ca_file = "mirror.pem"               PEM: whom to believe for https; absent = the system's
 *      timeout_seconds = 20                 of one request there; absent = that
 *      refresh_seconds = 86400              how old lists and TCB data get; absent = a day
 *      wait_seconds = 5                     how long a guest waits for what is missing of its kind, at most; 0 = not at
 *                                           all; absent = that. Nobody else waits, and no longer than for an answer
 *      [insecure_sim]                       absent = evidence of kind sim is refused
 *      trusted_keys = ["sim.pub"]           PEM, of the machines whose word is taken for a TEE's
 *      [insecure_coco]                      what CoCo allows; absent = all false
 *      sample = true                        evidence of kinds sample and sampledevice, which proves nothing
 *      without_initdata = true              evidence without initdata
 *      policy_without_initdata = true       Rego policies whose answer does not depend on initdata
 *      header_jwk = true                    tokens signed with whatever key stands in their header
 */
#ifndef CASEMATE_ATTEST_KBS_CONFIG_CONFIG_H
#define CASEMATE_ATTEST_KBS_CONFIG_CONFIG_H

#include "attest/crypto.h"
#include "attest/jose.h"
#include "attest/kbs/broker_setup.h"
#include "attest/kbs/evidence/snp.h"
#include "attest/kbs/evidence/tdx.h"
#include "attest/kbs/http/limit.h"
#include "guest/base/err.h"

#define CONFIG_KEYS_MAX  16
#define CONFIG_CERTS_MAX 16
#define CONFIG_ROLES_MAX 16

struct config_keys {
    size_t count;
    struct crypto_key *v[CONFIG_KEYS_MAX];
};

struct config_roles {
    size_t count;
    struct admin_role v[CONFIG_ROLES_MAX]; /* their texts are in doc */
    json_t *doc;                           /* owned */
};

struct config_certs {
    size_t count;
    struct crypto_cert *v[CONFIG_CERTS_MAX];
};

struct config_snp {
    struct snp_keeper *keeper; /* NULL = not enabled */
    char *collateral_dir;      /* NULL = none */
    struct snp_policy policy;
};

struct config_tdx {
    struct collateral_keeper *keeper; /* NULL = not enabled */
    char *collateral_dir;
    struct tdx_endorsements *endorsements;
    struct tdx_policy policy;
    bool mr_config_id_alone;
};

struct config_collateral {
    char *amd_url, *intel_url; /* NULL = that vendor's service is not asked */
    char *intel_ca_url;        /* never NULL where intel_url is not */
    char *ca_file;             /* NULL = the system's */
    int64_t timeout_s, refresh_s, wait_s;
};

struct config {
    char *listen, *tls_cert, *tls_key; /* tls_*: absolute or relative to the current directory */
    uint32_t max_connections;
    uint64_t max_body;
    bool documented_statuses;
    char *ops_listen; /* NULL = none */
    char *database;   /* for store_open() */
    uint8_t storage_key[STORE_KEY_SIZE];
    struct crypto_key *token_key;
    char *token_issuer;
    int64_t token_seconds; /* 0 = session_seconds */
    struct config_certs token_chain, trusted_certs;
    struct jwk_set trusted_jwks; /* of all files together */
    struct config_keys admin_keys;
    char *admin_issuer;
    struct config_roles roles;
    uint32_t max_sessions;
    int64_t session_seconds;
    struct limit_setup limits; /* per_second 0 = none */
    char *audit_file;          /* NULL = standard error */
    bool audit_required;
    struct config_snp snp;
    struct config_tdx tdx;
    struct config_collateral collateral;
    struct config_keys insecure_sim_keys;
    bool insecure_sample, insecure_without_initdata, insecure_policy_without_initdata;
    bool insecure_header_jwk;
};

/*
 * Reads the file and every key it names.
 *
 * old  what is in force already: [storage] is taken from there and not looked at, for its key may have been in an
 *      environment that was wiped, and changing it needs a restart anyway; NULL at the start
 */
MUST_CHECK int config_load(const char *path, const struct config *old, struct config *out,
                           struct err *e);
void config_fini(struct config *c); /* wipes keys; a zeroed one is fine */
#define auto_config __attribute__((cleanup(config_fini))) struct config

/* Make a storage key and write it, wrapped, to the file that [storage.pkcs11] of this configuration names; a new file. */
MUST_CHECK int config_wrap_storage_key(const char *path, struct err *e);

#endif
