/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest image on this host's disk: core, agent, stub and launch page, as the build made them. The host's copy is not
 * trusted by anybody who has a TEE: the launch page is measured, and everything else must match it.
 */
#ifndef CASEMATE_LOADER_GUEST_IMAGE_H
#define CASEMATE_LOADER_GUEST_IMAGE_H

#include "vmm/vmm.h"

struct guest_image {
    struct vmm_bytes core, agent, stub, launch_page; /* mapped, read-only */
};

/*
 * dir NULL: $CASEMATE_IMAGE, else beside this program: ../image (build tree) or ../lib/casemate (installed).
 * On failure *out is as guest_image_fini() leaves it.
 */
MUST_CHECK int guest_image_open(const char *dir, struct guest_image *out, struct err *e);
void guest_image_fini(struct guest_image *g); /* zeroed is fine */

#endif
