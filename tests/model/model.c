/* SPDX-License-Identifier: Apache-2.0 */
/* See model.h. */
#include "tests/model/model.h"

#include "firmware/abi/ward.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CR4_RUN          0x10620 /* as the 32-bit part leaves them */
#define CR0_RUN          0x80050033
#define EFER_RUN         0xd01
#define MSR_EFER         0xc0000080
#define STUB_STACK_FRAME 40 /* what the processor pushes on a gate */

static const int gprs[] = {UC_X86_REG_RAX, UC_X86_REG_RBX, UC_X86_REG_RCX, UC_X86_REG_RDX,
                           UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_RBP, UC_X86_REG_R8,
                           UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11, UC_X86_REG_R12,
                           UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15};

static uint64_t reg(struct model *m, int id)
{
    uint64_t v = 0;
    cr_assert_eq(uc_reg_read(m->uc, id, &v), UC_ERR_OK);
    return v;
}

static void set_reg(struct model *m, int id, uint64_t v)
{
    cr_assert_eq(uc_reg_write(m->uc, id, &v), UC_ERR_OK);
}

static void stop(struct model *m, enum model_end end, uint32_t code)
{
    if (m->end == MODEL_RUNNING) {
        m->end = end;
        m->code = code;
    }
    (void)uc_emu_stop(m->uc);
}

/* Every instruction while the hook is in: ring 0, and the first one of ring 3. */
static void on_code(uc_engine *uc, uint64_t pc, uint32_t size, void *arg)
{
    struct model *m = arg;
    uint8_t bytes[2] = {0};

    if (m->after_iret) { /* ring 3 now: not counted */
        if (pc == LOS_START) { stop(m, MODEL_LIBRARY_OS, 0); }
        (void)uc_emu_stop(uc);
        return;
    }
    m->last_pc = pc;
    m->ring0_count++;
    if (size == 2 && uc_mem_read(uc, pc, bytes, 2) == UC_ERR_OK && bytes[0] == 0x48 &&
        bytes[1] == 0xcf) {
        m->after_iret = true;
        if (m->ward == NULL && pc >= WARD_TEXT && pc < LOS_HI) {
            cr_assert_eq(uc_context_alloc(uc, &m->ward), UC_ERR_OK);
            cr_assert_eq(uc_context_save(uc, m->ward), UC_ERR_OK);
        }
    }
}

static void on_interrupt(uc_engine *uc, uint32_t vector, void *arg)
{
    struct model *m = arg;
    (void)uc;
    m->code = vector;
    (void)uc_emu_stop(m->uc);
}

static bool on_invalid(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value,
                       void *arg)
{
    (void)uc, (void)type, (void)address, (void)size, (void)value;
    stop(arg, MODEL_FAULT, 14);
    return false;
}

static void on_out(uc_engine *uc, uint32_t port, int size, uint32_t value, void *arg)
{
    (void)uc;
    if (port == PORT_PANIC && size == 4) {
        stop(arg, MODEL_PANIC, value);
    } else if (port == PORT_SIM && size == 4 && ((struct model *)arg)->on_sim) {
        struct model *m = arg;
        m->on_sim(m, m->ram + value);
    } else {
        stop(arg, MODEL_FAULT, 0x1000 + port);
    }
}

static void *pages(size_t len)
{
    void *p =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq(p, MAP_FAILED);
    return p;
}

static size_t load(const char *name, void *to, size_t most)
{
    char path[512];
    const char *build = getenv("CASEMATE_BUILD");

    snprintf(path, sizeof path, "%s/image/%s", build ? build : "build", name);
    FILE *f = fopen(path, "rb");
    if (f == NULL) { cr_skip_test("no %s: make images", path); }
    size_t n = fread(to, 1, most, f);
    fclose(f);
    return n;
}

struct stub_params *model_params(struct model *m) { return (struct stub_params *)m->firmware; }
struct launch_page *model_launch(struct model *m)
{
    return (struct launch_page *)(m->firmware + (STUB_LAUNCH_GPA - FW_GPA));
}
uint8_t *model_core(struct model *m) { return m->window + MODEL_CORE_OFF; }

