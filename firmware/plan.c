/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launch plan. The boot vCPU starts in 32-bit protected mode at 4 GiB - 16 with every register set by us; RDX is 0, so
 * that the digest does not depend on the processor model. [APM2 table B-4] VMSA layout.
 */
#include "firmware/plan.h"

#include "guest/base/sha2.h"

#include <errno.h>
#include <string.h>

/* VMSA offsets */
#define VMSA_ES       0x000
#define VMSA_CS       0x010
#define VMSA_SS       0x020
#define VMSA_DS       0x030
#define VMSA_FS       0x040
#define VMSA_GS       0x050
#define VMSA_GDTR     0x060
#define VMSA_LDTR     0x070
#define VMSA_IDTR     0x080
#define VMSA_TR       0x090
#define VMSA_EFER     0x0d0
#define VMSA_CR4      0x148
#define VMSA_CR0      0x158
#define VMSA_DR7      0x160
#define VMSA_DR6      0x168
#define VMSA_RFLAGS   0x170
#define VMSA_RIP      0x178
#define VMSA_G_PAT    0x268
#define VMSA_FEATURES 0x3b0
#define VMSA_XCR0     0x3e8
#define VMSA_MXCSR    0x408
#define VMSA_FCW      0x410

static void put(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++) { p[i] = (uint8_t)(v >> (8 * i)); }
}

static void segment(uint8_t *p, uint16_t selector, uint16_t attributes, uint32_t limit)
{
    put(p, selector, 2);
    put(p + 2, attributes, 2);
    put(p + 4, limit, 4);
}

static void make_vmsa(uint8_t v[PAGE_SIZE])
{
    static const uint16_t data[] = {VMSA_ES, VMSA_SS, VMSA_DS, VMSA_FS, VMSA_GS};

    memset(v, 0, PAGE_SIZE);
    for (size_t i = 0; i < ARRAY_COUNT(data); i++) {
        segment(v + data[i], SEL_KDS, 0xc93, 0xffffffff);
    }
    segment(v + VMSA_CS, SEL_KCS, 0xc9b, 0xffffffff);
    segment(v + VMSA_GDTR, 0, 0, 0xffff);
    segment(v + VMSA_IDTR, 0, 0, 0xffff);
    segment(v + VMSA_LDTR, 0, 0x82, 0xffff);
    segment(v + VMSA_TR, 0, 0x8b, 0xffff);
    put(v + VMSA_EFER, 0x1000, 8); /* SVME, which KVM adds */
    put(v + VMSA_CR4, 0x40, 8);    /* MCE, which KVM adds  */
    put(v + VMSA_CR0, 0x11, 8);    /* ET PE                */
    put(v + VMSA_DR7, 0x400, 8);
    put(v + VMSA_DR6, 0xffff0ff0, 8);
    put(v + VMSA_RFLAGS, 2, 8);
    put(v + VMSA_RIP, HOLE_HI - 16, 8);
    put(v + VMSA_G_PAT, 0x0007040600070406, 8);
    put(v + VMSA_FEATURES, 1, 8); /* SNPActive and nothing else */
    put(v + VMSA_XCR0, 1, 8);
    put(v + VMSA_MXCSR, 0x1f80, 4);
    put(v + VMSA_FCW, 0x37f, 2);
}

static void add(struct plan *p, enum plan_kind kind, uint64_t gpa, const uint8_t *bytes)
{
    p->page[p->count++] = (struct plan_page){.kind = kind, .gpa = gpa, .bytes = bytes};
}

int plan_make(struct plan *out, const void *stub, size_t stub_len, const void *launch,
              size_t launch_len, uint32_t flags, struct err *e)
{
    _Static_assert(1 + STUB_SIZE / PAGE_SIZE + 1 <= PLAN_PAGES_MAX, "plan pages");

    if (stub_len != STUB_SIZE) {
        return err_set(e, EINVAL, "stub: %zu bytes, wanted %u", stub_len, (unsigned)STUB_SIZE);
    }
    if (launch_len != sizeof out->launch) {
        return err_set(e, EBADMSG, "launch page: %zu bytes, wanted %zu", launch_len,
                       sizeof out->launch);
    }
    out->count = 0;
    memcpy(&out->launch, launch, sizeof out->launch);
    if (out->launch.magic != LAUNCH_MAGIC || out->launch.version != LAUNCH_VERSION) {
        return err_set(e, EBADMSG, "launch page: not one of version %d", LAUNCH_VERSION);
    }
    out->launch.flags = flags;
    make_vmsa(out->vmsa);

    add(out, PLAN_NORMAL, STUB_LAUNCH_GPA, (const uint8_t *)&out->launch);
    for (uint64_t off = 0; off < STUB_SIZE; off += PAGE_SIZE) {
        add(out, PLAN_NORMAL, STUB_TABLES_GPA + off, (const uint8_t *)stub + off);
    }
    add(out, PLAN_VMSA, 0, out->vmsa);
    return 0;
}

static void describe(struct launch_part *out, const void *p, size_t len)
{
    struct sha256_ctx c;

    out->size = len;
    sha256_init(&c);
    sha256_update(&c, p, len);
    sha256_final(&c, out->sha256);
}

void plan_launch_page(struct launch_page *out, const void *core, size_t core_len, const void *agent,
                      size_t agent_len)
{
    memset(out, 0, sizeof *out);
    out->magic = LAUNCH_MAGIC;
    out->version = LAUNCH_VERSION;
    describe(&out->core, core, core_len);
    describe(&out->agent, agent, agent_len);
}
