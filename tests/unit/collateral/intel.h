/* SPDX-License-Identifier: Apache-2.0 */
/* Intel's four answers about the platform of tests/unit/tdx/bench.h, as pages of the service. */
#ifndef CASEMATE_TESTS_COLLATERAL_INTEL_H
#define CASEMATE_TESTS_COLLATERAL_INTEL_H

#include "tests/unit/collateral/service.h"
#include "tests/unit/tdx/bench.h"

/* "Name: <percent-encoded PEM>\r\n" */
static inline void chain_header(const struct bench *b, const char *name, const char *member,
                                char *out, size_t cap)
{
    const char *pem = json_string_value(json_object_get(b->set, member));
    size_t at = (size_t)snprintf(out, cap, "%s: ", name);
    for (; *pem; pem++) {
        bool plain = (*pem >= 'a' && *pem <= 'z') || (*pem >= 'A' && *pem <= 'Z') ||
                     (*pem >= '0' && *pem <= '9');
        at += (size_t)snprintf(out + at, cap - at, plain ? "%c" : "%%%02X", (unsigned char)*pem);
    }
    snprintf(out + at, cap - at, "\r\n");
}

static inline void document_page(const struct bench *b, const char *path, const char *header,
                                 const char *name, const char *as)
{
    char head[9000], body[20000], member[64];
    snprintf(member, sizeof member, "%s_issuer_chain", as);
    chain_header(b, header, member, head, sizeof head);
    snprintf(member, sizeof member, "%s_signature", as);
    snprintf(body, sizeof body, "{\"%s\":%s,\"signature\":\"%s\"}", name,
             json_string_value(json_object_get(b->set, as)),
             json_string_value(json_object_get(b->set, member)));
    page(path, 200, head, body, strlen(body));
}

#define TCB      "/tdx/certification/v4/tcb?fmspc=00a06d080000"
#define QE       "/tdx/certification/v4/qe/identity"
#define PCK_CRL  "/sgx/certification/v4/pckcrl?ca=platform&encoding=der"
#define ROOT_CRL "/IntelSGXRootCA.der"

static inline void intel_pages(const struct bench *b)
{
    char head[9000];
    struct der *d = calloc(1, sizeof *d);
    document_page(b, TCB, "TCB-Info-Issuer-Chain", "tcbInfo", "tcb_info");
    document_page(b, QE, "SGX-Enclave-Identity-Issuer-Chain", "enclaveIdentity", "qe_identity");
    chain_header(b, "sgx-pck-crl-issuer-chain", "pck_crl_issuer_chain", head, sizeof head);
    bench_make_crl(b, &b->pck_crl, d);
    page(PCK_CRL, 200, head, d->b, d->n);
    bench_make_crl(b, &b->root_crl, d);
    page(ROOT_CRL, 200, "", d->b, d->n);
    free(d);
}

#endif
