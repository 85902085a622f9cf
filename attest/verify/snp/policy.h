/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is demanded of an SNP report, as a JSON object. Members (../README.md says what each is):
 *
 *   products report_versions vmpl guest_policy_required_value guest_policy_mask allow_vlek csp_ids
 *   allow_provisional_firmware require_crl
 *       have a strict default: Milan, Genoa, Turin; 2, 3, 5; level 0; SMT allowed and nothing else;
 *       no VLEK, of nobody; no; no
 *   report_data measurements host_data min_abi min_tcb min_launch_tcb min_firmware min_guest_svn
 *   platform_info_must_be_set platform_info_must_be_clear platform_info_known_bits
 *   id_key_digests author_key_digests min_launch_mit_vector min_current_mit_vector chip_id_allow
 *       are demanded only when they are there and not null; else the verdict lists them as unbound
 *
 * Unknown members, wrong types and numbers out of range are errors.
 */
#ifndef CASEMATE_ATTEST_VERIFY_SNP_POLICY_H
#define CASEMATE_ATTEST_VERIFY_SNP_POLICY_H

#include "attest/verify/snp/chain.h"
#include "guest/base/err.h"

#include <jansson.h>

#define SNP_POLICY_LIST_MAX                                                                        \
    1024 /* entries of one list: a data centre's chips, or a release's images */

enum snp_member {
    SNP_M_PRODUCTS,
    SNP_M_REPORT_VERSIONS,
    SNP_M_REPORT_DATA,
    SNP_M_MEASUREMENTS,
    SNP_M_HOST_DATA,
    SNP_M_VMPL,
    SNP_M_GUEST_POLICY_VALUE,
    SNP_M_GUEST_POLICY_MASK,
    SNP_M_MIN_ABI,
    SNP_M_ALLOW_VLEK,
    SNP_M_CSP_IDS,
    SNP_M_MIN_TCB,
    SNP_M_MIN_LAUNCH_TCB,
    SNP_M_ALLOW_PROVISIONAL,
    SNP_M_MIN_FIRMWARE,
    SNP_M_MIN_GUEST_SVN,
    SNP_M_PLATFORM_SET,
    SNP_M_PLATFORM_CLEAR,
    SNP_M_PLATFORM_KNOWN,
    SNP_M_ID_KEYS,
    SNP_M_AUTHOR_KEYS,
    SNP_M_MIN_LAUNCH_MIT,
    SNP_M_MIN_CURRENT_MIT,
    SNP_M_CHIPS,
    SNP_M_REQUIRE_CRL,
    SNP_M_COUNT,
};

/* Values of one size, one behind the other. */
struct snp_list {
    uint8_t *p;
    size_t count;
};

struct snp_minimum {
    bool known[SNP_PRODUCT_COUNT]; /* a product that is not named has no minimum it could meet */
    struct snp_tcb tcb[SNP_PRODUCT_COUNT];
};

struct snp_policy {
    uint32_t given;    /* 1u << SNP_M_…: the text has it, if only as null */
    uint32_t demands;  /* 1u << SNP_M_…: it demands something, by the text or by default */
    uint32_t products; /* 1u << SNP_MILAN … */
    uint32_t versions; /* 1u << 2 … */
    uint8_t report_data[SNP_REPORT_DATA_SIZE];
    struct snp_list measurements; /* of SNP_MEASUREMENT_SIZE */
    uint8_t host_data[SNP_HOST_DATA_SIZE];
    uint32_t vmpl;
    uint64_t guest_policy_value, guest_policy_mask;
    struct snp_firmware min_abi; /* build unused */
    bool allow_vlek, allow_provisional, require_crl;
    struct snp_list csp_ids; /* of SNP_CSP_ID_MAX, zeros behind the text */
    struct snp_minimum min_tcb, min_launch_tcb;
    struct snp_firmware min_firmware;
    uint32_t min_guest_svn;
    uint64_t platform_set, platform_clear, platform_known;
    struct snp_list id_keys, author_keys; /* of 48 */
    uint64_t min_launch_mit, min_current_mit;
    struct snp_list chips; /* of SNP_CHIP_ID_SIZE */
};

/* The strict defaults and nothing else. */
void snp_policy_init(struct snp_policy *p);
/* The defaults with what the object says instead. */
MUST_CHECK int snp_policy_parse(const json_t *policy, struct snp_policy *out, struct err *e);
void snp_policy_fini(struct snp_policy *p); /* a zeroed one is fine */
#define auto_snp_policy __attribute__((cleanup(snp_policy_fini))) struct snp_policy

const char *snp_member_name(enum snp_member m);

/*
 * A door where silence is no answer: every member that the text does not have, if only as null, is
 * a reason to refuse.
 * beside  1u << SNP_M_…: what somebody else decides
 */
void snp_policy_check_complete(const struct snp_policy *p, uint32_t beside, struct verdict *v);

/*
 * The layers that only compare: freshness, TCB, measurement, policy. Every failure is a reason of
 * its own.
 */
void snp_policy_check(const struct snp_policy *p, const struct snp_report *r,
                      const struct snp_endorsement *e, struct verdict *v);

#endif
