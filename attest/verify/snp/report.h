/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First layer of the SNP verifier: 1184 bytes of a stranger to a struct. Knows report versions 2, 3
 * and 5. What it accepts has a known layout, zero in every reserved byte, and a signature; whether
 * the signature is good is for a later layer, over the same bytes.
 */
#ifndef CASEMATE_ATTEST_VERIFY_SNP_REPORT_H
#define CASEMATE_ATTEST_VERIFY_SNP_REPORT_H

#include "attest/abi/snp_report.h"
#include "attest/verify/snp/codes.h"

enum snp_product { SNP_PRODUCT_NONE = 0, SNP_MILAN, SNP_GENOA, SNP_TURIN, SNP_PRODUCT_COUNT };

/* "Milan"; "" for none. */
const char *snp_product_name(enum snp_product p);
/* NONE when the name is of no product. */
enum snp_product snp_product_find(const char *name, size_t len);
/* From CPUID's family and model with their extensions added. Bergamo and Siena are Genoa here. */
enum snp_product snp_product_of_cpu(uint8_t family, uint8_t model);

/* A TCB version taken apart. Compared component by component, never as one number. */
struct snp_tcb {
    uint8_t fmc, bl, tee, snp, ucode; /* fmc: Turin alone, else 0 */
};
#define SNP_TCB_TEXT 64

/*
 * Eight bytes of a report by the product's layout. False when a byte that this layout does not have
 * is not zero; out is filled in all the same.
 */
bool snp_tcb_read(enum snp_product p, const uint8_t raw[8], struct snp_tcb *out);
/* Every component at least that of b? */
bool snp_tcb_at_least(const struct snp_tcb *a, const struct snp_tcb *b);
bool snp_tcb_equal(const struct snp_tcb *a, const struct snp_tcb *b);
/* "fmc 0, bl 1, tee 0, snp 2, ucode 71"; without fmc before Turin. */
void snp_tcb_text(enum snp_product p, const struct snp_tcb *t, char out[SNP_TCB_TEXT]);

struct snp_firmware {
    uint8_t major, minor, build;
};

struct snp_report {
    uint32_t version, guest_svn;
    uint64_t policy;
    uint8_t family_id[16], image_id[16];
    uint32_t vmpl;
    uint64_t platform_info;
    uint32_t key_info;
    bool vlek; /* SIGNING_KEY: VLEK and not VCEK */
    uint8_t report_data[SNP_REPORT_DATA_SIZE];
    uint8_t measurement[SNP_MEASUREMENT_SIZE];
    uint8_t host_data[SNP_HOST_DATA_SIZE];
    uint8_t id_key_digest[48], author_key_digest[48];
    uint8_t report_id[32], report_id_ma[32];
    uint8_t chip_id[SNP_CHIP_ID_SIZE];
    uint8_t current_raw[8], reported_raw[8], committed_raw[8], launch_raw[8];
    uint8_t cpu_family, cpu_model, cpu_stepping; /* 0 in version 2 */
    enum snp_product cpu_product;                /* NONE in version 2 */
    struct snp_firmware current, committed;
    uint64_t launch_mit, current_mit; /* 0 below version 5 */
    uint8_t signature[96];            /* r, s, big endian: what crypto_ecdsa_verify() takes */
    uint8_t digest[48];               /* SHA-384 of the signed part of these very bytes */
};

/* False, with reasons in v, when this is no report we know. */
bool snp_report_parse(const uint8_t *report, size_t len, struct snp_report *out, struct verdict *v);

#endif
