/* SPDX-License-Identifier: Apache-2.0 */
/* Lengths of 64-bit instructions, and the few kinds that matter for finding dead bytes between functions. */
#ifndef CASEMATE_GUEST_X86_INSN_H
#define CASEMATE_GUEST_X86_INSN_H

#include "guest/base/cc.h"

/* Bytes of the instruction at p, of which `left` may be read; 0: unknown, or it does not end within them. */
size_t insn_length(const uint8_t *p, size_t left);
/* Does control never go on behind this instruction (of that length)? ret, jmp, ud2, hlt, int3 */
bool insn_ends_flow(const uint8_t *p, size_t len);
/* One of the canonical no-operations that fill gaps (90, 66.. 90, 0f 1f /0 with any prefixes 66 and 2e), or int3. */
bool insn_is_filler(const uint8_t *p, size_t len);

#endif
