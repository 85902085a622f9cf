/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mkimage WARD.elf LOS.elf INIT|- OUT: builds the core image at build time (host tool, not part of the product).
 *
 * Everything that can be computed before boot is computed here: where each page lies, all page tables of the library OS
 * and the ward, descriptor tables, the constant frames of upcalls. So ring 0 builds nothing. The output depends on the inputs alone.
 *
 * Image, ascending guest-physical addresses, ending at CORE_END:
 *   header | library OS text, rodata, data | init | ward | per vCPU: vframe, private page | build-time tables
 */
#include "firmware/abi/image.h"
#include "firmware/abi/ward.h"
#include "firmware/ward/private.h"
#include "guest/base/err.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>
#include <string.h>
#include <sys/stat.h>

#define IMAGE_MAX  (8u << 20)
#define TABLE_WARD 0x80

struct part { /* one run of pages in the image or the zero area */
    uint64_t va, gpa, pages;
    uint64_t flags; /* PTE bits of its mapping */
};

struct builder {
    uint8_t *image; /* IMAGE_MAX bytes; offset 0 = first page */
    uint64_t pages; /* used so far */
    uint64_t tables[CORE_TABLES][512];
    uint8_t levels[CORE_TABLES];
    unsigned next_table;
};

struct elf {
    int fd;
    Elf *e;
    const char *path;
};

static int elf_open(struct elf *f, const char *path, struct err *e)
{
    f->path = path;
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0) { return err_set(e, errno, "%s: %s", path, strerror(errno)); }
    f->e = elf_begin(f->fd, ELF_C_READ, NULL);
    if (f->e == NULL || elf_kind(f->e) != ELF_K_ELF) {
        return err_set(e, EINVAL, "%s: not an ELF file", path);
    }
    return 0;
}

static void elf_close(struct elf *f)
{
    if (f->e) { elf_end(f->e); }
    if (f->fd >= 0) { (void)close(f->fd); }
}

static int elf_symbol(struct elf *f, const char *name, uint64_t *out, struct err *e)
{
    for (Elf_Scn *s = elf_nextscn(f->e, NULL); s; s = elf_nextscn(f->e, s)) {
        GElf_Shdr sh;
        if (!gelf_getshdr(s, &sh) || sh.sh_type != SHT_SYMTAB) { continue; }
        Elf_Data *d = elf_getdata(s, NULL);
        for (size_t i = 0; i < sh.sh_size / sh.sh_entsize; i++) {
            GElf_Sym sym;
            if (!gelf_getsym(d, (int)i, &sym)) { break; }
            const char *n = elf_strptr(f->e, sh.sh_link, sym.st_name);
            if (n && strcmp(n, name) == 0) {
                *out = sym.st_value;
                return 0;
            }
        }
    }
    return err_set(e, ENOENT, "%s: no symbol %s", f->path, name);
}

static uint64_t pages_of(uint64_t bytes) { return (bytes + PAGE_SIZE - 1) / PAGE_SIZE; }

static int reserve(struct builder *b, uint64_t pages, uint64_t *out_first, struct err *e)
{
    if ((b->pages + pages) * PAGE_SIZE > IMAGE_MAX) {
        return err_set(e, EFBIG, "image larger than %u bytes", IMAGE_MAX);
    }
    *out_first = b->pages;
    b->pages += pages;
    return 0;
}

/* ---- page tables ------------------------------------------------------------------------------------------------------ */

static unsigned level_index(uint64_t va, unsigned level)
{
    return (unsigned)(va >> (12 + 9 * (level - 1))) & 511;
}
static uint64_t table_entry(unsigned t, uint64_t flags)
{
    return (TABLES_GPA + t * PAGE_SIZE) | PTE_P | PTE_W | PTE_A | flags;
}

/* The table of `level` that covers va, made if missing. `owner` marks tables of the ward. */
static unsigned table_at(struct builder *b, uint64_t va, unsigned level, uint8_t owner)
{
    unsigned t = T_ROOT;
    for (unsigned l = 4; l > level; l--) {
        uint64_t *slot = &b->tables[t][level_index(va, l)];
        if (*slot == 0) {
            unsigned n = b->next_table++;
            if (n >= CORE_TABLES) {
                fprintf(stderr, "mkimage: more than %u build-time tables\n", (unsigned)CORE_TABLES);
                exit(1);
            }
            b->levels[n] = (uint8_t)(l - 1) | owner;
            *slot = table_entry(n, owner ? 0 : PTE_U);
        }
        t = (unsigned)(((*slot & PTE_FRAME) - TABLES_GPA) / PAGE_SIZE);
    }
    return t;
}

