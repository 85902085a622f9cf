/* SPDX-License-Identifier: Apache-2.0 */
/* The machine while it runs: shared by the monitor's own files. */
#ifndef CASEMATE_VMM_VM_H
#define CASEMATE_VMM_VM_H

#include "firmware/abi/image.h"
#include "firmware/abi/launch.h"
#include "guest/abi/handoff.h"
#include "vmm/kvm.h"
#include "vmm/mem.h"
#include "vmm/names.h"
#include "vmm/vmm.h"

#include <pthread.h>
#include <stdatomic.h>

struct vm;

struct vcpu {
    struct vm *vm;
    unsigned id;
    int fd; /* -1 = none */
    struct kvm_run *run;
    size_t run_size;
    pthread_t thread;
    bool threaded;
};

/* How a launch differs between kinds of TEE. An op is here because two back ends differ. */
struct tee_ops {
    const char *name;
    bool guarded; /* page tables by ward calls, whatever was asked */
    /* Memory and vCPU state as the guest is to find them; fills in vm->result->measurement where there is one. */
    int (*launch)(struct vm *vm, struct err *e);
    /* A 32-bit out from ring 0 that the run loop does not know; -ENOTTY: unknown to the TEE too. */
    int (*port)(struct vm *vm, uint16_t port, uint32_t value, struct err *e);
};
extern const struct tee_ops tee_none, tee_sim;

struct vm {
    const struct vmm_launch *l;
    struct vmm_result *result;
    const struct tee_ops *tee;
    int kvm, fd;
    struct mem mem;
    struct kvm_cpuid_list cpuid;
    struct vcpu vcpu[CPU_MAX];
    unsigned cpus;
    struct names names;
    struct streams *streams;
    void *firmware;           /* host memory of the firmware slot (tee_sim.c) */
    struct core_header core;  /* of the placed or offered image               */
    uint64_t fdt_off, fdt_size;

    pthread_mutex_t lock; /* guards the five below */
    pthread_cond_t wake;  /* cpus_ready and sandboxed, or stop */
    bool cpus_ready;
    bool sandboxed;
    bool ended;
    struct err *error;    /* first failure */
    atomic_bool stop;
    atomic_uint doorbells; /* that came as exits */
};

/* vm.c: the first one to say why the guest ends wins; all vCPUs leave their run loops. Any thread. */
void vm_end(struct vm *vm, unsigned status);
void vm_fail(struct vm *vm, const struct err *why);
void vm_stop_init(void); /* the signal for it, in this thread and those it will make; harmless when repeated */
/* vCPUs 1.. wait until their entry state is set (at launch, or when the ward says that it is up) and the sandbox is closed. */
void vm_cpus_ready(struct vm *vm);
void vm_sandboxed(struct vm *vm);
void vm_wait_ready(struct vm *vm);

/* vcpu.c */
MUST_CHECK int vcpu_init(struct vcpu *v, struct vm *vm, unsigned id, struct err *e);
void vcpu_fini(struct vcpu *v);
MUST_CHECK int vcpu_ring3(struct vcpu *v, const struct core_header *h, struct err *e); /* vCPU 0 at LOS_START */
MUST_CHECK int vcpu_parked(struct vcpu *v, const struct core_header *h, struct err *e); /* ring 0, ward_park_entry */
MUST_CHECK int vcpu_reset32(struct vcpu *v, struct err *e); /* 32-bit protected mode at 4 GiB - 16 */
void vcpu_run(struct vcpu *v);

/* place.c: the core image's header, checked, into vm->core; the image into RAM as firmware/abi/image.h says. */
MUST_CHECK int core_check(struct vm *vm, struct err *e);
MUST_CHECK int place_core(struct vm *vm, struct err *e);
/* The machine in the words that stub and placer share; TEE_NONE and no image in the window until the caller says so. */
struct stub_params place_params(const struct vm *vm);

/* fdt.c: machine description into the window; sets vm->fdt_off and fdt_size. */
MUST_CHECK int fdt_write(struct vm *vm, struct err *e);

#endif
