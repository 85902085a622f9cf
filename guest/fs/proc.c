/* SPDX-License-Identifier: Apache-2.0 */
/* The root of /proc: what concerns the whole machine. Numbers that have no meaning here are zero, never invented. */
#include "guest/fs/computed.h"
#include "guest/mm/mm.h"
#include "guest/task/sched.h"

#define PROC_MAGIC  0x9fa0
#define NS          1000000000ull
#define NS_PER_TICK 10000000ull

unsigned cpu_total(void) { return cpu_count ? cpu_count : 1; }

/* Is p there for the caller? Init's world is invisible from outside it. */
static bool visible(const struct proc *p) { return !p->internal || current_proc()->internal; }

static unsigned long kib(uint64_t pages) { return (unsigned long)(pages * (PAGE_SIZE / 1024)); }

static void show_meminfo(struct text *t, const struct cnode *n, struct proc *p)
{
    unsigned long total = kib(mem_total_pages()), free = kib(mem_free_pages());
    static const char *const zero[] = {
        "Buffers",      "Cached",         "SwapCached",   "Active",         "Inactive",
        "Active(anon)", "Inactive(anon)", "Active(file)", "Inactive(file)", "Unevictable",
        "Mlocked",      "SwapTotal",      "SwapFree",     "Dirty",          "Writeback",
        "AnonPages",    "Mapped",         "Shmem",        "KReclaimable",   "Slab",
        "SReclaimable", "SUnreclaim",     "KernelStack",  "PageTables"};

    (void)n, (void)p;
    text_add(t, "MemTotal:       %8lu kB\nMemFree:        %8lu kB\nMemAvailable:   %8lu kB\n",
             total, free, free);
    for (size_t k = 0; k < ARRAY_COUNT(zero); k++) {
        char label[20];
        (void)fmt(label, sizeof(label), "%s:", zero[k]);
        text_add(t, "%-16s%8u kB\n", label, 0u);
    }
    text_add(t, "CommitLimit:    %8lu kB\nCommitted_AS:   %8lu kB\n", total, total - free);
    text_add(t, "VmallocTotal:   34359738367 kB\nVmallocUsed:    %8u kB\n", 0u);
    text_add(t, "AnonHugePages:  %8u kB\nHugePages_Total:   %5u\nHugePages_Free:    %5u\n", 0u, 0u,
             0u);
    text_add(t, "HugePages_Rsvd:    %5u\nHugePages_Surp:    %5u\nHugepagesize:       2048 kB\n", 0u,
             0u);
}

/* ---- cpuinfo ---- */

static uint32_t leaf[4]; /* eax, ebx, ecx, edx of the last query */

static void query(uint32_t function)
{
    leaf[0] = function;
    leaf[2] = 0;
    __asm__ volatile("cpuid" : "+a"(leaf[0]), "=b"(leaf[1]), "+c"(leaf[2]), "=d"(leaf[3]));
}

struct cpu_text {
    char vendor[13], model_name[49], flags[1024];
    unsigned family, model, stepping;
};

static const char *const flags_1_edx[32] = {
    "fpu",  "vme",  "de",   "pse", "tsc",  "msr", "pae",   "mce", "cx8",     "apic", NULL,
    "sep",  "mtrr", "pge",  "mca", "cmov", "pat", "pse36", "pn",  "clflush", NULL,   "dts",
    "acpi", "mmx",  "fxsr", "sse", "sse2", "ss",  "ht",    "tm",  "ia64",    "pbe"};
static const char *const flags_1_ecx[32] = {
    "pni",    "pclmulqdq", "dtes64", "monitor", "ds_cpl",
    "vmx",    "smx",       "est",    "tm2",     "ssse3",
    "cid",    "sdbg",      "fma",    "cx16",    "xtpr",
    "pdcm",   NULL,        "pcid",   "dca",     "sse4_1",
    "sse4_2", "x2apic",    "movbe",  "popcnt",  "tsc_deadline_timer",
    "aes",    "xsave",     NULL,     "avx",     "f16c",
    "rdrand", "hypervisor"};
static const char *const flags_7_ebx[32] = {
    "fsgsbase",   "tsc_adjust", "sgx",        "bmi1",     "hle",      "avx2",     NULL,
    "smep",       "bmi2",       "erms",       "invpcid",  "rtm",      "cqm",      NULL,
    "mpx",        "rdt_a",      "avx512f",    "avx512dq", "rdseed",   "adx",      "smap",
    "avx512ifma", NULL,         "clflushopt", "clwb",     "intel_pt", "avx512pf", "avx512er",
    "avx512cd",   "sha_ni",     "avx512bw",   "avx512vl"};
static const char *const flags_ext_edx[32] = {
    [11] = "syscall", [20] = "nx", [26] = "pdpe1gb", [27] = "rdtscp", [29] = "lm"};