static void map4k(struct builder *b, uint64_t va, uint64_t gpa, uint64_t pages, uint64_t flags)
{
    uint8_t owner = (flags & PTE_U) ? 0 : TABLE_WARD;
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t v = va + i * PAGE_SIZE;
        b->tables[table_at(b, v, 1, owner)][level_index(v, 1)] =
            (gpa + i * PAGE_SIZE) | PTE_P | PTE_A | PTE_D | flags;
    }
}

static void named_table(struct builder *b, unsigned parent, uint64_t va, unsigned parent_level,
                        unsigned t)
{
    b->tables[parent][level_index(va, parent_level)] = table_entry(t, PTE_U);
    b->levels[t] = (uint8_t)(parent_level - 1);
}

/* Ring 3 may look through this table, but not name it: linked or copied once more, its entries would let it write. */
static void map_region(struct builder *b, uint64_t va, uint64_t flags)
{
    unsigned l2 = table_at(b, va, 2, (flags & PTE_U) ? 0 : TABLE_WARD);
    b->levels[l2] |= TABLE_WARD;
    for (uint64_t i = 0; i < TABLES_MAX / CHUNK_SIZE; i++) {
        b->tables[l2][i] =
            (TABLES_GPA + i * CHUNK_SIZE) | PTE_P | PTE_W | PTE_A | PTE_D | PTE_PS | PTE_NX | flags;
    }
}

/* ---- descriptor tables --------------------------------------------------------------------------------------------------- */

static void put64(uint8_t *p, uint64_t v) { memcpy(p, &v, sizeof v); }

/*
 * SEL_UCS32 stays empty. In compatibility mode `syscall` would enter ring 0 at CSTAR, which nobody sets: at 0, where ring 3
 * maps what it likes.
 */
static void make_gdt(uint8_t *gdt, uint64_t tss)
{
    put64(gdt + SEL_KCS, 0x00af9b000000ffff);
    put64(gdt + SEL_KDS, 0x00cf93000000ffff);
    put64(gdt + (SEL_UDS & ~7), 0x00cff3000000ffff);
    put64(gdt + (SEL_UCS & ~7), 0x00affb000000ffff);
    for (unsigned cpu = 0; cpu < CPU_MAX; cpu++) {
        uint64_t base = tss + cpu * 128, limit = 103;
        put64(gdt + SEL_TSS + 16 * cpu,
              limit | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56);
        put64(gdt + SEL_TSS + 16 * cpu + 8, base >> 32);
    }
}

static void gate(uint8_t *idt, unsigned vector, uint64_t target, unsigned ist, unsigned dpl)
{
    put64(idt + 16 * vector, (target & 0xffff) | (uint64_t)SEL_KCS << 16 | (uint64_t)ist << 32 |
                                 (0x8eull | dpl << 5) << 40 | (target >> 16 & 0xffff) << 48);
    put64(idt + 16 * vector + 8, target >> 32);
}

static int make_idt(uint8_t *idt, struct elf *ward, struct err *e)
{
    static const struct {
        unsigned vector;
        const char *symbol;
    } irq[] = {
        {VEC_TIMER, "ward_irq_timer"},       {VEC_DEVICE, "ward_irq_device"},
        {VEC_KICK, "ward_irq_kick"},         {VEC_FLUSH, "ward_irq_flush"},
        {VEC_SPURIOUS, "ward_irq_spurious"},
    };
    uint64_t stubs = 0, target = 0;

    if (elf_symbol(ward, "ward_stubs", &stubs, e) < 0) { return -e->code; }
    for (unsigned v = 0; v < 32; v++) {
        bool dead = v == 8 || v == 18; /* #DF, #MC */
        gate(idt, v, stubs + 16 * v, v == 2 ? 2 : dead ? 1 : 0, v == 3 ? 3 : 0);
    }
    for (size_t i = 0; i < ARRAY_COUNT(irq); i++) {
        if (elf_symbol(ward, irq[i].symbol, &target, e) < 0) { return -e->code; }
        gate(idt, irq[i].vector, target, 1, 0);
    }
    return 0;
}

static void iret_frame(uint8_t *p, uint64_t rip, uint64_t rsp)
{
    const uint64_t frame[5] = {rip, SEL_UCS, 0x202, rsp, SEL_UDS};
    memcpy(p, frame, sizeof frame);
}

