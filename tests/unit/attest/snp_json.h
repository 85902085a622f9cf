/* SPDX-License-Identifier: Apache-2.0 */
/* A report as CoCo's guests tell it, written from the specification and not from our parser. */
#ifndef CASEMATE_TESTS_ATTEST_SNP_JSON_H
#define CASEMATE_TESTS_ATTEST_SNP_JSON_H

#include "guest/base/cc.h"

#include <jansson.h>

static inline json_t *ints(const uint8_t *p, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++) { json_array_append_new(a, json_integer(p[i])); }
    return a;
}

static inline uint64_t le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) { v |= (uint64_t)p[i] << (8 * i); }
    return v;
}

static inline json_t *tcb_json(const uint8_t *p, bool turin)
{
    return turin ? json_pack("{s:i,s:i,s:i,s:i,s:i}", "fmc", p[0], "bootloader", p[1], "tee", p[2],
                             "snp", p[3], "microcode", p[7])
                 : json_pack("{s:n,s:i,s:i,s:i,s:i}", "fmc", "bootloader", p[0], "tee", p[1], "snp",
                             p[6], "microcode", p[7]);
}

static inline json_t *firmware_json(const uint8_t *p)
{
    return json_pack("{s:i,s:i,s:i}", "build", p[0], "minor", p[1], "major", p[2]);
}

/* A report as the CoCo guest tells it, written from the specification and not from the parser. */
static inline json_t *evidence_json(const uint8_t *b, const char *vek, size_t vek_len)
{
    bool turin = b[0x188] == 0x1a, v3 = b[0] >= 3, v5 = b[0] >= 5;
    json_t *r = json_object();
    static const struct {
        const char *name;
        size_t at, n;
    } numbers[] = {{"version", 0, 4},    {"guest_svn", 4, 4},   {"policy", 8, 8},
                   {"vmpl", 0x30, 4},    {"sig_algo", 0x34, 4}, {"plat_info", 0x40, 8},
                   {"key_info", 0x48, 4}},
      arrays[] = {{"family_id", 0x10, 16},          {"image_id", 0x20, 16},
                  {"report_data", 0x50, 64},        {"measurement", 0x90, 48},
                  {"host_data", 0xc0, 32},          {"id_key_digest", 0xe0, 48},
                  {"author_key_digest", 0x110, 48}, {"report_id", 0x140, 32},
                  {"report_id_ma", 0x160, 32},      {"chip_id", 0x1a0, 64}},
      tcbs[] = {{"current_tcb", 0x38, 8},
                {"reported_tcb", 0x180, 8},
                {"committed_tcb", 0x1e0, 8},
                {"launch_tcb", 0x1f0, 8}},
      cpu[] = {{"cpuid_fam_id", 0x188, 1}, {"cpuid_mod_id", 0x189, 1}, {"cpuid_step", 0x18a, 1}},
      mit[] = {{"launch_mit_vector", 0x1f8, 8}, {"current_mit_vector", 0x200, 8}};
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        json_object_set_new(r, numbers[i].name,
                            json_integer((json_int_t)le(b + numbers[i].at, numbers[i].n)));
    }
    for (size_t i = 0; i < ARRAY_COUNT(arrays); i++) {
        json_object_set_new(r, arrays[i].name, ints(b + arrays[i].at, arrays[i].n));
    }
    for (size_t i = 0; i < ARRAY_COUNT(tcbs); i++) {
        json_object_set_new(r, tcbs[i].name, tcb_json(b + tcbs[i].at, turin));
    }
    for (size_t i = 0; i < ARRAY_COUNT(cpu); i++) {
        json_object_set_new(r, cpu[i].name, v3 ? json_integer(b[cpu[i].at]) : json_null());
    }
    for (size_t i = 0; i < ARRAY_COUNT(mit); i++) {
        json_object_set_new(r, mit[i].name,
                            v5 ? json_integer((json_int_t)le(b + mit[i].at, 8)) : json_null());
    }
    json_object_set_new(r, "current", firmware_json(b + 0x1e8));
    json_object_set_new(r, "committed", firmware_json(b + 0x1ec));
    json_object_set_new(r, "signature",
                        json_pack("{s:o,s:o}", "r", ints(b + 0x2a0, 72), "s", ints(b + 0x2e8, 72)));
    return json_pack("{s:o,s:[{s:s,s:o}]}", "attestation_report", r, "cert_chain", "cert_type",
                     b[0x48] & 4 ? "VLEK" : "VCEK", "data", ints((const uint8_t *)vek, vek_len));
}

#endif