void model_init(struct model *m)
{
    *m = (struct model){.firmware = pages(FW_SIZE),
                        .ram = pages(MODEL_RAM),
                        .window = pages(MODEL_WINDOW),
                        .apic = pages(PAGE_SIZE)};
    cr_assert_eq(load("stub.bin", m->firmware + (STUB_TABLES_GPA - FW_GPA), STUB_SIZE), STUB_SIZE);
    cr_assert_eq(load("launch.page", model_launch(m), PAGE_SIZE), PAGE_SIZE);
    (void)load("core.img", model_core(m), MODEL_WINDOW - MODEL_CORE_OFF);
    *model_params(m) = (struct stub_params){.ram_size = {MODEL_RAM, 0},
                                            .tables_size = CHUNK_SIZE,
                                            .window_gpa = MODEL_WINDOW_GPA,
                                            .window_size = MODEL_WINDOW,
                                            .core_off = MODEL_CORE_OFF,
                                            .fdt_off = 0x400000,
                                            .fdt_size = 256,
                                            .cpus = 1,
                                            .tee = TEE_SIM};
    /* The far jump of the 32-bit part names the first 64-bit instruction: ea, offset, selector. */
    const uint8_t *code = m->firmware + (STUB_CODE_GPA - FW_GPA);
    for (size_t i = 0; i + 7 < 0x1000 && m->start64 == 0; i++) {
        if (code[i] == 0xea && code[i + 5] == SEL_KCS && code[i + 6] == 0) {
            m->start64 = (uint64_t)code[i + 1] | (uint64_t)code[i + 2] << 8 |
                         (uint64_t)code[i + 3] << 16 | (uint64_t)code[i + 4] << 24;
        }
    }
    cr_assert_neq(m->start64, 0);
}

void model_fini(struct model *m)
{
    if (m->ring0) { (void)uc_context_free(m->ring0); }
    if (m->ward) { (void)uc_context_free(m->ward); }
    if (m->uc) { (void)uc_close(m->uc); }
}

/* The state in which the 32-bit part jumps: long mode on the stub's tables, its descriptor table loaded. */
static void enter_long_mode(struct model *m)
{
    uc_x86_msr efer = {MSR_EFER, EFER_RUN};
    /* lgdt's operand: limit, base; the only 6 bytes in front of the IDT's that begin with the GDT's limit */
    const uint8_t *code = m->firmware + (STUB_CODE_GPA - FW_GPA);
    uc_x86_mmr gdtr = {.limit = 79};
    for (size_t i = 0; i + 10 < 0x1000; i++) {
        if (code[i] == 79 && code[i + 1] == 0 && code[i + 5] == 0xff && code[i + 4] == 0xff) {
            gdtr.base = (uint64_t)code[i + 2] | (uint64_t)code[i + 3] << 8 | 0xffff0000u;
        }
    }
    cr_assert_neq(gdtr.base, 0);
    cr_assert_eq(uc_reg_write(m->uc, UC_X86_REG_MSR, &efer), UC_ERR_OK);
    set_reg(m, UC_X86_REG_CR4, CR4_RUN);
    set_reg(m, UC_X86_REG_CR3, STUB_TABLES_GPA);
    set_reg(m, UC_X86_REG_CR0, CR0_RUN);
    cr_assert_eq(uc_reg_write(m->uc, UC_X86_REG_GDTR, &gdtr), UC_ERR_OK);
}

/* ---- address translation ---------------------------------------------------------------------------------------------------- */

/*
 * This version of the model looks up memory by virtual address. So what the guest's own page tables say is mapped for it, page by
 * page, by the walk below: it is the MMU.
 */
static uint8_t *host_of(struct model *m, uint64_t gpa)
{
    if (gpa < MODEL_RAM) { return m->ram + gpa; }
    if (gpa >= MODEL_WINDOW_GPA && gpa - MODEL_WINDOW_GPA < MODEL_WINDOW) {
        return m->window + (gpa - MODEL_WINDOW_GPA);
    }
    if (gpa >= FW_GPA && gpa < HOLE_HI) { return m->firmware + (gpa - FW_GPA); }
    return gpa == APIC_GPA ? m->apic : NULL;
}

