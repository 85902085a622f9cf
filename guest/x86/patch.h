/* SPDX-License-Identifier: Apache-2.0 */
/* Rewriting of system-call sites; the idea is in patch.c. */
#ifndef CASEMATE_GUEST_X86_PATCH_H
#define CASEMATE_GUEST_X86_PATCH_H

#include "guest/los.h"

struct regs;

void patch_setup(bool on);
/* Is an interrupted application between a rewritten site and its entry? */
bool patch_entering(const struct regs *r);
/*
 * Pure: the offset of dead bytes that a short jump at `s` reaches, 0: none. code is readable for size bytes, its first
 * byte stands at va; code[s] begins a `syscall`.
 */
size_t patch_find_hole(const uint8_t *code, size_t size, size_t s, uint64_t va);

#endif
