/* SPDX-License-Identifier: Apache-2.0 */
/* The page before the vDSO image: written by the library OS at start, read by every process. */
#ifndef CASEMATE_GUEST_VDSO_H
#define CASEMATE_GUEST_VDSO_H

#include "guest/base/cc.h"

struct vdso_data {
    uint64_t base;           /* tsc at monotonic 0 */
    uint64_t ns_per_tick_32; /* scaled by 2^32     */
    uint64_t wall_offset_ns;
};

#endif
