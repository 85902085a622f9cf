/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of an instruction: prefixes, opcode in one of the maps, ModRM with its address, immediate. Lengths only.
 * Whatever is invalid in 64-bit mode, or so rare in compiled code that it is not worth a table entry, is "unknown".
 * [SDM vol. 2, chapter 2 and appendix A]
 */
#include "guest/x86/insn.h"

#define INSN_MAX 15u

struct insn {
    const uint8_t *p;
    size_t at, left; /* next byte; bytes readable */
    bool opsize;     /* 66 */
    bool rex_w;
    bool bad;
};

static uint8_t next(struct insn *i)
{
    if (i->at >= i->left || i->at >= INSN_MAX) {
        i->bad = true;
        return 0;
    }
    return i->p[i->at++];
}

static void skip(struct insn *i, size_t n)
{
    for (; n > 0; n--) { (void)next(i); }
}

/* ModRM, SIB and displacement; the reg field. */
static unsigned modrm(struct insn *i)
{
    uint8_t m = next(i);
    unsigned mod = m >> 6, rm = m & 7;
    if (mod != 3) {
        unsigned base = rm;
        if (rm == 4) { base = next(i) & 7; }
        if (mod == 1) {
            skip(i, 1);
        } else if (mod == 2 || base == 5) {
            skip(i, 4); /* mod 0, base 5: rip-relative or no base */
        }
    }
    return m >> 3 & 7;
}

static size_t imm_z(const struct insn *i) { return i->opsize ? 2 : 4; }

static void map_0f(struct insn *i, uint8_t op, bool vex)
{
    if (!vex &&
        (op == 0x05 || op == 0x0b || op == 0xa2 || (op >= 0xc8 && op <= 0xcf) || op == 0x31)) {
        return;
    }
    if (op == 0x77) { return; }
    if (!vex && op >= 0x80 && op <= 0x8f) {
        skip(i, 4);
        return;
    }
    if (!vex && (op == 0x04 || (op >= 0x06 && op <= 0x0c) || op == 0x0e || op == 0x0f ||
                 (op >= 0x30 && op <= 0x3f) || op == 0xa0 || op == 0xa1 || op == 0xa8 ||
                 op == 0xa9 || op == 0xaa || op == 0xff)) {
        i->bad = true; /* privileged, obsolete, or not worth knowing */
        return;
    }
    (void)modrm(i);
    if ((op >= 0x70 && op <= 0x73) || op == 0xa4 || op == 0xac || op == 0xba || op == 0xc2 ||
        (op >= 0xc4 && op <= 0xc6)) {
        skip(i, 1);
    }
}

/* VEX and EVEX: `map` from the prefix, then opcode, ModRM and sometimes an immediate. */
static void vector(struct insn *i, unsigned map)
{
    uint8_t op = next(i);
    switch (map) {
    case 1: map_0f(i, op, true); return;
    case 2: (void)modrm(i); return;
    case 3:
        (void)modrm(i);
        skip(i, 1);
        return;
    default: i->bad = true;
    }
}

