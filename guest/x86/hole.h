/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CASEMATE_GUEST_X86_HOLE_H
#define CASEMATE_GUEST_X86_HOLE_H

#include "guest/base/cc.h"

#define HOLE_SIZE 5u /* e9 rel32 */

/*
 * Pure: the offset of HOLE_SIZE dead bytes that a short jump at `s` reaches, 0: none. code is readable for size bytes,
 * its first byte stands at va; code[s] begins a `syscall`.
 */
size_t patch_find_hole(const uint8_t *code, size_t size, size_t s, uint64_t va);

#endif
