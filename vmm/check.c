/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this host can do, in words: one line per finding, "ok", "no" or "slow" first. Nothing here decides anything; a
 * start makes its own checks.
 */
#include "vmm/kvm.h"
#include "vmm/vmm.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool file_says_yes(const char *path)
{
    char c = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) { return false; }
    ssize_t n = read(fd, &c, 1);
    (void)close(fd);
    return n == 1 && (c == 'Y' || c == '1');
}

static void check_kind(FILE *out, int kvm)
{
    struct kvm_cpuid_list l;
    struct err e = {0};
    bool deprivileged = access("/sys/module/kvm_pvm", F_OK) == 0;

    if (kvm_cpuid(kvm, &l, &e) < 0) {
        fprintf(out, "no    CPUID for guests: %s\n", e.text);
        return;
    }
    if (deprivileged || l.head.nent <= 8) {
        fprintf(
            out,
            "slow  KVM on a deprivileged host: guest ring 3 is native, guest ring 0 is interpreted\n");
    } else {
        fprintf(out, "ok    KVM on hardware virtualization (or a full emulation of it)\n");
    }
}

static void check_tee(FILE *out, int kvm)
{
    unsigned types = 0;
#ifdef KVM_CAP_VM_TYPES
    int r = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);
    types = r > 0 ? (unsigned)r : 0;
#else
    (void)kvm;
#endif
    bool snp = file_says_yes("/sys/module/kvm_amd/parameters/sev_snp") || (types & 1u << 4) != 0;
    bool tdx = file_says_yes("/sys/module/kvm_intel/parameters/tdx") || (types & 1u << 5) != 0;
    fprintf(out,
            snp ? "no    SEV-SNP: this host has it, this version of Casemate does not use it yet\n"
                : "no    SEV-SNP: not offered by this host\n");
    fprintf(out, tdx ? "no    TDX: this host has it, this version of Casemate does not use it yet\n"
                     : "no    TDX: not offered by this host\n");
    fprintf(out, "ok    --tee sim: software TEE, protects nothing, behaves like one\n");
}

bool vmm_check(FILE *out)
{
    struct err e = {0};
    int kvm;

    if (kvm_open(&kvm, &e) < 0) {
        fprintf(out, "no    %s\n", e.text);
        return false;
    }
    fprintf(out, "ok    /dev/kvm opens and has everything that Casemate needs\n");
    check_kind(out, kvm);
    check_tee(out, kvm);
    (void)close(kvm);
    fprintf(out, "ok    %ld processors online, --cpus up to %u\n", sysconf(_SC_NPROCESSORS_ONLN),
            VMM_CPUS_MAX);
    return true;
}
