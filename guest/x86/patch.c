/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls without the instruction. A `syscall` that keeps coming back is replaced, in place, by a two-byte jump to
 * dead bytes between functions within reach; there a five-byte jump leads to a stub of the process, and the stub enters
 * the library OS with the state a real `syscall` leaves:
 *
 *     S:     eb xx                   was 0f 05; S and S+2 stay instruction borders
 *     hole:  e9 rel32                was padding behind a ret or jmp
 *     stub:  lea S+2(%rip), %rcx
 *            jmp *%gs:VPAGE_LOS+16   patched_entry
 *
 * Nothing is pushed on the application's stack, nothing is displaced. rcx is the return address from the stub on, so
 * frames, restarts and children of clone see the addresses they would have seen; a thread interrupted between S and the
 * entry counts as about to enter (arch_entering). The bytes go into private copies of text pages (mm/text.c): the file
 * and other processes keep theirs, fork passes them on, exec starts afresh. What has no hole in reach (hole.c) keeps
 * trapping.
 */
#include "guest/x86/patch.h"

#include "guest/mm/text.h"
#include "guest/task/arch.h"
#include "guest/task/sched.h"
#include "guest/ward.h"
#include "guest/x86/cpu.h"
#include "guest/x86/hole.h"

#define STUB_SIZE     16u
#define STUBS         (PAGE_SIZE / STUB_SIZE)
#define STUB_DISTANCE (1ull << 30)
/*
 * A patch, two new pages and a flush, costs about as much as these: through ring 0, and where
 * `syscall` stays in ring 3. There most short-lived programs patch nothing.
 */
#define TRAPS_BEFORE       4u
#define TRAPS_BEFORE_CHEAP 32u
#define SITES              512u
#define CODE_BEFORE        192u /* what is looked at around a site */
#define CODE_SIZE          384u

static const uint8_t restorer[9] = {0x48, 0xc7, 0xc0, 0x0f, 0,
                                    0,    0,    0x0f, 0x05}; /* mov $15, %rax; syscall */

static bool enabled;
static uint32_t traps_before;

void patch_setup(bool on)
{
    enabled = on;
    traps_before = ward_syscall_stays() ? TRAPS_BEFORE_CHEAP : TRAPS_BEFORE;
}

/* ---- how often a site trapped ----------------------------------------------------------------------------------------- */

struct site {
    uint64_t key;
    uint32_t traps; /* TRAPS_NEVER: it has no hole */
};
#define TRAPS_NEVER UINT32_MAX

static struct site sites[SITES];

/* By process and address space: a space's memory is used again, and an exec starts afresh. */
static struct site *site_of(const struct proc *p, uint64_t va)
{
    uint64_t key = va ^ (uint64_t)p->space << 16 ^ (uint64_t)p->pid << 44;
    struct site *s = &sites[key * 0x9e3779b97f4a7c15ull >> 55];
    if (s->key != key) { *s = (struct site){.key = key}; }
    return s;
}

/* ---- stubs -------------------------------------------------------------------------------------------------------------- */

static bool near(uint64_t a, uint64_t b) { return (a > b ? a - b : b - a) < STUB_DISTANCE; }

/* Room for one more stub near va; its address, 0: none. */
static uint64_t stub_room(struct proc *p, uint64_t va, struct stub_page **out)
{
    for (size_t i = 0; i < ARRAY_COUNT(p->stubs); i++) {
        struct stub_page *s = &p->stubs[i];
        if (s->va == 0) {
            s->va = space_page_below(p->space, va, STUB_DISTANCE);
            s->used = 0;
            if (s->va == 0) { return 0; }
        }
        if (near(s->va, va) && s->used < STUBS) {
            *out = s;
            return s->va + s->used * STUB_SIZE;
        }
    }
    return 0;
}

static void put_rel32(uint8_t *at, uint64_t from_end, uint64_t to)
{
    int32_t rel = (int32_t)(to - from_end);
    memcpy(at, &rel, sizeof rel);
}

static bool write_patch(struct proc *p, uint64_t s_va, uint64_t hole_va)
{
    struct stub_page *page;
    uint64_t stub_va = stub_room(p, s_va, &page);
    if (stub_va == 0) { return false; }

    struct text_edit stub = {
        stub_va, {0x48, 0x8d, 0x0d, 0, 0, 0, 0, 0x65, 0xff, 0x24, 0x25}, STUB_SIZE};
    struct text_edit hole = {hole_va, {0xe9}, HOLE_SIZE};
    struct text_edit site = {s_va, {0xeb, (uint8_t)(hole_va - (s_va + 2))}, 2};
    const uint32_t word = VPAGE_LOS + 8 * WORD_PATCHED;
    put_rel32(stub.bytes + 3, stub_va + 7, s_va + 2);
    memcpy(stub.bytes + 11, &word, sizeof word);
    stub.bytes[15] = 0xcc;
    put_rel32(hole.bytes + 1, hole_va + HOLE_SIZE, stub_va);
    const struct text_edit edits[3] = {stub, hole, site};
    if (space_edit_text(p->space, edits, 3) != 0) { return false; }
    page->used++;
    return true;
}

/* ---- deciding ------------------------------------------------------------------------------------------------------------ */

static bool patch_site(struct proc *p, uint64_t s_va)
{
    uint8_t code[CODE_SIZE];
    uint64_t lo = s_va - CODE_BEFORE;

    if (!space_is_file_text(p->space, s_va) || !space_is_file_text(p->space, lo) ||
        s_va % PAGE_SIZE == PAGE_SIZE - 1) {
        return false;
    }
    size_t size = copy_from_user_part(code, lo, sizeof code), s = CODE_BEFORE;
    if (size < s + 2 || code[s] != 0x0f || code[s + 1] != 0x05) { return false; }
    if (memcmp(code + s + 2 - sizeof restorer, restorer, sizeof restorer) == 0) { return false; }
    size_t hole = patch_find_hole(code, size, s, lo);
    if (hole == 0 || (lo + hole) % PAGE_SIZE + HOLE_SIZE > PAGE_SIZE) { return false; }
    return write_patch(p, s_va, lo + hole);
}

void arch_trapped(struct regs *r)
{
    struct proc *p = current_proc();
    uint64_t s_va = r->rip - 2;

    if (!enabled) { return; }
    struct site *site = site_of(p, s_va);
    if (site->traps == TRAPS_NEVER || ++site->traps < traps_before) { return; }
    (void)patch_site(p, s_va);
    site->traps = TRAPS_NEVER; /* either it never traps again, or it would fail again */
}

bool patch_entering(const struct regs *r)
{
    const struct proc *p = current_proc();
    uint8_t jump[HOLE_SIZE];
    uint64_t to = r->rip;
    int32_t rel;

    if (p->stubs[0].va == 0) { return false; }
    if (copy_from_user_part(jump, r->rip, sizeof jump) == sizeof jump && jump[0] == 0xe9) {
        memcpy(&rel, jump + 1, sizeof rel);
        to = r->rip + HOLE_SIZE + (uint64_t)(int64_t)rel;
    }
    for (size_t i = 0; i < ARRAY_COUNT(p->stubs); i++) {
        if (p->stubs[i].va != 0 && to - p->stubs[i].va < PAGE_SIZE) { return true; }
    }
    return false;
}
