/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firmware of others for TDs (OVMF, td-shim): where its metadata say that parts of it go in memory,
 * and the MRTD that follows, for reference values of guests that are not ours.
 *
 * Source: [TDVF] Intel TDX Virtual Firmware Design Guide, §11.
 */
#ifndef CASEMATE_ATTEST_TDVF_H
#define CASEMATE_ATTEST_TDVF_H

#include "attest/measure_tdx.h"
#include "guest/base/cur.h"
#include "guest/base/err.h"

#define TDVF_IMAGE_MAX    (64u << 20)
#define TDVF_MEMORY_MAX   (1ull << 30) /* bytes that sections add to a TD before it starts */
#define TDVF_SECTIONS_MAX 64

struct tdvf_section {
    struct view raw; /* in the image; zeros follow up to size */
    uint64_t gpa, size;
    uint32_t type;
    bool measured; /* extended, page by page */
    bool later;    /* not added before the start */
};

struct tdvf {
    size_t count;
    struct tdvf_section v[TDVF_SECTIONS_MAX]; /* in the order in which they are added */
};

/* Views into image. -EBADMSG when there are no metadata, or they cannot be right. */
MUST_CHECK int tdvf_parse(const void *image, size_t len, struct tdvf *out, struct err *e);

/*
 * two_pass  as kernels did before Linux 6.16: of each section first all pages are added, then all
 *           are extended; another digest
 */
void tdvf_measure(const struct tdvf *t, bool two_pass, uint8_t out[MEASURE_TDX_SIZE]);

#endif
