/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ward of the stand-in: what the real one does to the processor, done to this process. Guest
 * RAM is a memfd that is mapped twice, as the direct map and as the table region.
 */
#include "guest/ward.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "guest/fmt.h"
#include "guest/mm/mm.h"
#include "guest/standin/ward_native.h"

static struct handoff page;
const struct handoff *handoff = &page;

static NORETURN void give_up(const char *what)
{
    perror(what);
    abort();
}

static void map_at(uint64_t va, uint64_t size, int fd, uint64_t off)
{
    int flags =
        MAP_FIXED_NOREPLACE | MAP_NORESERVE | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
    if (mmap((void *)va, size, PROT_READ | PROT_WRITE, flags, fd, (off_t)off) != (void *)va) {
        give_up("stand-in: library-OS range");
    }
}

int native_ram_fd = -1;

void native_ward_start(uint64_t ram_size, bool guarded)
{
    uint64_t tables = ram_size / TABLES_RAM_DIVISOR / CHUNK_SIZE * CHUNK_SIZE;
    if (tables < CHUNK_SIZE) { tables = CHUNK_SIZE; }
    page = (struct handoff){
        .magic = HANDOFF_MAGIC,
        .version = HANDOFF_VERSION,
        .tee = TEE_NONE,
        .flags = guarded ? HANDOFF_GUARDED : 0,
        .ram = {{0, ram_size}, {0, 0}},
        .heap_gpa = BOOT_GPA,
        .heap_size = BOOT_SIZE / 2,
        .tables_gpa = TABLES_GPA,
        .tables_size = tables,
    };
    native_ram_fd = memfd_create("guest-ram", MFD_CLOEXEC);
    if (native_ram_fd < 0 || ftruncate(native_ram_fd, (off_t)ram_size) < 0) {
        give_up("stand-in: RAM");
    }
    map_at(LOS_DIRECT, ram_size, native_ram_fd, 0);
    map_at(LOS_TABLES, tables, native_ram_fd, TABLES_GPA);
    map_at(LOS_CPU, CPU_STRIDE, -1, 0);
}

struct vpage *cpu_vpage(void) { return (struct vpage *)(LOS_CPU + CPU_VPAGE); }

unsigned cpu_id(void) { return 0; }

int64_t ward_call(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)
{
    (void)a0, (void)a1, (void)a2, (void)a3, (void)a4;
    switch (nr) {
    case WARD_RAM_ACCEPT:
    case WARD_SPACE_LOAD:
        native_tables_flushed();
        native_space_load((uint32_t)(ward_guarded() ? a0 : a0 - TABLES_GPA / PAGE_SIZE));
        return 0;
    case WARD_FLUSH:
        if (a1 == 0) { native_tables_flushed(); }
        native_flush(a0, a1);
        return 0;
    case WARD_TABLE_NEW:
    case WARD_TABLE_FREE:
    case WARD_TABLE_SET:
    case WARD_TABLE_LINK:
    case WARD_TABLE_MASK:
    case WARD_TABLE_COPY: return native_table_call(nr, a0, a1, a2, a3);
    case WARD_BATCH:
        for (uint64_t i = 0; i < a0; i++) {
            const struct ward_op *op = &cpu_vpage()->ops[i];
            (void)native_table_call(op->call, op->table, op->arg[0], op->arg[1], op->arg[2]);
        }
        return (int64_t)a0;
    case WARD_FLUSH_OTHERS:
    case WARD_TIMER:
    case WARD_KICK:
    case WARD_RELAX: return 0;
    case WARD_RANDOM: return getrandom(cpu_vpage()->io, 32, 0) == 32 ? 0 : -EIO;
    case WARD_POWER_OFF: _exit((int)a0);
    default: return -ENOSYS;
    }
}

int ram_chunks_map(uint64_t chunk, uint64_t count)
{
    (void)chunk, (void)count;
    return 0;
}

void ward_doorbell(uint32_t queue) { (void)queue; }

void ward_power_off(unsigned code) { _exit((int)code); }

void log_line(const char *line, size_t len) { fprintf(stderr, "%.*s\n", (int)len, line); }

void panic(const char *why)
{
    fprintf(stderr, "panic: %s\n", why);
    abort();
}

void panic_code(enum panic_code code)
{
    fprintf(stderr, "panic code %d\n", (int)code);
    abort();
}

/* The host's clocks are behind system calls here. */
uint64_t vdso_map(struct space *s)
{
    (void)s;
    return 0;
}