static const char *const flags_ext_ecx[32] = {"lahf_lm", "cmp_legacy",  "svm",
                                              "extapic", "cr8_legacy",  "abm",
                                              "sse4a",   "misalignsse", "3dnowprefetch"};

static size_t add_flags(char *to, size_t size, size_t len, uint32_t bits,
                        const char *const names[32])
{
    for (int k = 0; k < 32 && len + 24 < size; k++) {
        if ((bits >> k & 1) && names[k]) {
            len += fmt(to + len, size - len, "%s%s", len ? " " : "", names[k]);
        }
    }
    return len;
}

/* Asked once: in many guests each query leaves the guest. */
static const struct cpu_text *cpu_text(void)
{
    static struct cpu_text c;
    size_t len = 0;
    uint32_t top, ext;

    if (c.vendor[0]) { return &c; }
    query(0);
    top = leaf[0];
    memcpy(c.vendor, &leaf[1], 4);
    memcpy(c.vendor + 4, &leaf[3], 4);
    memcpy(c.vendor + 8, &leaf[2], 4);
    query(1);
    c.family = (leaf[0] >> 8 & 15) + ((leaf[0] >> 8 & 15) == 15 ? leaf[0] >> 20 & 255 : 0);
    c.model = (leaf[0] >> 4 & 15) | (leaf[0] >> 12 & 0xf0);
    c.stepping = leaf[0] & 15;
    len = add_flags(c.flags, sizeof(c.flags), len, leaf[3], flags_1_edx);
    len = add_flags(c.flags, sizeof(c.flags), len, leaf[2], flags_1_ecx);
    query(0x80000000u);
    ext = leaf[0];
    if (ext >= 0x80000001u) {
        query(0x80000001u);
        len = add_flags(c.flags, sizeof(c.flags), len, leaf[3], flags_ext_edx);
        len = add_flags(c.flags, sizeof(c.flags), len, leaf[2], flags_ext_ecx);
    }
    if (top >= 7) {
        query(7);
        (void)add_flags(c.flags, sizeof(c.flags), len, leaf[1], flags_7_ebx);
    }
    for (uint32_t k = 0; ext >= 0x80000004u && k < 3; k++) {
        query(0x80000002u + k);
        memcpy(c.model_name + 16 * k, leaf, 16);
    }
    return &c;
}

static void show_cpuinfo(struct text *t, const struct cnode *n, struct proc *p)
{
    const struct cpu_text *c = cpu_text();

    (void)n, (void)p;
    for (unsigned k = 0; k < cpu_total(); k++) {
        text_add(
            t,
            "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\nstepping\t: %u\n",
            k, c->vendor, c->family, c->model, c->model_name, c->stepping);
        text_add(t, "cpu MHz\t\t: 0.000\nphysical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\n",
                 cpu_total(), k);
        text_add(
            t,
            "cpu cores\t: %u\napicid\t\t: %u\nfpu\t\t: yes\nfpu_exception\t: yes\nwp\t\t: yes\nflags\t\t: ",
            cpu_total(), k);
        text_bytes(t, c->flags, strlen(c->flags));
        text_add(t, "\nbugs\t\t:\nbogomips\t: 0.00\nclflush size\t: 64\ncache_alignment\t: 64\n\n");
    }
}

/* ---- counters ---- */

struct totals {
    uint64_t user_ns, system_ns;
    unsigned processes, running;
    int32_t last_pid;
};

static struct totals count_all(void)
{
    struct totals s = {0};

    LIST_EACH (l, &proc_all) {
        const struct proc *p = LIST_ENTRY(l, struct proc, all);
        if (!visible(p)) { continue; }
        s.user_ns += p->user_ns;
        s.system_ns += p->system_ns;
        s.processes++;
        if (p->pid > s.last_pid) { s.last_pid = p->pid; }
        LIST_EACH (k, &p->threads) {
            s.running += LIST_ENTRY(k, struct thread, link)->state == THREAD_RUNNABLE;
        }
    }
    return s;
}

static void show_stat(struct text *t, const struct cnode *n, struct proc *p)
{
    struct totals s = count_all();
    unsigned long user = (unsigned long)(s.user_ns / NS_PER_TICK),
                  system = (unsigned long)(s.system_ns / NS_PER_TICK);
    unsigned long up = (unsigned long)(clock_mono_ns() / NS_PER_TICK) * cpu_total();
    unsigned long idle = up > user + system ? up - user - system : 0;

    (void)n, (void)p;
    text_add(t, "cpu  %lu 0 %lu %lu 0 0 0 0 0 0\n", user, system, idle);
    for (unsigned k = 0; k < cpu_total(); k++) {
        text_add(t, "cpu%u %lu 0 %lu %lu 0 0 0 0 0 0\n", k, user / cpu_total(),
                 system / cpu_total(), idle / cpu_total());
    }
    text_add(
        t,
        "intr 0\nctxt 0\nbtime %lu\nprocesses %d\nprocs_running %u\nprocs_blocked 0\nsoftirq 0\n",
        (unsigned long)((clock_wall_ns() - clock_mono_ns()) / NS), s.last_pid,
        s.running ? s.running : 1);
}

