/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware on a processor model (Unicorn): the very bytes that are measured run from their first 64-bit instruction,
 * with page tables, descriptor tables and rings as they set them up, and a host that may have prepared anything. Ring-0
 * instructions are counted one by one; ring 3 (the stub's hashing) runs uncounted. The 32-bit part, 15 instructions, is what
 * this model cannot run and starts after.
 */
#ifndef CASEMATE_TESTS_MODEL_H
#define CASEMATE_TESTS_MODEL_H

#include "firmware/abi/image.h"
#include "firmware/abi/launch.h"
#include "firmware/abi/panic.h"
#include "guest/abi/handoff.h"

#include <unicorn/unicorn.h>

#define MODEL_RAM    (64u << 20)
#define MODEL_WINDOW (16u << 20)
#define MODEL_WINDOW_GPA 0x100000000ull
#define MODEL_CORE_OFF   0x410000u /* where the monitor puts the image */
#define MODEL_ENTRY_32BIT 15       /* instructions before the model takes over */

enum model_end {
    MODEL_RUNNING,
    MODEL_LIBRARY_OS, /* ring 3 at LOS_START: booted        */
    MODEL_PANIC,      /* code says which                    */
    MODEL_FAULT       /* an exception or access that nobody handled */
};

struct model {
    uc_engine *uc;
    uc_context *ring0, *ward; /* ward: as it leaves ring 0 for the first time */
    uint8_t *firmware, *ram, *window, *apic;
    uint64_t start64; /* first instruction that the model runs */

    enum model_end end;
    uint32_t code;     /* of the panic, or the exception's vector */
    uint64_t ring0_count;
    uint64_t last_pc;
    bool after_iret;
    /* called before ring 3 runs: the host's chance to change the window */
    void (*on_ring3)(struct model *m);
    /* the monitor's part of a sim request, which lies at gpa */
    void (*on_sim)(struct model *m, uint8_t *request);
};

/* What ring 3 has when it meets a gate, and what it has afterwards. */
struct model_ring3 {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, r8, r10, rip, rsp, rflags;
};

/* The images of build/, a well-behaved host's parameters. Skips the running test when there are no images. */
void model_init(struct model *m);
void model_fini(struct model *m);
struct stub_params *model_params(struct model *m);
struct launch_page *model_launch(struct model *m);
uint8_t *model_core(struct model *m); /* the host's copy, in the window */
void model_run(struct model *m);      /* until m->end */

/* After MODEL_LIBRARY_OS: ring 3 of vCPU 0 meets this vector; the ward runs until it is back. m->end says if it is not. */
void model_vector(struct model *m, uint32_t vector, struct model_ring3 *r);
/* A ward call by int3 with these flags -> rax */
int64_t model_call(struct model *m, uint64_t rflags, uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3);
struct vpage *model_vpage(struct model *m);
/* Where ring 3 sees va under T_ROOT; NULL when it does not, or may not write there and writable is asked for. */
uint8_t *model_ring3_page(struct model *m, uint64_t va, bool writable);

#endif