static void map_one(struct insn *i, uint8_t op)
{
    if (op < 0x40) { /* the eight arithmetic groups */
        unsigned form = op & 7;
        if (form < 4) {
            (void)modrm(i);
        } else if (form == 4) {
            skip(i, 1);
        } else if (form == 5) {
            skip(i, imm_z(i));
        } else {
            i->bad = true; /* segment pushes are gone; 0f, 26 … were taken before */
        }
        return;
    }
    if (op >= 0x50 && op <= 0x5f) { return; }
    if (op >= 0x70 && op <= 0x7f) {
        skip(i, 1);
        return;
    }
    if (op >= 0x84 && op <= 0x8f && op != 0x8c && op != 0x8e) {
        (void)modrm(i);
        return;
    }
    if ((op >= 0x90 && op <= 0x99) || (op >= 0xa4 && op <= 0xa7) || (op >= 0xaa && op <= 0xaf)) {
        return;
    }
    if (op >= 0xb0 && op <= 0xb7) {
        skip(i, 1);
        return;
    }
    if (op >= 0xb8 && op <= 0xbf) {
        skip(i, i->rex_w ? 8 : imm_z(i));
        return;
    }
    if ((op >= 0xd0 && op <= 0xd3) || (op >= 0xd8 && op <= 0xdf)) {
        (void)modrm(i);
        return;
    }
    switch (op) {
    case 0x63: (void)modrm(i); return;
    case 0x68: skip(i, imm_z(i)); return;
    case 0x69:
    case 0x81:
    case 0xc7:
        (void)modrm(i);
        skip(i, imm_z(i));
        return;
    case 0x6a:
    case 0xa8: skip(i, 1); return;
    case 0x6b:
    case 0x80:
    case 0x83:
    case 0xc0:
    case 0xc1:
    case 0xc6:
        (void)modrm(i);
        skip(i, 1);
        return;
    case 0xa9: skip(i, imm_z(i)); return;
    case 0x9b:
    case 0x9c:
    case 0x9d:
    case 0xc3:
    case 0xc9:
    case 0xcc:
    case 0xf4:
    case 0xf5:
    case 0xf8:
    case 0xf9:
    case 0xfc:
    case 0xfd: return;
    case 0xc2: skip(i, 2); return;
    case 0xe8:
    case 0xe9:
        if (i->opsize) { i->bad = true; } /* processors disagree about its length */
        skip(i, 4);
        return;
    case 0xe0:
    case 0xe1:
    case 0xe2:
    case 0xe3:
    case 0xeb: skip(i, 1); return;
    case 0xf6:
        if (modrm(i) < 2) { skip(i, 1); }
        return;
    case 0xf7:
        if (modrm(i) < 2) { skip(i, imm_z(i)); }
        return;
    case 0xfe:
    case 0xff: (void)modrm(i); return;
    default: i->bad = true;
    }
}

static bool is_prefix(uint8_t b)
{
    return b == 0x66 || b == 0xf2 || b == 0xf3 || b == 0xf0 || b == 0x2e || b == 0x3e ||
           b == 0x64 || b == 0x65;
}

size_t insn_length(const uint8_t *p, size_t left)
{
    struct insn i = {.p = p, .left = left};
    uint8_t op = next(&i);

    while (is_prefix(op) && !i.bad) {
        i.opsize = i.opsize || op == 0x66;
        op = next(&i);
    }
    if (op >= 0x40 && op <= 0x4f) {
        i.rex_w = (op & 8) != 0;
        if (i.rex_w) { i.opsize = false; }
        op = next(&i);
    }
    if (op == 0xc5) {
        skip(&i, 1);
        vector(&i, 1);
    } else if (op == 0xc4) {
        unsigned map = next(&i) & 31;
        skip(&i, 1);
        vector(&i, map);
    } else if (op == 0x62) {
        unsigned map = next(&i) & 7;
        skip(&i, 2);
        vector(&i, map);
    } else if (op == 0x0f) {
        op = next(&i);
        if (op == 0x38) {
            skip(&i, 1);
            (void)modrm(&i);
        } else if (op == 0x3a) {
            skip(&i, 1);
            (void)modrm(&i);
            skip(&i, 1);
        } else {
            map_0f(&i, op, false);
        }
    } else {
        map_one(&i, op);
    }
    return i.bad ? 0 : i.at;
}

bool insn_ends_flow(const uint8_t *p, size_t len)
{
    size_t at = 0;
    while (at < len &&
           (p[at] == 0xf2 || p[at] == 0xf3 || p[at] == 0x3e || (p[at] >= 0x40 && p[at] <= 0x4f))) {
        at++;
    }
    if (at >= len) { return false; }
    switch (p[at]) {
    case 0xc2:
    case 0xc3:
    case 0xcc:
    case 0xe9:
    case 0xeb:
    case 0xf4: return true;
    case 0x0f: return at + 1 < len && p[at + 1] == 0x0b;
    case 0xff: return at + 1 < len && (p[at + 1] >> 3 & 7) == 4;
    default: return false;
    }
}

bool insn_is_filler(const uint8_t *p, size_t len)
{
    size_t at = 0;
    if (len == 1 && (p[0] == 0x90 || p[0] == 0xcc)) { return true; }
    while (at < len && (p[at] == 0x66 || p[at] == 0x2e)) { at++; }
    if (at + 1 == len && p[at] == 0x90) { return true; }
    return at + 2 < len && p[at] == 0x0f && p[at + 1] == 0x1f && (p[at + 2] >> 3 & 7) == 0;
}