/* Host address of the page at va, NULL when the tables below root do not map it with these rights all the way. */
static uint8_t *walk_with(struct model *m, uint64_t root, uint64_t va, uint64_t rights)
{
    uint64_t table = root;
    for (int level = 4; level >= 1; level--) {
        uint64_t e;
        uint8_t *t = host_of(m, table);
        if (t == NULL) { return NULL; }
        memcpy(&e, t + 8 * (va >> (12 + 9 * (level - 1)) & 511), sizeof e);
        if ((e & PTE_P) == 0 || (e & rights) != rights) { return NULL; }
        if (level == 1) { return host_of(m, e & PTE_FRAME); }
        if (level == 2 && (e & PTE_PS) != 0) {
            return host_of(m, (e & PTE_FRAME) + (va & (CHUNK_SIZE - 1) & ~(PAGE_SIZE - 1)));
        }
        table = e & PTE_FRAME;
    }
    return NULL;
}

static uint8_t *walk(struct model *m, uint64_t root, uint64_t va)
{
    return walk_with(m, root, va, 0);
}

uint8_t *model_ring3_page(struct model *m, uint64_t va, bool writable)
{
    return walk_with(m, TABLES_GPA, va, PTE_U | (writable ? PTE_W : 0));
}

/* In as few pieces as possible: each costs the model a rebuild of its map. */
static void map_as_tables_say(struct model *m, uint64_t root, uint64_t va, uint64_t len)
{
    for (uint64_t off = 0, next; off < len; off = next) {
        uint8_t *host = walk(m, root, va + off);
        for (next = off + PAGE_SIZE;
             host != NULL && next < len && walk(m, root, va + next) == host + (next - off);) {
            next += PAGE_SIZE;
        }
        if (host) { (void)uc_mem_map_ptr(m->uc, va + off, next - off, UC_PROT_ALL, host); }
    }
}

/* The model has no NX: it would take the bit for a reserved one. */
static void drop_nx(struct model *m)
{
    uint64_t *entry = (uint64_t *)(void *)(m->ram + TABLES_GPA);
    for (size_t i = 0; i < CORE_TABLES * 512; i++) { entry[i] &= ~PTE_NX; }
}

static void machine_make(struct model *m)
{
    uc_hook h;
    cr_assert_eq(uc_open(UC_ARCH_X86, UC_MODE_64, &m->uc), UC_ERR_OK);
    cr_assert_eq(uc_mem_map_ptr(m->uc, 0, MODEL_RAM, UC_PROT_ALL, m->ram), UC_ERR_OK);
    cr_assert_eq(uc_mem_map_ptr(m->uc, FW_GPA, FW_SIZE, UC_PROT_ALL, m->firmware), UC_ERR_OK);
    cr_assert_eq(uc_mem_map_ptr(m->uc, MODEL_WINDOW_GPA, MODEL_WINDOW, UC_PROT_ALL, m->window),
                 UC_ERR_OK);
    cr_assert_eq(uc_mem_map_ptr(m->uc, APIC_GPA, PAGE_SIZE, UC_PROT_ALL, m->apic), UC_ERR_OK);
    enter_long_mode(m);
    cr_assert_eq(uc_context_alloc(m->uc, &m->ring0), UC_ERR_OK);
    cr_assert_eq(uc_context_save(m->uc, m->ring0), UC_ERR_OK);
    (void)uc_hook_add(m->uc, &h, UC_HOOK_INTR, (void *)on_interrupt, m, 1, 0);
    (void)uc_hook_add(m->uc, &h, UC_HOOK_MEM_INVALID, (void *)on_invalid, m, 1, 0);
    (void)uc_hook_add(m->uc, &h, UC_HOOK_INSN, (void *)on_out, m, 1, 0, UC_X86_INS_OUT);
}

