/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where we answer otherwise than CoCo's broker on purpose, by the first letters of the record's name. attest/README.md tells
 * the reasons at length. status 0: not asked, because the record does not hold what would have to be sent.
 */
#ifndef CASEMATE_TESTS_KBS_OTHERWISE_H
#define CASEMATE_TESTS_KBS_OTHERWISE_H

static const struct {
    const char *prefix;
    int status;
    const char *type, *why;
} otherwise[] = {
    /* handshake */
    {"auth-10-00-", 401, "AttestationError", "a TEE without a verifier is refused at once"},
    {"auth-10-01-", 401, "AttestationError", "a TEE without a verifier is refused at once"},
    {"auth-10-02-", 401, "AttestationError", "a TEE without a verifier is refused at once"},
    {"auth-10-03-", 401, "AttestationError", "a TEE without a verifier is refused at once"},
    {"auth-10-04-", 401, "AttestationError", "a TEE without a verifier is refused at once"},
    {"auth-10-06-", 401, "AttestationError", "a TEE without a verifier is refused at once"},
    {"auth-10-07-", 401, "AttestationError", "a TEE without a verifier is refused at once"},
    {"auth-10-09-", 401, "AttestationError", "a TEE without a verifier is refused at once"},
    {"auth-10-10-", 401, "AttestationError", "a TEE without a verifier is refused at once"},
    {"auth-10-11-", 401, "AttestationError", "a TEE without a verifier is refused at once"},
    {"auth-10-12-", 401, "AttestationError", "a TEE without a verifier is refused at once"},
    {"auth-10-13-", 401, "AttestationError", "a TEE without a verifier is refused at once"},
    {"auth-52-", 401, "AttestationError", "a request is an object, not a list of its members"},
    {"auth-72-", 401, "AttestationError", "16 KiB are enough for a request; 2 MiB are not read"},
    {"attest-31-", 401, "AttestationError", "a key that opens nothing is refused here, not at GET"},
    {"attest-56-", 401, "AttestationError", "a name given twice is refused everywhere"},
    {"attest-65-", 401, "AttestationError", "initdata of a version nobody defined"},

    /* keys that open nothing never get a token, so there is no session to ask with */
    {"resource-20-key-alg-lower", 401, "TokenNotFound", "refused at /attest"},
    {"resource-20-key-ecdh-es", 401, "TokenNotFound", "refused at /attest"},
    {"resource-20-key-p384", 401, "TokenNotFound", "refused at /attest"},
    {"resource-20-key-rsa-oaep.", 401, "TokenNotFound", "refused at /attest"},
    {"resource-20-key-rsa1_5", 401, "TokenNotFound", "RSA1_5 is an oracle; refused at /attest"},
    {"resource-28-", 401, "TokenNotFound", "refused at /attest"},
    {"resource-29-", 401, "TokenNotFound", "refused at /attest"},
    {"https-resource-20-key-alg-lower", 401, "TokenNotFound", "refused at /attest"},
    {"https-resource-20-key-ecdh-es", 401, "TokenNotFound", "refused at /attest"},
    {"https-resource-20-key-p384", 401, "TokenNotFound", "refused at /attest"},
    {"https-resource-20-key-rsa-oaep.", 401, "TokenNotFound", "refused at /attest"},
    {"https-resource-20-key-rsa1_5", 401, "TokenNotFound",
     "RSA1_5 is an oracle; refused at /attest"},
    {"https-resource-28-", 401, "TokenNotFound", "refused at /attest"},
    {"https-resource-29-", 401, "TokenNotFound", "refused at /attest"},

    /* tokens */
    {"resource-47-", 401, "TokenVerifierError", "nbf is honoured"},
    {"admin-0d-", 401, "AdminAuthInitialization", "nbf is honoured"},
    {"admin-0k-", 200, "", "a role is about operations, so a query gets around nothing"},
    {"admin-32-", 401, "AdminAuthInitialization", "there is no way to open the administration"},

    /* paths */
    {"resource-60-11-", 401, "PluginInternalError", "percent escapes are refused"},
    {"resource-60-12-", 401, "PluginInternalError", "percent escapes are refused"},
    {"resource-a2-", 401, "PluginInternalError", "percent escapes are refused"},
    {"resource-a3-", 404, "", "percent escapes are refused"},
    {"resource-a4-", 401, "PluginInternalError", "percent escapes are refused"},
    {"https-resource-60-11-", 401, "PluginInternalError", "percent escapes are refused"},
    {"https-resource-60-12-", 401, "PluginInternalError", "percent escapes are refused"},
    {"admin-40-", 401, "PluginInternalError", "percent escapes are refused"},
    {"admin-41-", 401, "PluginInternalError", "what the record before it stores is refused"},
    {"cdh-30-", 401, "PluginInternalError", "percent escapes are refused"},
    {"policy-45-", 401, "PluginInternalError", "percent escapes are refused"},
    {"policy-46-", 401, "PluginInternalError", "percent escapes are refused"},
    {"resource-9j-", 404, "PluginNotFound", "there is no plugin for tests"},
    {"resource-9k-", 404, "PluginNotFound", "there is no plugin for tests"},
    {"https-resource-9j-", 404, "PluginNotFound", "there is no plugin for tests"},
    {"https-resource-9k-", 404, "PluginNotFound", "there is no plugin for tests"},

    /* policies */
    {"policy-20-10-", 401, "PolicyEngineError", "a rule that needs its own value does not load"},
    {"policy-a2-", 401, "AttestationError", "an id nothing asks for would have no effect"},
    {"policy-a5-", 401, "AttestationError", "an id nothing asks for would have no effect"},
    {"policy-a8-", 401, "AttestationError", "an id nothing asks for would have no effect"},
    {"policy-b-id-default-set", 401, "AttestationError",
     "an id nothing asks for would have no effect"},
    {"policy-b-out-of-range-attest", 401, "AttestationError", "300 does not wrap to a warning"},
    {"policy-b-wrap-258-attest", 401, "AttestationError", "258 does not wrap to affirming"},
    {"policy-b-unknown-claim-attest", 401, "AttestationError",
     "an answer instead of a closed connection"},
    {"policy-b-shipped-set", 0, "",
     "the record leaves the text out; appraise.c gives the same verdict"},
    {"client-03-", 0, "", "the record leaves the text out; appraise.c gives the same verdict"},

    /* http */
    {"auth-75-", 501, "", "no transfer codings"},
    {"auth-76-", 501, "", "no transfer codings"},
    {"auth-77-", 415, "", "no content codings"},
    {"auth-83-", 415, "", "no content codings"},
    {"misc-01-", 405, "", "HEAD is refused everywhere alike"},
};

#endif
