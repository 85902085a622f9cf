/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See vek.h. The extensions lie under 1.3.6.1.4.1.3704.1 [VCEK specification, AMD 57230]. Lenient
 * parsers have been talked into another TCB by a second extension, a missing sign byte or a tail;
 * so there is one reading or none.
 */
#include "attest/verify/snp/vek.h"

#include "attest/der.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ARC "1.3.6.1.4.1.3704.1."

/* How each extension is named in a reason, and where it is. */
static bool refuse(struct verdict *v, const char *name, const char *found, const char *wanted)
{
    verdict_refuse(v, &snp_codes[SNP_CODE_VEK_EXTENSION], found, wanted, "extension %s", name);
    return false;
}

static bool take_ext(const struct crypto_cert *c, const char *name, const char *oid,
                     struct view *out, struct verdict *v)
{
    int r = crypto_cert_ext(c, oid, out);
    if (r == 0) { return true; }
    return refuse(v, name, r == -EEXIST ? "there twice" : "missing", "exactly once");
}

static bool take_absent(const struct crypto_cert *c, const char *name, const char *oid,
                        struct verdict *v)
{
    struct view ignored;
    if (crypto_cert_ext(c, oid, &ignored) == -ENOENT) { return true; }
    return refuse(v, name, "present", "not in this kind of certificate");
}

static bool take_number(const struct crypto_cert *c, const char *name, const char *oid, uint8_t max,
                        uint8_t *out, struct verdict *v)
{
    struct view value;
    if (!take_ext(c, name, oid, &value, v)) { return false; }
    struct cur in = cur_of(value.p, value.len);
    uint64_t n = der_number(&in, DER_INTEGER, max);
    if (!cur_end(&in)) {
        return refuse(v, name, "something else", max ? "one INTEGER of 0 to 255" : "the INTEGER 0");
    }
    *out = (uint8_t)n;
    return true;
}

/* Printable ASCII, so that it can be shown and compared as it stands. */
static bool take_text(const struct crypto_cert *c, const char *name, const char *oid, char *out,
                      size_t cap, struct verdict *v)
{
    struct view value;
    if (!take_ext(c, name, oid, &value, v)) { return false; }
    struct cur in = cur_of(value.p, value.len);
    struct view text = der_take(&in, DER_IA5_STRING);
    bool good = cur_end(&in) && text.len > 0 && text.len < cap;
    for (size_t i = 0; good && i < text.len; i++) { good = text.p[i] >= 0x20 && text.p[i] < 0x7f; }
    if (!good) { return refuse(v, name, "something else", "one short IA5String"); }
    memcpy(out, text.p, text.len);
    out[text.len] = '\0';
    return true;
}

/* The bytes themselves, or wrapped in an OCTET STRING: AMD has written both. */
static bool take_hwid(const struct crypto_cert *c, enum snp_product p, uint8_t *out,
                      struct verdict *v)
{
    size_t wanted = p == SNP_TURIN ? 8 : SNP_CHIP_ID_SIZE;
    struct view value;
    if (!take_ext(c, "hwID", ARC "4", &value, v)) { return false; }
    if (value.len == wanted + 2) {
        struct cur in = cur_of(value.p, value.len);
        struct view inner = der_take(&in, DER_OCTET_STRING);
        if (cur_end(&in)) { value = inner; }
    }
    if (value.len != wanted) {
        char found[32];
        (void)snprintf(found, sizeof found, "%zu bytes", value.len);
        return refuse(v, "hwID", found, p == SNP_TURIN ? "8 bytes" : "64 bytes");
    }
    memcpy(out, value.p, wanted);
    return true;
}

static bool read_tcb(const struct crypto_cert *c, enum snp_product p, struct snp_tcb *t,
                     struct verdict *v)
{
    uint8_t zero;
    bool turin = p == SNP_TURIN;
    return take_number(c, "blSPL", ARC "3.1", 255, &t->bl, v) &&
           take_number(c, "teeSPL", ARC "3.2", 255, &t->tee, v) &&
           take_number(c, "snpSPL", ARC "3.3", 255, &t->snp, v) &&
           (turin ? take_absent(c, "spl_4", ARC "3.4", v)
                  : take_number(c, "spl_4", ARC "3.4", 0, &zero, v)) &&
           take_number(c, "spl_5", ARC "3.5", 0, &zero, v) &&
           take_number(c, "spl_6", ARC "3.6", 0, &zero, v) &&
           take_number(c, "spl_7", ARC "3.7", 0, &zero, v) &&
           take_number(c, "ucodeSPL", ARC "3.8", 255, &t->ucode, v) &&
           (turin ? take_number(c, "fmcSPL", ARC "3.9", 255, &t->fmc, v)
                  : take_absent(c, "fmcSPL", ARC "3.9", v));
}

static bool read_struct_version(const struct crypto_cert *c, enum snp_product p, struct verdict *v)
{
    uint8_t version, wanted = p == SNP_TURIN ? 1 : 0;
    if (!take_number(c, "structVersion", ARC "1", 255, &version, v)) { return false; }
    if (version == wanted) { return true; }
    char found[8];
    (void)snprintf(found, sizeof found, "%u", version);
    return refuse(v, "structVersion", found, wanted ? "1" : "0");
}

bool snp_vek_read(const struct crypto_cert *c, enum snp_product product, bool vlek,
                  struct snp_vek *out, struct verdict *v)
{
    struct snp_vek k = {.product = product, .vlek = vlek};
    bool good = read_struct_version(c, product, v) &&
                take_text(c, "productName", ARC "2", k.product_name, sizeof k.product_name, v) &&
                read_tcb(c, product, &k.tcb, v) &&
                (vlek ? take_absent(c, "hwID", ARC "4", v) : take_hwid(c, product, k.hwid, v)) &&
                (vlek ? take_text(c, "cspID", ARC "5", k.csp_id, sizeof k.csp_id, v)
                      : take_absent(c, "cspID", ARC "5", v));
    if (!good) { return false; }
    verdict_check(v, true, &snp_codes[SNP_CODE_VEK_EXTENSION], "each once, well formed",
                  "each once, well formed");
    *out = k;
    return true;
}