static void make_private(uint8_t *page, unsigned cpu)
{
    uint64_t upstack = LOS_CPU + cpu * CPU_STRIDE + CPU_UPSTACK_TOP - 16;
    put64(page + PRIVATE_STACK, WARD_CPU + cpu * CPU_STRIDE + CPU_PRIVATE_TOP);
    iret_frame(page + (PRIVATE_TEMPLATE - PRIVATE_BASE), LOS_UPCALL, upstack);
    iret_frame(page + (PRIVATE_SECONDARY - PRIVATE_BASE), LOS_SECONDARY, upstack);
    iret_frame(page + (PRIVATE_START - PRIVATE_BASE), LOS_START, upstack);
}

/* ---- the image ---------------------------------------------------------------------------------------------------------- */

#define PARTS_MAX 16

/* Copies every PT_LOAD of the ELF; returns the parts in the image (gpa = page number for now) and those that are zero. */
static int load_elf(struct builder *b, struct elf *f, bool zero_inside, struct part *parts,
                    size_t *count, struct part *zero, size_t *zero_count, struct err *e)
{
    size_t n;
    if (elf_getphdrnum(f->e, &n) != 0) {
        return err_set(e, EINVAL, "%s: no program headers", f->path);
    }
    for (size_t i = 0; i < n; i++) {
        GElf_Phdr ph;
        uint64_t first = 0;
        if (!gelf_getphdr(f->e, (int)i, &ph) || ph.p_type != PT_LOAD || ph.p_memsz == 0) {
            continue;
        }
        if ((ph.p_vaddr & (PAGE_SIZE - 1)) != 0) {
            return err_set(e, EINVAL, "%s: segment at 0x%" PRIx64 " is not page aligned", f->path,
                           ph.p_vaddr);
        }
        uint64_t file_pages = pages_of(zero_inside ? ph.p_memsz : ph.p_filesz);
        uint64_t flags = ((ph.p_flags & PF_W) ? PTE_W : 0) | ((ph.p_flags & PF_X) ? 0 : PTE_NX);
        if (*count == PARTS_MAX || reserve(b, file_pages, &first, e) < 0) {
            return err_wrap(e, "%s", f->path);
        }
        if (pread(f->fd, b->image + first * PAGE_SIZE, ph.p_filesz, (off_t)ph.p_offset) !=
            (ssize_t)ph.p_filesz) {
            return err_set(e, EIO, "%s: cannot read segment at offset 0x%" PRIx64, f->path,
                           ph.p_offset);
        }
        parts[(*count)++] = (struct part){ph.p_vaddr, first, file_pages, flags};
        if (pages_of(ph.p_memsz) > file_pages) {
            zero[(*zero_count)++] = (struct part){ph.p_vaddr + file_pages * PAGE_SIZE, 0,
                                                  pages_of(ph.p_memsz) - file_pages, flags};
        }
    }
    return 0;
}

static int load_init(struct builder *b, const char *path, struct part *out, uint64_t *size,
                     struct err *e)
{
    *size = 0;
    *out = (struct part){.flags = PTE_NX};
    if (strcmp(path, "-") == 0) { return 0; }
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) { return err_set(e, errno, "%s: %s", path, strerror(errno)); }
    *size = (uint64_t)st.st_size;
    out->pages = pages_of(*size);
    if (reserve(b, out->pages, &out->gpa, e) < 0) { return err_wrap(e, "%s", path); }
    if (pread(fd, b->image + out->gpa * PAGE_SIZE, *size, 0) != (ssize_t)*size) {
        return err_set(e, EIO, "%s: short read", path);
    }
    return 0;
}

static uint8_t *ward_at(struct builder *b, const struct part *parts, size_t count, uint64_t va)
{
    for (size_t i = 0; i < count; i++) {
        if (va >= parts[i].va && va < parts[i].va + parts[i].pages * PAGE_SIZE) {
            return b->image + parts[i].gpa * PAGE_SIZE + (va - parts[i].va);
        }
    }
    return NULL;
}

static int build(struct builder *b, struct elf *ward, struct elf *los, const char *init,
                 struct err *e)
{
    struct part los_parts[PARTS_MAX], ward_parts[PARTS_MAX], zero[PARTS_MAX], init_part;
    size_t los_count = 0, ward_count = 0, zero_count = 0;
    uint64_t header_page = 0, cpu_page = 0, tables_page = 0, init_size = 0, ward_first;

