/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of /sys that programs read: how many processors there are, huge pages, and the limits in cgroup v2 files. */
#include "guest/fs/computed.h"
#include "guest/mm/mm.h"

#define SYSFS_MAGIC   0x62656572
#define CGROUP2_MAGIC 0x63677270

/* ---- processors ---- */

static void show_cpus(struct text *t, const struct cnode *n, struct proc *p)
{
    (void)n, (void)p;
    if (cpu_total() == 1) {
        text_add(t, "0\n");
    } else {
        text_add(t, "0-%u\n", cpu_total() - 1);
    }
}

static void show_core_id(struct text *t, const struct cnode *n, struct proc *p)
{
    (void)p;
    text_add(t, "%d\n", n->arg);
}

static void show_cpu_mask(struct text *t, const struct cnode *n, struct proc *p)
{
    (void)n, (void)p;
    text_add(t, "%x\n", (1u << cpu_total()) - 1);
}

static void show_cpu_bit(struct text *t, const struct cnode *n, struct proc *p)
{
    (void)p;
    text_add(t, "%x\n", 1u << n->arg);
}

static const struct centry topology_table[] = {
    C_SHOW("core_id", show_core_id),
    C_SHOW("core_siblings", show_cpu_mask),
    C_SHOW("core_siblings_list", show_cpus),
    C_TEXT("physical_package_id", "0\n"),
    C_SHOW("thread_siblings", show_cpu_bit),
    C_SHOW("thread_siblings_list", show_core_id),
    {0},
};
static const struct centry one_cpu_table[] = {
    C_DIR("topology", topology_table), C_TEXT("online", "1\n"), {0}};
static const struct centry one_cpu = {
    .name = "", .mode = LS_IFDIR | 0555, .children = one_cpu_table};

static int find_cpu(const struct cnode *n, struct proc *p, const char *name, size_t len,
                    struct cnode *child)
{
    int32_t cpu = len > 3 && memcmp(name, "cpu", 3) == 0 ? number_of(name + 3, len - 3) : -1;

    (void)n, (void)p;
    if (cpu < 0 || (unsigned)cpu >= cpu_total()) { return -ENOENT; }
    *child = (struct cnode){.e = &one_cpu, .arg = cpu};
    return 0;
}

static int64_t next_cpu(const struct cnode *n, struct proc *p, int64_t from, struct cnode *child)
{
    (void)n, (void)p;
    if (from >= cpu_total()) { return -1; }
    *child = (struct cnode){.e = &one_cpu, .arg = (int32_t)from};
    return from;
}

static const struct centry node0_table[] = {
    C_SHOW("cpulist", show_cpus), C_SHOW("cpumap", show_cpu_mask), {0}};
static const struct centry node_table[] = {C_TEXT("has_cpu", "0\n"),
                                           C_DIR("node0", node0_table),
                                           C_TEXT("online", "0\n"),
                                           C_TEXT("possible", "0\n"),
                                           {0}};
static const struct centry cpu_table[] = {
    C_TEXT("kernel_max", "15\n"),  C_TEXT("offline", "\n"),      C_SHOW("online", show_cpus),
    C_SHOW("possible", show_cpus), C_SHOW("present", show_cpus), {0}};
static const struct centry system_table[] = {{.name = "cpu",
                                              .mode = LS_IFDIR | 0555,
                                              .children = cpu_table,
                                              .find = find_cpu,
                                              .next = next_cpu,
                                              .prefix = "cpu"},
                                             C_DIR("node", node_table),
                                             {0}};
static const struct centry devices_table[] = {C_DIR("system", system_table), {0}};

/* ---- the rest ---- */

static const struct centry thp_table[] = {
    C_TEXT("defrag", "always defer defer+madvise [madvise] never\n"),
    C_TEXT("enabled", "always [madvise] never\n"),
    C_TEXT("hpage_pmd_size", "2097152\n"),
    C_TEXT("shmem_enabled", "always within_size advise [never] deny force\n"),
    {0}};
static const struct centry mm_table[] = {C_DIR("transparent_hugepage", thp_table), {0}};
static const struct centry kernel_table[] = {C_DIR("mm", mm_table), {0}};
static const struct centry empty_table[] = {{0}};
static const struct centry fs_table[] = {C_DIR("cgroup", empty_table), {0}};
static const struct centry class_table[] = {C_DIR("net", empty_table), {0}};
static const struct centry root_table[] = {
    C_DIR("block", empty_table), C_DIR("class", class_table),   C_DIR("devices", devices_table),
    C_DIR("fs", fs_table),       C_DIR("kernel", kernel_table), {0}};
