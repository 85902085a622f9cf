/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every KVM we run on must be able to do, in the smallest program that shows it, and whether `syscall` enters ring
 * 0 here. Stands on its own, without vmm/: when an end-to-end test fails on some machine, this says whether the machine
 * is to blame. Prints TAP.
 *
 * Guest memory, 2 MiB, one present 2 MiB page for all of it, user and writable; one more maps where no slot is, so that
 * a store there leaves the guest with its value.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM_SIZE  0x200000u
#define GDT_AT    0x1000u
#define PML4_AT   0x2000u
#define PDPT_AT   0x3000u
#define PD_AT     0x4000u
#define CODE_AT   0x8000u
#define LSTAR_AT  0x9000u
#define STACK_TOP 0x100000u
#define NO_SLOT   0x200000u /* guest-physical and virtual: the second 2 MiB */
#define PORT      0x10u

enum { SEL_CODE0 = 0x10, SEL_DATA0 = 0x18, SEL_DATA3 = 0x2b, SEL_CODE3 = 0x33 };
enum { PTE_USER = 7, PTE_USER_2M = 0x87 };

/* mov $0x5a,%al; out %al,$PORT; hlt: the same bytes in 32-bit and 64-bit code */
static const uint8_t code_out[] = {0xb0, 0x5a, 0xe6, PORT, 0xf4};
/* mov $0x12345678,%eax; mov %eax,NO_SLOT */
static const uint8_t code_store[] = {0xb8, 0x78, 0x56, 0x34, 0x12, 0x89,
                                     0x04, 0x25, 0x00, 0x00, 0x20, 0x00};
/* syscall */
static const uint8_t code_syscall[] = {0x0f, 0x05};
/* mov %cs,%eax; mov %eax,NO_SLOT */
static const uint8_t code_tell_cs[] = {0x8c, 0xc8, 0x89, 0x04, 0x25, 0x00, 0x00, 0x20, 0x00};

struct machine {
    int kvm, vm, vcpu;
    uint8_t *ram;
    struct kvm_run *run;
};

