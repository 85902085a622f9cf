/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts instructions in the guest's ring 0, by single-stepping it from its first instruction to its last: preloaded into
 * cc-run, it stands between the monitor and KVM_RUN. Steps are told apart by address: the ward has its own range, and of
 * the stub only the part before stub_ring0_end runs in ring 0. A repeated string instruction counts once per repetition.
 * One vCPU. Slow: every instruction of the guest is an exit.
 *
 *   RING0_STUB_END=0x… LD_PRELOAD=build/tests/ring0.so cc-run --tee none oci:…     (tests/bench/figures does this)
 */
#include "firmware/abi/launch.h"

#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct kvm_run *run;
static uint64_t ward_steps, stub_steps, all_steps, stub_end;

static long raw(int fd, unsigned long request, void *arg) { return syscall(SYS_ioctl, fd, request, arg); }

__attribute__((destructor)) static void report(void)
{
    if (all_steps > 0) {
        fprintf(stderr, "ring0: ward %lu, stub %lu, of %lu instructions in all\n", ward_steps, stub_steps, all_steps);
    }
}

static void count(uint64_t pc)
{
    all_steps++;
    if (pc >= WARD_LO && pc < LOS_HI) {
        ward_steps++;
    } else if (pc >= STUB_CODE_GPA && pc < HOLE_HI && (pc < stub_end || pc >= HOLE_HI - 16)) {
        stub_steps++;
    }
}

static int step(int fd)
{
    struct kvm_guest_debug debug = {.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP};

    if (run == NULL) {
        const char *end = getenv("RING0_STUB_END");
        stub_end = end ? strtoull(end, NULL, 0) : 0;
        run = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (run == MAP_FAILED || raw(fd, KVM_SET_GUEST_DEBUG, &debug) < 0) {
            perror("ring0: single-stepping");
            _exit(1);
        }
    }
    for (;;) {
        long r = raw(fd, KVM_RUN, NULL);
        if (r < 0 || run->exit_reason != KVM_EXIT_DEBUG) { return (int)r; }
        count(run->debug.arch.pc);
    }
}

int ioctl(int fd, unsigned long request, ...);
int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    va_start(ap, request);
    void *arg = va_arg(ap, void *);
    va_end(ap);
    return request == KVM_RUN ? step(fd) : (int)raw(fd, request, arg);
}
