/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/kvm: typed ioctls, the table of required capabilities, CPUID.
 *
 * Three kinds of KVM are met (README.md): on hardware and in an emulated machine the guest sees the CPUID that we set; on a
 * deprivileged host ring 3 sees the host's, KVM offers a short list, and setting a long one is the dearest small ioctl.
 */
#include "vmm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct {
    int cap;
    const char *name, *why;
} required[] = {
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY", "guest memory"},
    {KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP", "local APIC in the kernel, nothing else"},
    {KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI", "device interrupts"},
    {KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD", "doorbells"},
    {KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER", "the guest's timer"},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT", "stopping a vCPU"},
};

int kvm_ioctl(int fd, unsigned long request, const char *name, void *arg, struct err *e)
{
    int r;
    do {
        r = ioctl(fd, request, arg);
    } while (r < 0 && errno == EINTR);
    if (r < 0) { return err_set(e, errno, "%s: %s", name, strerror(errno)); }
    return r;
}

int kvm_open(int *out_fd, struct err *e)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return err_set(
            e, ENODEV,
            "this machine offers no /dev/kvm (modules kvm_intel or kvm_amd not loaded?)");
    }
    if (fd < 0 && errno == EACCES) {
        return err_set(e, EACCES, "/dev/kvm is closed to this user; group kvm may open it");
    }
    if (fd < 0) { return err_set(e, errno, "/dev/kvm: %s", strerror(errno)); }
    int version = ioctl(fd, KVM_GET_API_VERSION, 0);
    if (version != KVM_API_VERSION) {
        close(fd);
        return err_set(e, ENOSYS, "/dev/kvm: API version %d, wanted %d", version, KVM_API_VERSION);
    }
    for (size_t i = 0; i < ARRAY_COUNT(required); i++) {
        if (ioctl(fd, KVM_CHECK_EXTENSION, (unsigned long)required[i].cap) <= 0) {
            close(fd);
            return err_set(e, ENOSYS, "/dev/kvm lacks %s (%s)", required[i].name, required[i].why);
        }
    }
    *out_fd = fd;
    return 0;
}

#define LEAF1_ECX_SSE3         (1u << 0)
#define LEAF1_ECX_TSC_DEADLINE (1u << 24)
#define LEAF1_ECX_HYPERVISOR   (1u << 31)
#define LEAF7_EBX_FSGSBASE     (1u << 0)

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid_list *l, uint32_t function)
{
    for (uint32_t i = 0; i < l->head.nent; i++) {
        if (l->entry[i].function == function && l->entry[i].index == 0) { return &l->entry[i]; }
    }
    return NULL;
}

int kvm_cpuid(int kvm, struct kvm_cpuid_list *out, struct err *e)
{
    memset(&out->head, 0, sizeof out->head);
    out->head.nent = ARRAY_COUNT(out->entry);
    if (KVM_CALL(kvm, KVM_GET_SUPPORTED_CPUID, &out->head, e) < 0) { return -e->code; }

    struct kvm_cpuid_entry2 *one = find(out, 1);
    if (one == NULL) { return err_set(e, ENOSYS, "KVM_GET_SUPPORTED_CPUID: no leaf 1"); }
    one->ecx |= LEAF1_ECX_TSC_DEADLINE | LEAF1_ECX_HYPERVISOR;
    if ((one->ecx & LEAF1_ECX_SSE3) != 0) { return 0; }

    /* A deprivileged host: ring 3 sees the host's CPUID; KVM itself only needs what the entry state depends on. */
    static const uint32_t keep[] = {0, 1, 7, 0x80000000, 0x80000001, 0x80000008};
    uint32_t n = 0;
    for (uint32_t i = 0; i < out->head.nent; i++) {
        for (size_t k = 0; k < ARRAY_COUNT(keep); k++) {
            if (out->entry[i].function == keep[k] && out->entry[i].index == 0) {
                out->entry[n++] = out->entry[i];
            }
        }
    }
    out->head.nent = n;
    struct kvm_cpuid_entry2 *seven = find(out, 7);
    if (seven == NULL) {
        out->entry[n] =
            (struct kvm_cpuid_entry2){.function = 7, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX};
        seven = &out->entry[n++];
        out->head.nent = n;
        struct kvm_cpuid_entry2 *zero = find(out, 0);
        if (zero && zero->eax < 7) { zero->eax = 7; }
    }
    seven->ebx |= LEAF7_EBX_FSGSBASE;
    return 0;
}