static void must(int rc, const char *what)
{
    if (rc < 0) {
        printf("Bail out! %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static void put64(struct machine *m, uint32_t at, uint64_t v)
{
    memcpy(m->ram + at, &v, sizeof(v));
}

static void machine_open(struct machine *m)
{
    m->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    must(m->kvm, "/dev/kvm");
    m->vm = ioctl(m->kvm, KVM_CREATE_VM, 0);
    must(m->vm, "KVM_CREATE_VM");
    m->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(m->ram == MAP_FAILED ? -1 : 0, "mmap");
    struct kvm_userspace_memory_region slot = {.memory_size = RAM_SIZE,
                                               .userspace_addr = (uintptr_t)m->ram};
    must(ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
    m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
    must(m->vcpu, "KVM_CREATE_VCPU");
    int size = ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    must(size, "KVM_GET_VCPU_MMAP_SIZE");
    m->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
    must(m->run == MAP_FAILED ? -1 : 0, "mmap of the vCPU");

    static union {
        struct kvm_cpuid2 head;
        uint8_t room[sizeof(struct kvm_cpuid2) + 100 * sizeof(struct kvm_cpuid_entry2)];
    } cpuid;
    cpuid.head.nent = 100;
    must(ioctl(m->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
    must(ioctl(m->vcpu, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2");

    put64(m, GDT_AT + 0x10, 0x00af9b000000ffff); /* ring 0 code, data; ring 3 data, code */
    put64(m, GDT_AT + 0x18, 0x00cf93000000ffff);
    put64(m, GDT_AT + 0x28, 0x00cff3000000ffff);
    put64(m, GDT_AT + 0x30, 0x00affb000000ffff);
    put64(m, PML4_AT, PDPT_AT | PTE_USER);
    put64(m, PDPT_AT, PD_AT | PTE_USER);
    put64(m, PD_AT, 0 | PTE_USER_2M);
    put64(m, PD_AT + 8, NO_SLOT | PTE_USER_2M);
}

static struct kvm_segment flat(uint16_t selector, uint8_t type, bool code64)
{
    return (struct kvm_segment){.limit = 0xffffffff,
                                .selector = selector,
                                .type = type,
                                .present = 1,
                                .dpl = selector & 3,
                                .db = !code64,
                                .s = 1,
                                .l = code64,
                                .g = 1};
}

static void start(struct machine *m, const uint8_t *code, size_t size, bool long_mode)
{
    struct kvm_sregs s;
    must(ioctl(m->vcpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
    s.cs = long_mode ? flat(SEL_CODE3, 11, true) : flat(SEL_CODE0, 11, false);
    s.ss = s.ds = s.es = s.fs = s.gs = flat(long_mode ? SEL_DATA3 : SEL_DATA0, 3, false);
    s.gdt.base = GDT_AT;
    s.gdt.limit = 0x37;
    if (long_mode) {
        s.cr3 = PML4_AT;
        s.cr4 = 1 << 5;
        s.cr0 = 0x80050033;
        s.efer = 0x501; /* SCE, LME, LMA */
    } else {
        s.cr0 = 0x11;
    }
    must(ioctl(m->vcpu, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
    struct kvm_regs r = {.rip = CODE_AT, .rsp = STACK_TOP, .rflags = 2};
    must(ioctl(m->vcpu, KVM_SET_REGS, &r), "KVM_SET_REGS");
    memcpy(m->ram + CODE_AT, code, size);
    must(ioctl(m->vcpu, KVM_RUN, 0), "KVM_RUN");
}

static void set_msr(struct machine *m, uint32_t index, uint64_t value)
{
    union {
        struct kvm_msrs head;
        uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
    } msrs = {.head = {.nmsrs = 1}};
    msrs.head.entries[0] = (struct kvm_msr_entry){.index = index, .data = value};
    must(ioctl(m->vcpu, KVM_SET_MSRS, &msrs) == 1 ? 0 : -1, "KVM_SET_MSRS");
}

/* The value stored where no slot is, or all ones when the guest left otherwise. */
static uint64_t stored(const struct machine *m)
{
    const struct kvm_run *r = m->run;
    uint32_t v;
    if (r->exit_reason != KVM_EXIT_MMIO || r->mmio.phys_addr != NO_SLOT || !r->mmio.is_write ||
        r->mmio.len != 4) {
        printf("# exit reason %u\n", r->exit_reason);
        return UINT64_MAX;
    }
    memcpy(&v, r->mmio.data, sizeof(v));
    return v;
}

static int failed;

static void tell(int number, bool good, const char *claim)
{
    printf("%s %d - %s\n", good ? "ok" : "not ok", number, claim);
    failed += !good;
}

int main(void)
{
    struct machine m;
    machine_open(&m);
    printf("1..3\n");

    start(&m, code_out, sizeof(code_out), false);
    const struct kvm_run *r = m.run;
    tell(1,
         r->exit_reason == KVM_EXIT_IO && r->io.port == PORT &&
             ((const uint8_t *)r)[r->io.data_offset] == 0x5a,
         "starts in 32-bit flat mode and leaves by a port");

    start(&m, code_store, sizeof(code_store), true);
    tell(2, stored(&m) == 0x12345678,
         "starts directly in ring 3 and leaves by a store outside the slots");

    set_msr(&m, 0xc0000081, (uint64_t)SEL_CODE0 << 32 | (uint64_t)0x23 << 48);
    set_msr(&m, 0xc0000082, LSTAR_AT);
    memcpy(m.ram + LSTAR_AT, code_tell_cs, sizeof(code_tell_cs));
    start(&m, code_syscall, sizeof(code_syscall), true);
    uint64_t cs = stored(&m);
    if (cs == SEL_CODE3 && !getenv("CASEMATE_SVM")) {
        printf("ok 3 - syscall enters ring 0 # SKIP this KVM jumps to LSTAR and stays in ring 3\n");
    } else {
        tell(3, cs == SEL_CODE0, "syscall enters ring 0");
    }
    return failed != 0;
}