static void show_uptime(struct text *t, const struct cnode *n, struct proc *p)
{
    uint64_t up = clock_mono_ns(), busy = count_all().user_ns,
             idle = up * cpu_total() > busy ? up * cpu_total() - busy : 0;

    (void)n, (void)p;
    text_add(t, "%lu.%02lu %lu.%02lu\n", (unsigned long)(up / NS),
             (unsigned long)(up % NS / NS_PER_TICK), (unsigned long)(idle / NS),
             (unsigned long)(idle % NS / NS_PER_TICK));
}

static void show_loadavg(struct text *t, const struct cnode *n, struct proc *p)
{
    struct totals s = count_all();

    (void)n, (void)p;
    text_add(t, "0.00 0.00 0.00 %u/%u %d\n", s.running ? s.running : 1, s.processes, s.last_pid);
}

static void show_boot_cmdline(struct text *t, const struct cnode *n, struct proc *p)
{
    (void)n, (void)p;
    text_add(t, "\n"); /* there is no command line, on purpose: what matters is measured */
}

/* ---- the root ---- */

static int64_t self_link(const struct cnode *n, struct proc *p, char *buf, size_t size)
{
    (void)n, (void)p;
    return (int64_t)fmt(buf, size, "%d", current_proc()->pid);
}

static int64_t thread_self_link(const struct cnode *n, struct proc *p, char *buf, size_t size)
{
    (void)n, (void)p;
    return (int64_t)fmt(buf, size, "%d/task/%d", current_proc()->pid, current()->tid);
}

/* Processes of init's world have negative numbers; they alone can name them. */
static int find_process(const struct cnode *n, struct proc *p, const char *name, size_t len,
                        struct cnode *child)
{
    bool minus = len > 0 && name[0] == '-';
    int32_t pid = number_of(name + minus, len - minus);
    const struct proc *found = pid > 0 ? proc_find(minus ? -pid : pid) : NULL;

    (void)n, (void)p;
    if (!found || !visible(found)) { return -ENOENT; }
    *child = (struct cnode){.e = &proc_pid_entry, .pid = found->pid, .arg = -1};
    return 0;
}

static int64_t next_process(const struct cnode *n, struct proc *p, int64_t from,
                            struct cnode *child)
{
    int64_t best = -1;

    (void)n, (void)p;
    LIST_EACH (l, &proc_all) {
        const struct proc *q = LIST_ENTRY(l, struct proc, all);
        if (q->pid >= from && q->pid > 0 && (best < 0 || q->pid < best) && visible(q)) {
            best = q->pid;
        }
    }
    *child = (struct cnode){.e = &proc_pid_entry, .pid = (int32_t)best, .arg = -1};
    return best;
}

static const struct centry root_table[] = {
    {.name = "self", .mode = LS_IFLNK | 0777, .readlink = self_link},
    {.name = "thread-self", .mode = LS_IFLNK | 0777, .readlink = thread_self_link},
    C_TEXT(
        "cgroups",
        "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t0\t1\t1\nmemory\t0\t1\t1\npids\t0\t1\t1\n"),
    C_SHOW("cmdline", show_boot_cmdline),
    C_SHOW("cpuinfo", show_cpuinfo),
    C_TEXT(
        "devices",
        "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n"),
    C_TEXT("diskstats", ""),
    C_TEXT("filesystems",
           "nodev\ttmpfs\nnodev\tproc\nnodev\tsysfs\nnodev\tcgroup2\nnodev\tdevpts\n"),
    C_SHOW("loadavg", show_loadavg),
    C_SHOW("meminfo", show_meminfo),
    C_TEXT("modules", ""),
    C_LINK("mounts", "self/mounts"),
    C_LINK("net", "self/net"),
    C_TEXT("partitions", "major minor  #blocks  name\n\n"),
    C_SHOW("stat", show_stat),
    C_TEXT("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
    C_DIR("sys", proc_sys_table),
    C_SHOW("uptime", show_uptime),
    C_TEXT("version",
           "Linux version 6.1.0-casemate (casemate) (library OS) #1 SMP Casemate library OS\n"),
    {0},
};

static const struct centry root_entry = {.name = "/",
                                         .mode = LS_IFDIR | 0555,
                                         .children = root_table,
                                         .find = find_process,
                                         .next = next_process};

static struct super *proc;

struct super *proc_super(void) { return proc; }

int proc_init(void)
{
    proc = computed_new("proc", "proc", PROC_MAGIC, &root_entry);
    return proc ? 0 : -ENOMEM;
}