    /* contents, in order */
    b->next_table = T_STACKS_L3 + 1;
    if (reserve(b, 1, &header_page, e) < 0 ||
        load_elf(b, los, false, los_parts, &los_count, zero, &zero_count, e) < 0 ||
        load_init(b, init, &init_part, &init_size, e) < 0) {
        return -e->code;
    }
    ward_first = b->pages;
    if (load_elf(b, ward, true, ward_parts, &ward_count, zero, &zero_count, e) < 0 ||
        reserve(b, 2 * CPU_MAX, &cpu_page, e) < 0 || reserve(b, CORE_TABLES, &tables_page, e) < 0) {
        return -e->code;
    }
    uint64_t base =
        CORE_END - b->pages * PAGE_SIZE; /* page number p lies at base + p * PAGE_SIZE */

    /* the zero area below: library-OS bss, vCPU pages, handoff */
    uint64_t zero_end = base, at = base;
    for (size_t i = 0; i < zero_count; i++) {
        at -= zero[i].pages * PAGE_SIZE;
        zero[i].gpa = at;
    }
    uint64_t cpu_gpa = at -= CORE_CPU_PAGES * CPU_MAX * PAGE_SIZE;
    uint64_t handoff_gpa = at -= PAGE_SIZE;

    /* page tables */
    b->levels[T_ROOT] = 4;
    named_table(b, T_ROOT, LOS_DIRECT, 4, T_DIRECT_L3);
    named_table(b, T_DIRECT_L3, LOS_DIRECT, 3, T_DIRECT_L2);
    named_table(b, T_ROOT, LOS_WINDOW, 4, T_WINDOW_L3);
    named_table(b, T_WINDOW_L3, LOS_WINDOW, 3, T_WINDOW_L2);
    named_table(b, T_ROOT, LOS_TABLES, 4, T_TABLES_L3);
    named_table(b, T_ROOT, LOS_STACKS, 4, T_STACKS_L3);
    map4k(b, LOS_DIRECT, 0, base / PAGE_SIZE, PTE_U | PTE_W | PTE_NX); /* heap and zero area */
    for (size_t i = 0; i < los_count; i++) {
        uint64_t gpa = base + los_parts[i].gpa * PAGE_SIZE;
        map4k(b, los_parts[i].va, gpa, los_parts[i].pages, los_parts[i].flags | PTE_U);
        map4k(b, LOS_DIRECT + gpa, gpa, los_parts[i].pages,
              (los_parts[i].flags & PTE_W) | PTE_NX | PTE_U);
    }
    for (size_t i = 0; i < zero_count; i++) {
        map4k(b, zero[i].va, zero[i].gpa, zero[i].pages, zero[i].flags | PTE_U);
    }
    map4k(b, LOS_DIRECT + base + init_part.gpa * PAGE_SIZE, base + init_part.gpa * PAGE_SIZE,
          init_part.pages, PTE_U | PTE_NX);
    map4k(b, LOS_HANDOFF, handoff_gpa, 1, PTE_U | PTE_NX);
    map4k(b, LOS_DOORBELL, DOORBELL_GPA, 1, PTE_U | PTE_W | PTE_NX | PTE_PCD | PTE_PWT);
    map_region(b, LOS_TABLES, PTE_U);
    b->tables[T_TABLES_L3][0] &= ~PTE_W; /* the open regime sets it */
    for (size_t i = 0; i < ward_count; i++) {
        map4k(b, ward_parts[i].va, base + ward_parts[i].gpa * PAGE_SIZE, ward_parts[i].pages,
              ward_parts[i].flags);
    }
    map4k(b, WARD_APIC, APIC_GPA, 1, PTE_W | PTE_NX | PTE_PCD | PTE_PWT);
    map_region(b, WARD_TABLES, 0);
    for (unsigned cpu = 0; cpu < CPU_MAX; cpu++) {
        uint64_t ring3 = cpu_gpa + cpu * CORE_CPU_PAGES * PAGE_SIZE,
                 own = base + (cpu_page + 2 * cpu) * PAGE_SIZE;
        uint64_t lva = LOS_CPU + cpu * CPU_STRIDE, wva = WARD_CPU + cpu * CPU_STRIDE;
        map4k(b, lva + CPU_VPAGE, ring3, 1, PTE_U | PTE_W | PTE_NX);
        map4k(b, lva + CPU_VFRAME, own, 1, PTE_U | PTE_NX);
        map4k(b, lva + CPU_UPSTACK, ring3 + PAGE_SIZE, 2, PTE_U | PTE_W | PTE_NX);
        map4k(b, wva + CPU_VPAGE, ring3, 1, PTE_W | PTE_NX);
        map4k(b, wva + CPU_VFRAME, own, 1, PTE_W | PTE_NX);
        map4k(b, wva + CPU_PRIVATE, own + PAGE_SIZE, 1, PTE_W | PTE_NX);
        make_private(b->image + (cpu_page + 2 * cpu + 1) * PAGE_SIZE, cpu);
    }

