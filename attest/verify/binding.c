/* SPDX-License-Identifier: Apache-2.0 */
/* See binding.h. */
#include "attest/verify/binding.h"

#include "attest/json.h"
#include "firmware/abi/launch.h"

#include <stdio.h>
#include <string.h>

const struct verdict_code binding_codes[BINDING_CODE_COUNT] = {
    [BINDING_LAUNCH_FLAGS] =
        {"launch-flags", "policy", "", "launch_flags",
         "the guest was launched with a flag this version does not know",
         "use a broker at least as new as the guest image, or a guest image that it knows"},
    [BINDING_REGISTER_INITDATA] =
        {"register-initdata", "policy", "", "register_0",
         "runtime register 0 is not the digest of the initdata that was sent",
         "send the initdata text the guest was started with, byte for byte"},
};

/*
 * Registers, if the additional evidence tells any. What has no member of that name is about further
 * devices, which is somebody else's to read.
 */
static int registers_take(const char *additional, struct binding *b, struct err *e)
{
    auto_json doc = NULL;
    if (additional[0] == '\0') { return 0; }
    int r = json_load_strict("additional evidence", additional, strlen(additional),
                             strlen(additional), &doc, e);
    if (r < 0 || !json_object_get(doc, "registers")) { return r; }
    return transcript_registers_parse(additional, &b->registers, &b->has_registers, e);
}

static int initdata_take(struct view text, struct binding *b, struct err *e)
{
    auto_initdata init = {0};
    if (text.len == 0) { return 0; }
    int r = initdata_parse(text.p, text.len, &init, e);
    if (r < 0) { return r; }
    initdata_field(&init, b->host_data, sizeof b->host_data);
    initdata_field(&init, b->mr_config_id, sizeof b->mr_config_id);
    initdata_field(&init, b->register0, sizeof b->register0);
    memcpy(b->initdata, init.digest, init.digest_len);
    b->initdata_len = init.digest_len;
    return 0;
}

int binding_make(const char *nonce, const json_t *tee_key, const char *additional,
                 struct view initdata, struct binding *out, struct err *e)
{
    struct binding b = {0};
    int r = initdata_take(initdata, &b, e);
    if (r == 0) {
        r = transcript_report_data(nonce, tee_key, additional, CRYPTO_SHA384, b.report_data, e);
    }
    if (r == 0) { r = registers_take(additional, &b, e); }
    if (r == 0) { *out = b; }
    return r;
}

bool binding_report_data(const struct binding *b, const uint8_t found[TRANSCRIPT_REPORT_DATA],
                         uint8_t out_wanted[TRANSCRIPT_REPORT_DATA])
{
    memcpy(out_wanted, b->report_data, TRANSCRIPT_REPORT_DATA);
    if (!transcript_is_register_form(found)) { return false; }
    transcript_register_form(&b->registers, false, b->report_data, out_wanted);
    if (memcmp(found, out_wanted, TRANSCRIPT_REPORT_DATA) == 0) { return false; }
    transcript_register_form(&b->registers, true, b->report_data, out_wanted);
    return true;
}

void binding_check_registers(const struct binding *b, struct verdict *v)
{
    char found[16], wanted[32];
    if (!b->has_registers) { return; }
    /* The launch page is measured; what its flags mean must be known all the same. */
    (void)snprintf(found, sizeof found, "0x%x", b->registers.launch_flags);
    (void)snprintf(wanted, sizeof wanted, "within 0x%x", LAUNCH_FLAGS_ALL);
    verdict_check(v, (b->registers.launch_flags & ~LAUNCH_FLAGS_ALL) == 0,
                  &binding_codes[BINDING_LAUNCH_FLAGS], found, wanted);
    const uint8_t *register0 = b->registers.value[0];
    verdict_check_bytes(v, memcmp(register0, b->register0, sizeof b->register0) == 0,
                        &binding_codes[BINDING_REGISTER_INITDATA], register0, b->register0,
                        sizeof b->register0);
}
