/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dead bytes near a `syscall`: padding between functions, behind an instruction that never goes on, made of canonical
 * fillers only, up to a 16-byte border. Behind the call every instruction is decoded one by one from S+2 on, so what is
 * found is certain as far as code holds no data. Before the call nobody knows where instructions begin; there a hole
 * counts when instructions lead from its end to S exactly and others to its beginning.
 */
#include "guest/x86/hole.h"

#include "guest/x86/insn.h"

#define REACH_LO   128u /* a short jump at S goes to S+2-128 .. S+2+127 */
#define REACH_HI   127u
#define HOLE_ALIGN 16u

/* Bytes of fillers from `at` to the next 16-byte border of va + at, 0 when something else stands there. */
static size_t fillers(const uint8_t *code, size_t size, size_t at, uint64_t va)
{
    size_t end = at + (HOLE_ALIGN - (va + at) % HOLE_ALIGN) % HOLE_ALIGN, p = at;
    while (p < end) {
        size_t len = p < size ? insn_length(code + p, size - p) : 0;
        if (len == 0 || !insn_is_filler(code + p, len)) { return 0; }
        p += len;
    }
    return p == end ? end - at : 0;
}

/*
 * Does nothing fall through from the instruction at `at`? A short jump counts only when it is not one of ours: a rewritten
 * call site jumps to e9, and what stands behind it is where the call returns.
 */
static bool goes_away(const uint8_t *code, size_t size, size_t at, size_t len)
{
    if (!insn_ends_flow(code + at, len)) { return false; }
    if (code[at] != 0xeb) { return true; }
    size_t target = at + 2 + (size_t)(int8_t)code[at + 1];
    return target < size && code[target] != 0xe9;
}

/* Behind the call: every instruction from S+2 on is known. */
static size_t hole_after(const uint8_t *code, size_t size, size_t s, uint64_t va)
{
    bool dead = false;
    for (size_t at = s + 2; at < size && at <= s + 2 + REACH_HI;) {
        if (dead && fillers(code, size, at, va) >= HOLE_SIZE) { return at; }
        size_t len = insn_length(code + at, size - at);
        if (len == 0 || len > size - at) { return 0; }
        dead = goes_away(code, size, at, len);
        at += len;
    }
    return 0;
}

static bool leads_to(const uint8_t *code, size_t from, size_t to)
{
    while (from < to) {
        size_t len = insn_length(code + from, to - from);
        if (len == 0) { return false; }
        from += len;
    }
    return from == to;
}

/* A flow-ending instruction that ends at `at`: ret, jmp rel32, jmp reg, ud2, hlt, reached from some start before it. */
static bool dead_before(const uint8_t *code, size_t size, size_t at)
{
    for (size_t len = 1; len <= 6 && len <= at; len++) {
        if (insn_length(code + at - len, len) != len || !goes_away(code, size, at - len, len)) {
            continue;
        }
        /* ... and code from somewhat earlier meets its border */
        for (size_t back = 24; back >= 16 && back > len; back--) {
            if (at >= back && leads_to(code, at - back, at - len)) { return true; }
        }
    }
    return false;
}

/* Before the call: from the border behind the hole, instructions lead to S exactly. */
static size_t hole_before(const uint8_t *code, size_t s, uint64_t va)
{
    size_t first = s + 2 > REACH_LO ? s + 2 - REACH_LO : 0; /* reachable */
    for (size_t end = s - (va + s) % HOLE_ALIGN; end <= s && end >= first + HOLE_SIZE;
         end -= HOLE_ALIGN) {
        if (!leads_to(code, end, s)) { continue; }
        size_t lo = end > first + HOLE_ALIGN ? end - HOLE_ALIGN : first;
        for (size_t at = lo; at + HOLE_SIZE <= end; at++) {
            if (fillers(code, s, at, va) >= HOLE_SIZE && dead_before(code, s, at)) { return at; }
        }
    }
    return 0;
}

size_t patch_find_hole(const uint8_t *code, size_t size, size_t s, uint64_t va)
{
    size_t hole = hole_after(code, size, s, va);
    return hole != 0 ? hole : hole_before(code, s, va);
}
