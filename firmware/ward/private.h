/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private page of a vCPU, in its area at WARD_CPU + id * CPU_STRIDE + CPU_PRIVATE; offsets are from the area.
 * Words first, then the NMI's stack (IST2) and the interrupts' (IST1), then the private stack that ward calls run on.
 * mkimage.c fills it.
 */
#ifndef CASEMATE_FIRMWARE_WARD_PRIVATE_H
#define CASEMATE_FIRMWARE_WARD_PRIVATE_H

#define PRIVATE_BASE      0x4000
/* offsets from kernel GS = area + PRIVATE_BASE */
#define PRIVATE_STACK     0
#define PRIVATE_URSP      8
/* offsets from the area */
#define PRIVATE_TICKET    (PRIVATE_BASE + 16)
#define PRIVATE_EPOCH     (PRIVATE_BASE + 24) /* ward_flush_seq before the last flush of everything */
#define PRIVATE_TEMPLATE  (PRIVATE_BASE + 64)  /* iret frame to LOS_UPCALL    */
#define PRIVATE_SECONDARY (PRIVATE_BASE + 112) /* iret frame to LOS_SECONDARY */
#define PRIVATE_START     (PRIVATE_BASE + 160) /* iret frame to LOS_START     */
#define PRIVATE_NMI_TOP   (PRIVATE_BASE + 0x180)
#define PRIVATE_IST_TOP   (PRIVATE_BASE + 0x400)

/* struct ward_state */
#define STATE_GUARDED 48

/* enum panic_code, for assembly */
#define PANIC_NR_WARD_EXCEPTION   16
#define PANIC_NR_WARD_UPCALL_LOOP 17

#ifndef __ASSEMBLER__
#include "firmware/abi/image.h"
#include "firmware/abi/panic.h"
_Static_assert(PANIC_NR_WARD_EXCEPTION == PANIC_WARD_EXCEPTION, "panic code");
_Static_assert(PANIC_NR_WARD_UPCALL_LOOP == PANIC_WARD_UPCALL_LOOP, "panic code");
_Static_assert(PRIVATE_BASE == CPU_PRIVATE, "private page");
ABI_AT(struct ward_state, guarded, STATE_GUARDED);
#endif
#endif
