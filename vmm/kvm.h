/* SPDX-License-Identifier: Apache-2.0 */
/* Typed ioctls and what the monitor requires of a KVM. */
#ifndef CASEMATE_VMM_KVM_H
#define CASEMATE_VMM_KVM_H

#include "guest/base/err.h"

#include <linux/kvm.h>

/* ioctl() that names itself in the error: "KVM_CREATE_VM: permission denied". >= 0 or -errno. */
MUST_CHECK int kvm_ioctl(int fd, unsigned long request, const char *name, void *arg, struct err *e);
#define KVM_CALL(fd, request, arg, e) kvm_ioctl((fd), (request), #request, (arg), (e))

/* Opens /dev/kvm and checks the API version and every required capability; the error names the first one missing. */
MUST_CHECK int kvm_open(int *out_fd, struct err *e);

/* CPUID for a guest: what ring 3 may use. Small where guest ring 3 sees the host's anyway. */
struct kvm_cpuid_list {
    struct kvm_cpuid2 head;
    struct kvm_cpuid_entry2 entry[128];
};
MUST_CHECK int kvm_cpuid(int kvm, struct kvm_cpuid_list *out, struct err *e);

#endif
