/* SPDX-License-Identifier: Apache-2.0 */
/* Rewriting of system-call sites; the idea is in patch.c. */
#ifndef CASEMATE_GUEST_X86_PATCH_H
#define CASEMATE_GUEST_X86_PATCH_H

#include "guest/los.h"

struct regs;

void patch_setup(bool on);
/* Is an interrupted application between a rewritten site and its entry? */
bool patch_entering(const struct regs *r);

#endif
