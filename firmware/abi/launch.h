/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the stub is given. The launch page is measured: it names the guest image by hash. The parameters are not: they
 * are host input, copied once, range-checked, and only used when everything in them fits.
 *
 * The firmware slot, 64 KiB below 4 GiB
 *
 *   FW_GPA + 0x0000   struct stub_params     unmeasured
 *   FW_GPA + 0x1000   stub's ring-3 stack    unmeasured, written before it is read
 *   FW_GPA + 0xa000   struct launch_page     measured
 *   FW_GPA + 0xb000   page tables (3)        measured
 *   FW_GPA + 0xe000   code, ends with the reset vector at 4 GiB - 16    measured
 */
#ifndef CASEMATE_FIRMWARE_ABI_LAUNCH_H
#define CASEMATE_FIRMWARE_ABI_LAUNCH_H

#include "firmware/abi/layout.h"

#define STUB_PARAMS_GPA FW_GPA
#define STUB_STACK_TOP  (FW_GPA + 0x4000)
#define STUB_LAUNCH_GPA (FW_GPA + 0xa000)
#define STUB_TABLES_GPA (FW_GPA + 0xb000)
#define STUB_CODE_GPA   (FW_GPA + 0xe000)
#define STUB_SIZE       (FW_SIZE - 0xb000) /* tables and code: stub.bin */

/* Where the stub finds the guest image: the first bytes of the window are mapped here in its tables. */
#define STUB_WINDOW_VA  U64(0x20000000)
#define STUB_WINDOW_MAX U64(0x1000000)

/* launch flags: measured, shown in every report of the register form */
#define LAUNCH_GUARDED    1u /* page tables by ward calls, as in a TEE */
#define LAUNCH_FLAGS_ALL  1u

#ifndef __ASSEMBLER__
#define LAUNCH_MAGIC   0x3148434e554c5343ull /* "CSLUNCH1" */
#define LAUNCH_VERSION 1

struct launch_part {
    uint64_t size;      /* bytes */
    uint8_t sha256[32]; /* chosen over SHA-384: 0.6 ms instead of 2 ms per MiB where SHA-NI exists */
};

struct launch_page {
    uint64_t magic;
    uint32_t version;
    uint32_t flags; /* LAUNCH_* */
    struct launch_part core, agent;
    uint8_t reserved[4000]; /* zero, checked by nobody: measured */
};
ABI_AT(struct launch_page, core, 16);
ABI_AT(struct launch_page, agent, 56);
ABI_SIZE(struct launch_page, 4096);

struct stub_params {
    uint64_t ram_size[2];     /* from 0, and from 4 GiB; whole chunks   */
    uint64_t tables_size;
    uint64_t window_gpa, window_size;
    uint64_t core_off;        /* of the core image inside the window    */
    uint64_t fdt_off, fdt_size;
    uint32_t cpus;
    uint32_t tee;             /* TEE_SIM; real TEEs know by themselves  */
};
ABI_AT(struct stub_params, window_gpa, 24);
ABI_SIZE(struct stub_params, 72);
#endif
#endif
