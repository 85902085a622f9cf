/* SPDX-License-Identifier: Apache-2.0 */
/* The names a CoCo broker's configuration uses, old and new, and what they are called here. [coco §11.1, §4.7] */
#include "attest/kbs/config/reader.h"

#include <string.h>

static const struct {
    const char *table, *name, *here;
} names[] = {
    {"", "http_server", "[server]"},
    {"", "attestation_token", "[token]"},
    {"", "attestation_service", "[sessions], [token] and one table per TEE"},
    {"", "plugins", "nothing: resources are built in"},
    {"", "storage_backend", "[storage]"},
    {"", "session_storage_type", "nothing: sessions are shared when [storage] has a url"},
    {"", "policy_engine", "nothing: cc-kbs admin set-policy uploads the policy"},
    {"", "policy_engine_config", "nothing: cc-kbs admin set-policy uploads the policy"},
    {"", "rvps_config", "nothing: cc-kbs admin set-reference uploads reference values"},
    {"", "repository_config", "[storage]"},
    {"", "sockets", "[server] listen"},
    {"", "private_key", "[server] tls_key"},
    {"", "certificate", "[server] tls_cert"},
    {"", "insecure_http", "the option --insecure-http of serve"},
    {"", "insecure_api", "nothing: the administrators' interface is never open"},
    {"", "auth_public_key", "[admin] public_keys"},
    {"", "timeout", "[sessions] seconds"},
    {"server", "sockets", "listen, one address"},
    {"server", "private_key", "tls_key"},
    {"server", "certificate", "tls_cert"},
    {"server", "insecure_http", "the option --insecure-http of serve"},
    {"server", "payload_request_size", "max_body, in bytes"},
    {"server", "worker_count",
     "nothing: one process uses one core, start several with one [storage] url"},
    {"token", "trusted_certs_paths", "trusted_certs"},
    {"token", "trusted_jwk_sets", "trusted_jwks"},
    {"token", "insecure_header_jwk", "[insecure_coco] header_jwk"},
    {"token", "insecure_key", "[insecure_coco] header_jwk"},
    {"token", "extra_teekey_paths", "nothing: the guest's key is where our tokens have it"},
    {"token", "duration_min", "seconds"},
    {"token", "issuer_name", "issuer"},
    {"token", "signer", "key and chain"},
    {"sessions", "timeout", "seconds"},
    {"storage", "storage_type", "database for a file, url for PostgreSQL"},
    {"storage", "backends", "database for a file, url for PostgreSQL"},
    {"storage", "dir_path", "database"},
    {"admin", "auth_public_key", "public_keys"},
    {"admin", "personas", "public_keys"},
    {"admin", "authentication", "public_keys and issuer"},
    {"admin", "authorization", "roles"},
    {"admin", "authorization_mode", "nothing: administrators always show a token"},
    {"admin", "type", "nothing: administrators always show a token"},
    {"admin", "insecure_api", "nothing: the administrators' interface is never open"},
};

const char *config_coco_name(const char *table, const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strcmp(names[i].table, table) == 0 && strcmp(names[i].name, name) == 0) {
            return names[i].here;
        }
    }
    return NULL;
}
