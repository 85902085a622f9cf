/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/sys and /proc/PID/net: settings that programs read. Nothing here can be changed from inside. */
#include "guest/fs/computed.h"
#include "guest/random.h"

static void show_hostname(struct text *t, const struct cnode *n, struct proc *p)
{
    (void)n, (void)p;
    text_add(t, "%s\n", host_name());
}

static void uuid(struct text *t, const uint8_t b[16])
{
    for (int k = 0; k < 16; k++) {
        text_add(t, "%s%02x", k == 4 || k == 6 || k == 8 || k == 10 ? "-" : "", b[k]);
    }
    text_add(t, "\n");
}

static void random_uuid(uint8_t b[16])
{
    random_bytes(b, 16);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
}

static void show_uuid(struct text *t, const struct cnode *n, struct proc *p)
{
    uint8_t b[16];

    (void)n, (void)p;
    random_uuid(b);
    uuid(t, b);
}

static void show_boot_id(struct text *t, const struct cnode *n, struct proc *p)
{
    static uint8_t id[16];

    (void)n, (void)p;
    if (!id[6]) { random_uuid(id); }
    uuid(t, id);
}

static const struct centry random_table[] = {
    C_SHOW("boot_id", show_boot_id),
    C_TEXT("entropy_avail", "256\n"),
    C_TEXT("poolsize", "256\n"),
    C_SHOW("uuid", show_uuid),
    {0},
};
static const struct centry yama_table[] = {C_TEXT("ptrace_scope", "1\n"), {0}};
static const struct centry kernel_table[] = {
    C_TEXT("cap_last_cap", "40\n"),
    C_TEXT("core_pattern", "core\n"),
    C_TEXT("core_uses_pid", "0\n"),
    C_TEXT("domainname", "(none)\n"),
    C_SHOW("hostname", show_hostname),
    C_TEXT("msgmax", "8192\n"),
    C_TEXT("msgmnb", "16384\n"),
    C_TEXT("msgmni", "32000\n"),
    C_TEXT("ngroups_max", "65536\n"),
    C_TEXT("numa_balancing", "0\n"),
    C_TEXT("osrelease", "6.1.0-casemate\n"),
    C_TEXT("ostype", "Linux\n"),
    C_TEXT("overflowgid", "65534\n"),
    C_TEXT("overflowuid", "65534\n"),
    C_TEXT("perf_event_paranoid", "3\n"),
    C_TEXT("pid_max", "4194304\n"),
    C_TEXT("printk", "4\t4\t1\t7\n"),
    C_DIR("random", random_table),
    C_TEXT("randomize_va_space", "2\n"),
    C_TEXT("sem", "32000\t1024000000\t500\t32000\n"),
    C_TEXT("shmall", "18446744073692774399\n"),
    C_TEXT("shmmax", "18446744073692774399\n"),
    C_TEXT("shmmni", "4096\n"),
    C_TEXT("tainted", "0\n"),
    C_TEXT("threads-max", "127000\n"),
    C_TEXT("version", "#1 SMP Casemate library OS\n"),
    C_DIR("yama", yama_table),
    {0},
};
static const struct centry vm_table[] = {
    C_TEXT("dirty_background_ratio", "10\n"),
    C_TEXT("dirty_ratio", "20\n"),
    C_TEXT("max_map_count", "1048576\n"),
    C_TEXT("mmap_min_addr", "65536\n"),
    C_TEXT("nr_hugepages", "0\n"),
    C_TEXT("overcommit_memory", "1\n"),
    C_TEXT("overcommit_ratio", "50\n"),
    C_TEXT("swappiness", "60\n"),
    C_TEXT("zone_reclaim_mode", "0\n"),
    {0},
};
static const struct centry inotify_table[] = {
    C_TEXT("max_queued_events", "16384\n"),
    C_TEXT("max_user_instances", "8192\n"),
    C_TEXT("max_user_watches", "65536\n"),
    {0},
};
static const struct centry epoll_table[] = {C_TEXT("max_user_watches", "1048576\n"), {0}};
static const struct centry fs_table[] = {
    C_TEXT("aio-max-nr", "65536\n"),
    C_TEXT("aio-nr", "0\n"),
    C_DIR("epoll", epoll_table),
    C_TEXT("file-max", "9223372036854775807\n"),
    C_TEXT("file-nr", "0\t0\t9223372036854775807\n"),
    C_DIR("inotify", inotify_table),
    C_TEXT("nr_open", "1048576\n"),
    C_TEXT("pipe-max-size", "1048576\n"),
    C_TEXT("protected_hardlinks", "0\n"),
    C_TEXT("protected_symlinks", "0\n"),
    C_TEXT("suid_dumpable", "0\n"),
    {0},
};
static const struct centry net_core_table[] = {
    C_TEXT("netdev_max_backlog", "1000\n"), C_TEXT("optmem_max", "131072\n"),
    C_TEXT("rmem_default", "212992\n"),     C_TEXT("rmem_max", "212992\n"),
    C_TEXT("somaxconn", "4096\n"),          C_TEXT("wmem_default", "212992\n"),
    C_TEXT("wmem_max", "212992\n"),         {0},
};
static const struct centry ipv4_table[] = {
    C_TEXT("ip_forward", "0\n"),
    C_TEXT("ip_local_port_range", "32768\t60999\n"),
    C_TEXT("ip_unprivileged_port_start", "1024\n"),
    C_TEXT("tcp_congestion_control", "cubic\n"),
    C_TEXT("tcp_fastopen", "0\n"),
    C_TEXT("tcp_fin_timeout", "60\n"),
    C_TEXT("tcp_keepalive_intvl", "75\n"),
    C_TEXT("tcp_keepalive_probes", "9\n"),
    C_TEXT("tcp_keepalive_time", "7200\n"),
    C_TEXT("tcp_max_syn_backlog", "1024\n"),
    C_TEXT("tcp_rmem", "4096\t131072\t6291456\n"),
    C_TEXT("tcp_syncookies", "1\n"),
    C_TEXT("tcp_tw_reuse", "2\n"),
    C_TEXT("tcp_wmem", "4096\t16384\t4194304\n"),
    {0},
};
static const struct centry net_table[] = {
    C_DIR("core", net_core_table), C_DIR("ipv4", ipv4_table), {0}};
const struct centry proc_sys_table[] = {
    C_DIR("fs", fs_table),
    C_DIR("kernel", kernel_table),
    C_DIR("net", net_table),
    C_DIR("vm", vm_table),
    {0},
};

/*
 * The host's network is not visible from inside: sockets are carried out by the monitor. These tables exist because programs
 * open them, and they are empty rather than wrong; without if_inet6 programs know that IPv6 is not offered.
 */
static const char dev_text[] =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
    "    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n";
static const char socket_head[] =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const struct centry proc_net_table[] = {
    C_TEXT("arp",
           "IP address       HW type     Flags       HW address            Mask     Device\n"),
    C_TEXT("dev", dev_text),
    C_TEXT("route",
           "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"),
    C_TEXT("tcp", socket_head),
    C_TEXT("tcp6", socket_head),
    C_TEXT("udp", socket_head),
    C_TEXT("udp6", socket_head),
    C_TEXT("unix", "Num       RefCount Protocol Flags    Type St Inode Path\n"),
    {0},
};
