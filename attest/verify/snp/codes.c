/* SPDX-License-Identifier: Apache-2.0 */
/* See codes.h. */
#include "attest/verify/snp/codes.h"

/* clang-format off: a table, one entry a paragraph */
const struct verdict_code snp_codes[SNP_CODE_COUNT] = {
    [SNP_CODE_EVIDENCE] =
        {"snp-evidence", "parse", "V01", "evidence",
         "the evidence is neither a report nor the JSON a guest sends",
         "give the report's 1184 bytes, or the guest's primary evidence unchanged"},
    [SNP_CODE_SIZE] = {"snp-size", "parse", "V01", "size", "the report is not 1184 bytes",
                       "give the report alone: no response header in front, nothing behind"},
    [SNP_CODE_VERSION] = {"snp-version", "parse", "V02", "version",
                          "the report has a version whose layout is not known here",
                          "update the verifier if the processor's firmware is newer than it"},
    [SNP_CODE_SIGNATURE_ALGORITHM] =
        {"snp-signature-algorithm", "parse", "V03", "signature_algo",
         "the report is not signed by ECDSA P-384 with SHA-384",
         "there is no other algorithm: this is not a report of a processor's firmware"},
    [SNP_CODE_RESERVED] =
        {"snp-reserved", "parse", "V04", "reserved bytes",
         "a byte that is zero in reports of this version is not",
         "the report was changed, or newer firmware gives the byte a meaning: update the verifier"},
    [SNP_CODE_KEY_INFO] = {"snp-key-info", "parse", "V05", "key_info",
                           "KEY_INFO names no signing key we know, or has reserved bits set",
                           "have the host sign reports by VCEK or VLEK"},
    [SNP_CODE_MASKED_KEY] = {"snp-masked-key", "parse", "V06", "key_info.mask_chip_key",
                             "the host has switched signatures off (MASK_CHIP_KEY)",
                             "have the host clear MASK_CHIP_KEY by SNP_SET_CONFIG"},
    [SNP_CODE_UNSIGNED] = {"snp-unsigned", "parse", "V06", "signature",
                           "the report carries no signature",
                           "have the host clear MASK_CHIP_KEY, and get a new report"},
    [SNP_CODE_CPUID] =
        {"snp-cpuid", "parse", "V32", "cpuid", "family and model are of no product we know",
         "Milan, Genoa and Turin are supported; a later processor needs a later verifier"},
    [SNP_CODE_LIMITS] =
        {"snp-limits", "parse", "V36", "certificates",
         "the evidence brings more certificates or bytes than any honest one",
         "send the endorsement key's certificate, its issuer and the root, nothing else"},
    [SNP_CODE_VEK_UNREADABLE] = {"snp-vek-unreadable", "parse", "V15", "vek",
                                 "the endorsement key's certificate is not X.509 in DER",
                                 "fetch it again from the processor maker's key service"},
    [SNP_CODE_CHAIN_UNREADABLE] = {"snp-chain-unreadable", "parse", "V08", "chain",
                                   "the chain is not certificates in PEM",
                                   "give the answer of the key service's cert_chain as it came"},
    [SNP_CODE_ROOT_UNREADABLE] = {"snp-root-unreadable", "parse", "V08", "root",
                                  "the root given is not a root's certificate in DER",
                                  "give one certificate, named ARK-Milan, ARK-Genoa or ARK-Turin"},
    [SNP_CODE_CRL_UNREADABLE] =
        {"snp-crl-unreadable", "parse", "V13", "crl",
         "the revocation list is not one for all certificates of the root, in DER",
         "fetch it again from the key service's crl"},

    [SNP_CODE_VEK_MISSING] =
        {"snp-vek-missing", "chain", "V08", "vek",
         "there is no certificate of the key that signed the report",
         "fetch the VCEK for this chip and TCB from the key service, or have the host provide it"},
    [SNP_CODE_CHAIN_LENGTH] = {"snp-chain-length", "chain", "V08", "chain",
                               "the chain is not exactly root, intermediate and endorsement key",
                               "give the product's cert_chain: the intermediate and the root"},
    [SNP_CODE_ROOT] =
        {"snp-root", "chain", "V08", "root key",
         "no certificate of the chain has the key of a root that is trusted",
         "use the chain AMD publishes for this product; keys of others endorse nothing"},
    [SNP_CODE_CERTIFICATE_ALGORITHM] =
        {"snp-certificate-algorithm", "chain", "V35", "certificate algorithm",
         "a certificate is not signed by RSA-PSS with SHA-384, MGF1-SHA-384 and salt 48",
         "AMD signs in no other way: the certificate is not AMD's"},
    [SNP_CODE_CHAIN_SIGNATURE] =
        {"snp-chain-signature", "chain", "V08", "chain signatures",
         "a certificate is not signed by the one above it",
         "give the chain of the same product and kind (VCEK or VLEK) as the endorsement key"},
    [SNP_CODE_NAMES] =
        {"snp-names", "chain", "V11", "certificate names",
         "a certificate does not have the name AMD gives it in its place",
         "give the chain of the same product and kind (VCEK or VLEK) as the endorsement key"},
    [SNP_CODE_CA] = {"snp-ca", "chain", "V12", "certificate authority",
                     "a certificate that signs may not, or one that must not sign may",
                     "AMD issues no such certificate: it is not AMD's"},
    [SNP_CODE_VEK_KEY] = {"snp-vek-key", "chain", "V14", "vek key",
                          "the endorsement key is not on P-384",
                          "AMD issues no such certificate: it is not AMD's"},
    [SNP_CODE_VEK_EXTENSION] =
        {"snp-vek-extension", "chain", "V15", "vek extensions",
         "an extension of the endorsement key's certificate is missing, twice there or wrong",
         "fetch the certificate again; if it stays so, it is not AMD's"},
    [SNP_CODE_PRODUCT] = {"snp-product", "chain", "V09", "product",
                          "report, certificate and chain do not speak of one product",
                          "give the certificate and chain of the product the report comes from"},
    [SNP_CODE_VALIDITY] = {"snp-validity", "chain", "V10", "validity",
                           "a certificate is not valid at this time",
                           "check the clock; a VLEK is renewed every year by the cloud provider"},
    [SNP_CODE_CRL_MISSING] = {"snp-crl-missing", "chain", "V13", "crl",
                              "a revocation list is demanded and there is none for this root",
                              "fetch the product's crl from the key service"},
    [SNP_CODE_CRL_SIGNATURE] = {"snp-crl-signature", "chain", "V13", "crl signer",
                                "the revocation list is not the root's",
                                "give the list of the same product as the chain"},
    [SNP_CODE_CRL_TIME] = {"snp-crl-time", "chain", "V13", "crl time",
                           "the revocation list is not of this time",
                           "fetch the list again before its nextUpdate; check the clock"},
    [SNP_CODE_CRL_REVOKED] =
        {"snp-crl-revoked", "chain", "V13", "crl entries",
         "a certificate of the chain has been revoked",
         "believe nothing this key signs; the processor maker says what replaces it"},
    [SNP_CODE_KEY_KIND] =
        {"snp-key-kind", "chain", "V05", "key_info.signing_key",
         "the report names one kind of signing key and the certificate is for the other",
         "give the VCEK certificate for a report signed by VCEK, the VLEK's for VLEK"},
    [SNP_CODE_TCB_RESERVED] =
        {"snp-tcb-reserved", "chain", "V16", "tcb reserved bytes",
         "a TCB has a byte set that this product's layout does not have",
         "the report is not what its certificate says it is: believe neither"},
    [SNP_CODE_TCB_CERTIFICATE] = {"snp-tcb-certificate", "chain", "V16", "reported_tcb",
                                  "the endorsement key is for another TCB than the report names",
                                  "fetch the VCEK for the report's REPORTED_TCB"},
    [SNP_CODE_CHIP] =
        {"snp-chip", "chain", "V21", "chip_id",
         "report and certificate are of different chips, or the report does not name its chip",
         "fetch the VCEK of the chip in the report; have the host clear MASK_CHIP_ID"},

    [SNP_CODE_SIGNATURE] =
        {"snp-signature", "signature", "V07", "signature",
         "the signature does not verify with the endorsement key",
         "the report was changed after it was signed, or another chip or TCB signed it"},

    [SNP_CODE_REPORT_DATA] = {"snp-report-data", "freshness", "V27", "report_data",
                              "report data does not bind this nonce and key",
                              "the evidence is old or another guest's: attest again"},

    [SNP_CODE_TCB_ORDER] =
        {"snp-tcb-order", "tcb", "V17", "tcb order",
         "REPORTED or COMMITTED is above CURRENT, which no working platform shows",
         "have the platform's firmware looked at before it is used"},
    [SNP_CODE_TCB_MINIMUM] =
        {"snp-tcb-minimum", "tcb", "V18", "min_tcb",
         "the platform's firmware or microcode is older than demanded",
         "update the host's firmware and microcode, and raise REPORTED_TCB by SNP_COMMIT"},
    [SNP_CODE_LAUNCH_TCB] = {"snp-launch-tcb", "tcb", "V19", "min_launch_tcb",
                             "the guest was launched on firmware older than demanded",
                             "start the guest again on the updated host"},
    [SNP_CODE_PROVISIONAL] =
        {"snp-provisional", "tcb", "V20", "allow_provisional_firmware",
         "the host can still go back to older firmware",
         "have the host commit its firmware by SNP_COMMIT, or allow provisional firmware"},
    [SNP_CODE_FIRMWARE] = {"snp-firmware", "tcb", "V38", "min_firmware",
                           "the firmware's version is lower than demanded",
                           "update the host's SEV firmware"},
    [SNP_CODE_MITIGATIONS] =
        {"snp-mitigations", "tcb", "V33", "mitigation vectors",
         "a mitigation that is demanded is not in force",
         "update the host's firmware; reports below version 5 cannot say which are in force"},
    [SNP_CODE_MEASUREMENT] = {"snp-measurement", "measurement", "V26", "measurement",
                              "the launch digest is not one of the reference values",
                              "compare with `cc-attest measure` over the images that were started"},

    [SNP_CODE_POLICY_MEMBER] =
        {"snp-policy-member", "policy", "V40", "policy",
         "the policy says nothing about something it has to decide",
         "name the member in the policy; null says aloud that it is not checked"},
    [SNP_CODE_REPORT_VERSION] = {"snp-report-version", "policy", "V02", "report_versions",
                                 "reports of this version are not allowed",
                                 "update the host's firmware, or allow the version"},
    [SNP_CODE_PRODUCT_ALLOWED] = {"snp-product-allowed", "policy", "V09", "products",
                                  "this product line is not allowed",
                                  "run the guest on an allowed product, or allow this one"},
    [SNP_CODE_CHIP_ALLOWED] = {"snp-chip-allowed", "policy", "V21", "chip_id_allow",
                               "this chip is not on the list",
                               "run the guest on a listed machine, or list this chip"},
    [SNP_CODE_VLEK] = {"snp-vlek", "policy", "V22", "allow_vlek",
                       "the report is signed by a cloud provider's key that is not allowed",
                       "allow VLEK and list this provider's cspID, or have the host sign by VCEK"},
    [SNP_CODE_GUEST_POLICY] =
        {"snp-guest-policy", "policy", "V23", "guest_policy",
         "the guest was launched under a policy that is not allowed",
         "start the guest with the demanded policy; one with DEBUG is open to its host"},
    [SNP_CODE_ABI] = {"snp-abi", "policy", "V23", "min_abi",
                      "the guest's policy takes firmware with an older interface than demanded",
                      "start the guest with a policy that names the demanded ABI version"},
    [SNP_CODE_PLATFORM_INFO] =
        {"snp-platform-info", "policy", "V24", "platform_info",
         "the platform is not set up as demanded",
         "compare the bits: 5 = no memory aliases, 0 = SMT, 1 = TSME; change the BIOS settings"},
    [SNP_CODE_VMPL] =
        {"snp-vmpl", "policy", "V25", "vmpl",
         "the report was asked for at another privilege level than demanded",
         "ask for the report where it has to come from; the host's own (0xffffffff) never counts"},
    [SNP_CODE_HOST_DATA] =
        {"snp-host-data", "policy", "V28", "host_data", "the guest was started with other initdata",
         "register the digest of the initdata in use, or start with the right one"},
    [SNP_CODE_ID_KEY] =
        {"snp-id-key", "policy", "V29", "id_key_digests",
         "the guest's identity block is not signed by a listed key",
         "launch with the identity block of the image's maker, or list the key's digest"},
    [SNP_CODE_AUTHOR_KEY] =
        {"snp-author-key", "policy", "V29", "author_key_digests",
         "the identity key is not signed by a listed author's key",
         "launch with AUTHOR_KEY_EN and the author's signature, or list the key's digest"},
    [SNP_CODE_GUEST_SVN] = {"snp-guest-svn", "policy", "V30", "min_guest_svn",
                            "the image's security version is lower than demanded",
                            "start a newer image"},
    [SNP_CODE_MIGRATION_AGENT] =
        {"snp-migration-agent", "policy", "V31", "report_id_ma",
         "a migration agent is bound to the guest, which could move it elsewhere",
         "start the guest without a migration agent"},
};
/* clang-format on */