/*
 * Exception `vector` at ring 3: what the processor does with the interrupt descriptor table that is loaded. All memory of the
 * slot is mapped where it lies, so its tables are read from there.
 */
static uint64_t take_gate(struct model *m, uint32_t vector)
{
    uc_x86_mmr idtr, tr;
    uint64_t v[ARRAY_COUNT(gprs)], frame[5], rip = reg(m, UC_X86_REG_RIP);

    cr_assert_eq(uc_reg_read(m->uc, UC_X86_REG_IDTR, &idtr), UC_ERR_OK);
    cr_assert_eq(uc_reg_read(m->uc, UC_X86_REG_TR, &tr), UC_ERR_OK);
    const uint8_t *gate = m->firmware + (idtr.base + vector * 16 - FW_GPA);
    uint64_t handler = (uint64_t)gate[0] | (uint64_t)gate[1] << 8 | (uint64_t)gate[6] << 16 |
                       (uint64_t)gate[7] << 24;
    uint64_t rsp0;
    memcpy(&rsp0, m->firmware + (tr.base + 4 - FW_GPA), sizeof rsp0);
    for (size_t i = 0; i < ARRAY_COUNT(gprs); i++) { v[i] = reg(m, gprs[i]); }
    frame[0] = rip;
    frame[1] = SEL_UCS;
    frame[2] = reg(m, UC_X86_REG_RFLAGS);
    frame[3] = reg(m, UC_X86_REG_RSP);
    frame[4] = SEL_UDS;

    cr_assert_eq(uc_context_restore(m->uc, m->ring0), UC_ERR_OK);
    for (size_t i = 0; i < ARRAY_COUNT(gprs); i++) { set_reg(m, gprs[i], v[i]); }
    rsp0 -= sizeof frame;
    memcpy(m->firmware + (rsp0 - FW_GPA), frame, sizeof frame);
    set_reg(m, UC_X86_REG_RSP, rsp0);
    return handler;
}

static void run_ring0(struct model *m, uint64_t pc)
{
    uc_hook code;
    m->after_iret = false;
    (void)uc_hook_add(m->uc, &code, UC_HOOK_CODE, (void *)on_code, m, 1, 0);
    uc_err r = uc_emu_start(m->uc, pc, 0, 0, 0);
    (void)uc_hook_del(m->uc, code);
    if (r != UC_ERR_OK && m->end == MODEL_RUNNING) { stop(m, MODEL_FAULT, 0x2000 + r); }
}

void model_run(struct model *m)
{
    machine_make(m);
    uint64_t pc = m->start64;
    for (unsigned rounds = 0; m->end == MODEL_RUNNING && rounds < 4; rounds++) {
        run_ring0(m, pc);
        if (m->end != MODEL_RUNNING) { break; }
        if (!m->after_iret) { /* stopped in ring 0 by an exception */
            stop(m, MODEL_FAULT, m->code);
            break;
        }
        map_as_tables_say(m, STUB_TABLES_GPA, STUB_WINDOW_VA, STUB_WINDOW_MAX);
        if (m->on_ring3) { m->on_ring3(m); }
        uc_err r = uc_emu_start(m->uc, reg(m, UC_X86_REG_RIP), 0, 0, 0);
        if (m->end != MODEL_RUNNING) { break; }
        if (r != UC_ERR_OK) {
            stop(m, MODEL_FAULT, 0x3000 + r);
            break;
        }
        pc = take_gate(m, m->code);
        drop_nx(m);
        map_as_tables_say(m, TABLES_GPA, WARD_TEXT, CHUNK_SIZE);
        map_as_tables_say(m, TABLES_GPA, WARD_CPU, CPU_STRIDE);
        map_as_tables_say(m, TABLES_GPA, WARD_APIC, PAGE_SIZE);
        map_as_tables_say(m, TABLES_GPA, WARD_TABLES, CHUNK_SIZE);
        map_as_tables_say(m, TABLES_GPA, LOS_TEXT, PAGE_SIZE);
    }
}

