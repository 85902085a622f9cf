/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stub and the ward's start, as measured, on a processor model: an honest host's guest reaches the library OS, a lying
 * host's guest stops with the right code, and ring 0 stays within its budget.
 */
#include "tests/model/model.h"

#include <criterion/criterion.h>
#include <string.h>

static struct model m;

static void setup(void) { model_init(&m); }
static void teardown(void) { model_fini(&m); }

static void expect_panic(uint32_t code, const char *what)
{
    model_run(&m);
    cr_expect_eq(m.end, MODEL_PANIC, "%s: end %d code %u at 0x%lx", what, m.end, m.code, m.last_pc);
    cr_expect_eq(m.code, code, "%s: panic %u, wanted %u", what, m.code, code);
    model_fini(&m);
    model_init(&m);
}

TestSuite(stub, .init = setup, .fini = teardown, .timeout = 120);

Test(stub, an_honest_host_reaches_the_library_os_within_the_budget)
{
    model_run(&m);
    cr_assert_eq(m.end, MODEL_LIBRARY_OS, "end %d code %u at 0x%lx", m.end, m.code, m.last_pc);
    uint64_t total = m.ring0_count + MODEL_ENTRY_32BIT;
    fprintf(stderr, "ring-0 instructions, reset to library OS, sim: %lu\n", total);
    cr_expect_leq(total, 500, "%lu ring-0 instructions", total);
}

Test(stub, leaves_behind_what_a_placer_owes)
{
    model_run(&m);
    cr_assert_eq(m.end, MODEL_LIBRARY_OS);
    const struct core_header *h = (const struct core_header *)model_core(&m);
    const struct handoff *o = (const struct handoff *)(m.ram + h->handoff_gpa);
    cr_expect_eq(o->magic, HANDOFF_MAGIC);
    cr_expect_eq(o->tee, TEE_SIM);
    cr_expect_eq(o->ram[0].size, MODEL_RAM);
    cr_expect_eq(o->window_gpa, MODEL_WINDOW_GPA);
    cr_expect_eq(o->heap_size, h->zero_gpa);
    cr_expect_eq(memcmp(o->agent_sha256, model_launch(&m)->agent.sha256, 32), 0);
    uint64_t vpage;
    memcpy(&vpage, m.ram + h->cpu_gpa, 8);
    cr_expect_eq(vpage, LOS_CPU);
}

Test(stub, any_changed_byte_of_the_image_is_a_panic)
{
    static const size_t places[] = {0, 8, 4096, 100000, 1000000};
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        model_core(&m)[places[i]] ^= 1;
        expect_panic(PANIC_STUB_IMAGE_HASH, "byte changed");
    }
    size_t last = (size_t)model_launch(&m)->core.size - 1;
    model_core(&m)[last] ^= 0x80;
    expect_panic(PANIC_STUB_IMAGE_HASH, "last byte changed");
}

/* The host rewrites its window while ring 3 works on its private copy. */
static void scribble(struct model *model)
{
    static unsigned calls;
    if (calls++ == 1) { memset(model_core(model), 0xcc, 4096); }
}

Test(stub, what_the_host_does_to_the_window_afterwards_changes_nothing)
{
    m.on_ring3 = scribble;
    model_run(&m);
    cr_expect_eq(m.end, MODEL_LIBRARY_OS);
}

Test(stub, impossible_memory_maps_are_a_panic)
{
    struct stub_params good = *model_params(&m);
#define REFUSES(change)                                                                            \
    do {                                                                                           \
        struct stub_params *p = model_params(&m);                                                  \
        *p = good;                                                                                 \
        change;                                                                                    \
        expect_panic(PANIC_STUB_PARAMETERS, #change);                                              \
    } while (0)
    REFUSES(p->ram_size[0] = 0);
    REFUSES(p->ram_size[0] = HOLE_LO + CHUNK_SIZE);
    REFUSES(p->ram_size[0] += 1);
    REFUSES(p->ram_size[1] = UINT64_MAX);
    REFUSES(p->ram_size[1] = CHUNK_SIZE); /* reaches the window */
    REFUSES(p->tables_size = 0);
    REFUSES(p->tables_size = MODEL_RAM);
    REFUSES(p->tables_size = UINT64_MAX - 4095);
    REFUSES(p->window_gpa = 0x40000000); /* inside RAM's range */
    REFUSES(p->window_gpa += 0x1000);
    REFUSES(p->window_size = 4096);
    REFUSES(p->window_size = UINT64_MAX);
    REFUSES(p->core_off = 1);
    REFUSES(p->fdt_off = MODEL_WINDOW);
    REFUSES(p->fdt_size = UINT64_MAX);
    REFUSES(p->cpus = 0);
    REFUSES(p->cpus = CPU_MAX + 1);
    REFUSES(p->tee = TEE_NONE);
    REFUSES(p->tee = TEE_SNP);
#undef REFUSES
}

Test(stub, an_image_that_does_not_fit_is_a_panic)
{
    model_params(&m)->core_off = STUB_WINDOW_MAX - PAGE_SIZE;
    expect_panic(PANIC_STUB_IMAGE_SIZE, "runs out of the window");
    model_launch(&m)->core.size = 0;
    expect_panic(PANIC_STUB_IMAGE_SIZE, "empty");
    model_launch(&m)->core.size += 1;
    expect_panic(PANIC_STUB_IMAGE_SIZE, "no whole pages");
    model_launch(&m)->core.size = UINT64_MAX & ~4095ull;
    expect_panic(PANIC_STUB_IMAGE_SIZE, "huge");
}

Test(stub, a_launch_page_of_another_kind_is_a_panic)
{
    model_launch(&m)->magic ^= 1;
    expect_panic(PANIC_STUB_LAUNCH_PAGE, "magic");
    model_launch(&m)->version++;
    expect_panic(PANIC_STUB_LAUNCH_PAGE, "version");
    model_launch(&m)->flags = 2;
    expect_panic(PANIC_STUB_LAUNCH_PAGE, "unknown flag");
}