static const struct centry root_entry = {
    .name = "/", .mode = LS_IFDIR | 0555, .children = root_table};

/* ---- cgroup v2: the guest is the container, so its own size is the limit ---- */

static void show_memory_max(struct text *t, const struct cnode *n, struct proc *p)
{
    (void)n, (void)p;
    text_add(t, "%lu\n", (unsigned long)(mem_total_pages() * PAGE_SIZE));
}

static void show_memory_current(struct text *t, const struct cnode *n, struct proc *p)
{
    (void)n, (void)p;
    text_add(t, "%lu\n", (unsigned long)((mem_total_pages() - mem_free_pages()) * PAGE_SIZE));
}

static void show_memory_stat(struct text *t, const struct cnode *n, struct proc *p)
{
    (void)n, (void)p;
    text_add(
        t,
        "anon %lu\nfile 0\nkernel_stack 0\nslab 0\nsock 0\nshmem 0\nfile_mapped 0\ninactive_anon 0\nactive_anon 0\n"
        "inactive_file 0\nactive_file 0\npgfault 0\npgmajfault 0\n",
        (unsigned long)((mem_total_pages() - mem_free_pages()) * PAGE_SIZE));
}

static void show_pids_current(struct text *t, const struct cnode *n, struct proc *p)
{
    unsigned count = 0;

    (void)n, (void)p;
    LIST_EACH (l, &proc_all) {
        const struct proc *q = LIST_ENTRY(l, struct proc, all);
        count += q->internal ? 0 : q->thread_count;
    }
    text_add(t, "%u\n", count);
}

static void show_members(struct text *t, const struct cnode *n, struct proc *p)
{
    (void)n, (void)p;
    LIST_EACH (l, &proc_all) {
        const struct proc *q = LIST_ENTRY(l, struct proc, all);
        if (!q->internal) { text_add(t, "%d\n", q->pid); }
    }
}

static const struct centry cgroup_table[] = {
    C_TEXT("cgroup.controllers", "cpu memory pids\n"),
    C_SHOW("cgroup.procs", show_members),
    C_TEXT("cgroup.type", "domain\n"),
    C_TEXT("cgroup.subtree_control", "\n"),
    C_TEXT("cpu.max", "max 100000\n"),
    C_TEXT(
        "cpu.stat",
        "usage_usec 0\nuser_usec 0\nsystem_usec 0\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n"),
    C_TEXT("cpu.weight", "100\n"),
    C_SHOW("cpuset.cpus.effective", show_cpus),
    C_SHOW("memory.current", show_memory_current),
    C_TEXT("memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n"),
    C_TEXT("memory.high", "max\n"),
    C_TEXT("memory.low", "0\n"),
    C_SHOW("memory.max", show_memory_max),
    C_TEXT("memory.min", "0\n"),
    C_SHOW("memory.stat", show_memory_stat),
    C_TEXT("memory.swap.current", "0\n"),
    C_TEXT("memory.swap.max", "0\n"),
    C_SHOW("pids.current", show_pids_current),
    C_TEXT("pids.max", "max\n"),
    {0}};
static const struct centry cgroup_entry = {
    .name = "/", .mode = LS_IFDIR | 0555, .children = cgroup_table};

static struct super *sysfs, *cgroup;
static struct dentry *cgroup_dentry;

struct super *sysfs_super(void) { return sysfs; }
struct super *cgroup_super(void) { return cgroup; }
struct path sysfs_cgroup_place(struct mount *sys) { return (struct path){sys, cgroup_dentry}; }

int sysfs_init(void)
{
    sysfs = computed_new("sysfs", "sysfs", SYSFS_MAGIC, &root_entry);
    cgroup = computed_new("cgroup2", "cgroup", CGROUP2_MAGIC, &cgroup_entry);
    if (!sysfs || !cgroup) { return -ENOMEM; }
    /* The place of a mount must be the same dentry at every look-up. */
    struct dentry *fs = computed_keep(sysfs->root, "fs");
    cgroup_dentry = fs ? computed_keep(fs, "cgroup") : NULL;
    return cgroup_dentry ? 0 : -ENOMEM;
}
