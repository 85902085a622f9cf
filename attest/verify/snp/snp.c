/* SPDX-License-Identifier: Apache-2.0 */
/* See snp.h. */
#include "attest/verify/snp/snp.h"

#include "attest/hex.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void verify_snp(const struct snp_report *r, const struct snp_endorsement *e,
                const struct snp_crl *crl, const struct snp_policy *p, int64_t now,
                struct verdict *v)
{
    size_t before = v->reason_count;
    if (!crl && !(p->given & 1u << SNP_M_REQUIRE_CRL)) {
        verdict_unbound(v, snp_member_name(SNP_M_REQUIRE_CRL), "no revocation list");
    }
    snp_chain_check_time(e, now, v);
    snp_chain_check_crl(e, crl, p->require_crl, now, v);
    if (v->reason_count == before) { snp_chain_check_report(e, r, v); }
    if (v->reason_count == before) { snp_chain_check_signature(e, r, v); }
    if (v->reason_count == before) { snp_policy_check(p, r, e, v); }
    verdict_close(v);
}

/* ---- claims */

static void put(json_t *claims, const char *name, json_t *take_value)
{
    (void)json_object_set_new(claims, name, take_value);
}

static void put_hex(json_t *claims, const char *name, const uint8_t *p, size_t len)
{
    char hex[HEX_LEN(SNP_CHIP_ID_SIZE)];
    hex_encode(p, len, hex);
    put(claims, name, json_string(hex));
}

/* 64 bits as a text: JSON readers disagree about large numbers. */
static void put_bits(json_t *claims, const char *name, uint64_t bits)
{
    char text[24];
    (void)snprintf(text, sizeof text, "0x%" PRIx64, bits);
    put(claims, name, json_string(text));
}

static void put_tcb(json_t *claims, const char *name, enum snp_product p, const uint8_t raw[8])
{
    struct snp_tcb t;
    (void)snp_tcb_read(p, raw, &t);
    json_t *j =
        json_pack("{s:i, s:i, s:i, s:i}", "bl", t.bl, "tee", t.tee, "snp", t.snp, "ucode", t.ucode);
    if (p == SNP_TURIN) { put(j, "fmc", json_integer(t.fmc)); }
    put(claims, name, j);
}

static void put_firmware(json_t *claims, const char *name, const struct snp_firmware *f)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u.%u.%u", f->major, f->minor, f->build);
    put(claims, name, json_string(text));
}

static void put_report(const struct snp_report *r, json_t *c)
{
    put(c, "tee", json_string("snp"));
    put(c, "version", json_integer(r->version));
    put_hex(c, "measurement", r->measurement, sizeof r->measurement);
    put_hex(c, "report_data", r->report_data, sizeof r->report_data);
    put_hex(c, "host_data", r->host_data, sizeof r->host_data);
    put(c, "vmpl", json_integer(r->vmpl));
    put_bits(c, "guest_policy", r->policy);
    put(c, "debug", json_boolean(r->policy >> 19 & 1));
    put_bits(c, "platform_info", r->platform_info);
    put(c, "guest_svn", json_integer(r->guest_svn));
    put(c, "signing_key", json_string(r->vlek ? "vlek" : "vcek"));
    put_hex(c, "chip_id", r->chip_id, sizeof r->chip_id);
    put_hex(c, "family_id", r->family_id, sizeof r->family_id);
    put_hex(c, "image_id", r->image_id, sizeof r->image_id);
    put_hex(c, "id_key_digest", r->id_key_digest, sizeof r->id_key_digest);
    put_hex(c, "author_key_digest", r->author_key_digest, sizeof r->author_key_digest);
    put_hex(c, "report_id", r->report_id, sizeof r->report_id);
    put_firmware(c, "current_firmware", &r->current);
    put_firmware(c, "committed_firmware", &r->committed);
    if (r->version >= 5) {
        put_bits(c, "launch_mit_vector", r->launch_mit);
        put_bits(c, "current_mit_vector", r->current_mit);
    }
}

void snp_claims(const struct snp_report *r, const struct snp_endorsement *e, json_t *claims)
{
    put_report(r, claims);
    if (!e) { return; }
    enum snp_product p = e->root.product;
    put(claims, "product", json_string(snp_product_name(p)));
    put_tcb(claims, "current_tcb", p, r->current_raw);
    put_tcb(claims, "reported_tcb", p, r->reported_raw);
    put_tcb(claims, "committed_tcb", p, r->committed_raw);
    put_tcb(claims, "launch_tcb", p, r->launch_raw);
    if (e->vek.vlek) { put(claims, "csp_id", json_string(e->vek.csp_id)); }
    put_hex(claims, "root_key_sha256", e->root.key_sha256, sizeof e->root.key_sha256);
}
