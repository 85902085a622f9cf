/* SPDX-License-Identifier: Apache-2.0 */
/* The linked vDSO as bytes of the library OS. */
    .section .rodata
    .balign 64
    .globl  vdso_image, vdso_image_end
    .hidden vdso_image, vdso_image_end
vdso_image:
    .incbin "vdso.so"
vdso_image_end:
    .section .note.GNU-stack, "", @progbits