    /* what the ward's own data must hold */
    struct core_header h = {.magic = CORE_MAGIC,
                            .version = CORE_VERSION,
                            .size = b->pages * PAGE_SIZE,
                            .zero_gpa = at,
                            .zero_size = zero_end - at,
                            .handoff_gpa = handoff_gpa,
                            .cpu_gpa = cpu_gpa,
                            .init_gpa = base + init_part.gpa * PAGE_SIZE,
                            .init_size = init_size,
                            .ward_gpa = base + ward_first * PAGE_SIZE};
    uint64_t state = 0, levels = 0;
    if (elf_symbol(ward, "ward_gdt", &h.gdt, e) < 0 ||
        elf_symbol(ward, "ward_idt", &h.idt, e) < 0 ||
        elf_symbol(ward, "ward_tss", &h.tss, e) < 0 ||
        elf_symbol(ward, "ward_entry", &h.ward_entry, e) < 0 ||
        elf_symbol(ward, "ward_park_entry", &h.ward_park, e) < 0 ||
        elf_symbol(ward, "ward_syscall", &h.ward_syscall, e) < 0 ||
        elf_symbol(ward, "ward_state", &state, e) < 0 ||
        elf_symbol(ward, "ward_core_levels", &levels, e) < 0) {
        return -e->code;
    }
    h.gdt_limit = SEL_TSS + 16 * CPU_MAX - 1;
    h.idt_limit = 256 * 16 - 1;
    h.tss_limit = 103;
    uint8_t *state_at = ward_at(b, ward_parts, ward_count, state);
    h.ward_state_gpa = base + (uint64_t)(state_at - b->image);
    make_gdt(ward_at(b, ward_parts, ward_count, h.gdt), h.tss);
    if (make_idt(ward_at(b, ward_parts, ward_count, h.idt), ward, e) < 0) { return -e->code; }
    for (unsigned cpu = 0; cpu < CPU_MAX; cpu++) {
        uint8_t *tss = ward_at(b, ward_parts, ward_count, h.tss + cpu * 128);
        put64(tss + 4, WARD_CPU + cpu * CPU_STRIDE + CPU_VFRAME + PAGE_SIZE); /* RSP0 */
        put64(tss + 36, WARD_CPU + cpu * CPU_STRIDE + PRIVATE_IST_TOP);       /* IST1 */
        put64(tss + 44, WARD_CPU + cpu * CPU_STRIDE + PRIVATE_NMI_TOP);       /* IST2 */
        tss[102] = 104;                                                       /* no I/O bitmap */
    }
    memcpy(ward_at(b, ward_parts, ward_count, levels), b->levels, sizeof b->levels);
    memcpy(b->image + header_page * PAGE_SIZE, &h, sizeof h);
    memcpy(b->image + tables_page * PAGE_SIZE, b->tables, sizeof b->tables);
    return 0;
}

int main(int argc, char **argv)
{
    static struct builder b;
    struct err e = {0};
    struct elf ward = {.fd = -1}, los = {.fd = -1};
    int rc = 1;

    if (argc != 5) {
        fprintf(stderr, "usage: mkimage WARD.elf LOS.elf INIT|- OUT\n");
        return 2;
    }
    b.image = calloc(1, IMAGE_MAX);
    (void)elf_version(EV_CURRENT);
    if (b.image && elf_open(&ward, argv[1], &e) == 0 && elf_open(&los, argv[2], &e) == 0 &&
        build(&b, &ward, &los, argv[3], &e) == 0) {
        auto_file out = fopen(argv[4], "wb");
        if (out && fwrite(b.image, PAGE_SIZE, b.pages, out) == b.pages && fflush(out) == 0) {
            rc = 0;
        }
    }
    if (rc != 0) { fprintf(stderr, "mkimage: %s\n", e.code ? e.text : "cannot write the image"); }
    elf_close(&ward);
    elf_close(&los);
    free(b.image);
    return rc;
}
