/* SPDX-License-Identifier: Apache-2.0 */
/* See pck.h. Reads bytes of strangers, by attest/der.h. */
#include "attest/verify/tdx/pck.h"

#include "attest/der.h"

#include <string.h>

/* 1.2.840.113741.1.13.1, as the contents of an OBJECT IDENTIFIER; each member adds its numbers. */
static const uint8_t sgx_oid[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};

/*
 * A SEQUENCE of {OID, value}, the OID being ours with one number (sub 0) or two behind it: what is
 * left in it is the value.
 */
static struct cur member_enter(struct cur *c, uint8_t number, uint8_t sub)
{
    struct cur m = der_enter(c, DER_SEQUENCE);
    struct view oid = der_take(&m, DER_OID);
    size_t len = sizeof sgx_oid + (sub ? 2 : 1);
    if (m.bad || oid.len != len || memcmp(oid.p, sgx_oid, sizeof sgx_oid) != 0 ||
        oid.p[sizeof sgx_oid] != number || (sub && oid.p[sizeof sgx_oid + 1] != sub)) {
        m.bad = true;
    }
    return m;
}

/* Closes an inner cursor: what it did not like, or left over, its owner does not like either. */
static void leave(struct cur *c, const struct cur *inner)
{
    if (!cur_end(inner)) { c->bad = true; }
}

static void octets_read(struct cur *c, uint8_t number, uint8_t sub, uint8_t *out, size_t len)
{
    struct cur m = member_enter(c, number, sub);
    struct view v = der_take(&m, DER_OCTET_STRING);
    leave(c, &m);
    if (!c->bad && v.len == len) {
        memcpy(out, v.p, len);
    } else {
        c->bad = true;
    }
}

static uint64_t number_read(struct cur *c, uint8_t number, uint8_t sub, uint8_t tag, uint64_t max)
{
    struct cur m = member_enter(c, number, sub);
    uint64_t n = der_number(&m, tag, max);
    leave(c, &m);
    return n;
}

static void tcb_read(struct cur *c, struct tdx_pck *p)
{
    struct cur m = member_enter(c, 2, 0);
    struct cur list = der_enter(&m, DER_SEQUENCE);
    for (uint8_t i = 0; i < TDX_COMPONENTS; i++) {
        p->components[i] = (uint8_t)number_read(&list, 2, i + 1, DER_INTEGER, UINT8_MAX);
    }
    p->pce_svn = (uint16_t)number_read(&list, 2, 17, DER_INTEGER, UINT16_MAX);
    octets_read(&list, 2, 18, p->cpu_svn, sizeof p->cpu_svn);
    leave(&m, &list);
    leave(c, &m);
}

/* Three BOOLEANs: dynamic platform, cached keys, SMT enabled. Told, but nothing depends on them. */
static void configuration_skip(struct cur *c)
{
    struct cur m = member_enter(c, 7, 0);
    struct cur list = der_enter(&m, DER_SEQUENCE);
    for (uint8_t i = 1; i <= 3; i++) {
        struct cur flag = member_enter(&list, 7, i);
        struct view v = der_take(&flag, DER_BOOLEAN);
        if (v.len != 1) { flag.bad = true; }
        leave(&list, &flag);
    }
    leave(&m, &list);
    leave(c, &m);
}

bool tdx_pck_parse(const void *der, size_t len, struct tdx_pck *out)
{
    struct tdx_pck p = {0};
    struct cur c = cur_of(der, len);
    struct cur list = der_enter(&c, DER_SEQUENCE);
    octets_read(&list, 1, 0, p.ppid, sizeof p.ppid);
    tcb_read(&list, &p);
    octets_read(&list, 3, 0, p.pce_id, sizeof p.pce_id);
    octets_read(&list, 4, 0, p.fmspc, sizeof p.fmspc);
    p.sgx_type = (uint8_t)number_read(&list, 5, 0, DER_ENUMERATED, 2);
    if (!list.bad && list.left > 0) {
        octets_read(&list, 6, 0, p.instance, sizeof p.instance);
        p.has_instance = true;
        configuration_skip(&list);
    }
    leave(&c, &list);
    if (!cur_end(&c)) { return false; }
    *out = p;
    return true;
}