/* ---- the ward ------------------------------------------------------------------------------------------------------- */

struct vpage *model_vpage(struct model *m) { return (struct vpage *)walk(m, TABLES_GPA, WARD_CPU); }

/* Bytes that supervisor code sees at va; they do not cross a page. */
static uint8_t *ward_bytes(struct model *m, uint64_t va)
{
    uint8_t *page = walk(m, TABLES_GPA, va);
    cr_assert(page, "0x%lx is not mapped", va);
    return page + (va & (PAGE_SIZE - 1));
}

/* [SDM vol. 3, 6.14] an interrupt gate, taken from ring 3: stack switch, frame, IF TF NT RF cleared; DF and AC stay. */
void model_vector(struct model *m, uint32_t vector, struct model_ring3 *r)
{
    const int ids[] = {UC_X86_REG_RAX, UC_X86_REG_RBX, UC_X86_REG_RCX,   UC_X86_REG_RDX,
                       UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_R8,    UC_X86_REG_R10,
                       UC_X86_REG_RIP, UC_X86_REG_RSP, UC_X86_REG_RFLAGS};
    uint64_t *v[] = {&r->rax, &r->rbx, &r->rcx, &r->rdx, &r->rsi,   &r->rdi,
                     &r->r8,  &r->r10, &r->rip, &r->rsp, &r->rflags};
    uc_x86_mmr idtr, tr;
    uint64_t rsp;

    cr_assert_neq(m->ward, NULL);
    cr_assert_eq(uc_context_restore(m->uc, m->ward), UC_ERR_OK);
    cr_assert_eq(uc_reg_read(m->uc, UC_X86_REG_IDTR, &idtr), UC_ERR_OK);
    cr_assert_eq(uc_reg_read(m->uc, UC_X86_REG_TR, &tr), UC_ERR_OK);
    const uint8_t *gate = ward_bytes(m, idtr.base + vector * 16);
    uint64_t handler = (uint64_t)gate[0] | (uint64_t)gate[1] << 8 | (uint64_t)gate[6] << 16 |
                       (uint64_t)gate[7] << 24 | (uint64_t)gate[8] << 32 | (uint64_t)gate[9] << 40;
    unsigned ist = gate[4] & 7;
    memcpy(&rsp, ward_bytes(m, tr.base + (ist != 0 ? 28 + 8 * ist : 4)), sizeof rsp);
    const uint64_t frame[5] = {r->rip, SEL_UCS, r->rflags, r->rsp, SEL_UDS};
    rsp = (rsp & ~15ull) - sizeof frame;
    memcpy(ward_bytes(m, rsp), frame, sizeof frame);
    for (size_t i = 0; i < 8; i++) { set_reg(m, ids[i], *v[i]); }
    set_reg(m, UC_X86_REG_RSP, rsp);
    set_reg(m, UC_X86_REG_RFLAGS, r->rflags & ~0x14300ull);
    m->end = MODEL_RUNNING;
    run_ring0(m, handler);
    for (size_t i = 0; i < ARRAY_COUNT(ids); i++) { *v[i] = reg(m, ids[i]); }
    if (m->end == MODEL_RUNNING && !m->after_iret) { stop(m, MODEL_FAULT, m->code); }
}

int64_t model_call(struct model *m, uint64_t rflags, uint64_t nr, uint64_t a0, uint64_t a1,
                   uint64_t a2, uint64_t a3)
{
    struct model_ring3 r = {.rax = nr,
                            .rdi = a0,
                            .rsi = a1,
                            .rdx = a2,
                            .r10 = a3,
                            .rip = LOS_GATE_INT3_RET,
                            .rsp = 0x7fff00000000,
                            .rflags = rflags | 0x202};
    model_vector(m, 3, &r);
    cr_assert_eq(m->end, MODEL_RUNNING, "call %lu: end %d code 0x%x at 0x%lx", nr, m->end, m->code,
                 m->last_pc);
    cr_assert_eq(r.rip, LOS_GATE_INT3_RET);
    return (int64_t)r.rax;
}
