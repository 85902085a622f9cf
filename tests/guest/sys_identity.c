/* SPDX-License-Identifier: Apache-2.0 */
/* Who and where: user and group ids and dropping them, names, limits, processors, randomness. */
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "tests/guest/promise.h"

static void drops_root(void)
{
    gid_t groups[4] = {10, 20}, back[4];
    MUST(setgroups(2, groups));
    WANT_EQ(MUST(getgroups(4, back)), 2);
    WANT_EQ(back[1], 20);
    MUST(setgid(1001));
    MUST(setuid(1000));
    WANT_EQ(getuid(), 1000);
    WANT_EQ(geteuid(), 1000);
    WANT_EQ(getgid(), 1001);
    uid_t r, e, s;
    MUST(getresuid(&r, &e, &s));
    WANT_EQ(s, 1000);
    WANT_ERR(setuid(0), EPERM);
    WANT_ERR(setgroups(0, NULL), EPERM);
}

PROMISE("identity and limits")
{
    struct utsname u;
    MUST(uname(&u));
    WANT_EQ(strcmp(u.sysname, "Linux"), 0);
    WANT_EQ(strcmp(u.machine, "x86_64"), 0);
    int major = 0, minor = 0;
    WANT_EQ(sscanf(u.release, "%d.%d", &major, &minor), 2);
    WANT(major > 5 || (major == 5 && minor >= 10));
    struct sysinfo si;
    MUST(sysinfo(&si));
    WANT(si.uptime > 0 && si.totalram > 0 && si.mem_unit > 0 && si.procs > 0);
    struct rlimit rl;
    MUST(getrlimit(RLIMIT_NOFILE, &rl));
    WANT(rl.rlim_cur >= 256 && rl.rlim_cur <= rl.rlim_max);
    rl.rlim_cur = 128;
    MUST(setrlimit(RLIMIT_NOFILE, &rl));
    MUST(getrlimit(RLIMIT_NOFILE, &rl));
    WANT_EQ(rl.rlim_cur, 128);
    rl.rlim_cur = rl.rlim_max + 1;
    if (rl.rlim_cur) { WANT_ERR(setrlimit(RLIMIT_NOFILE, &rl), EINVAL); }
    uint64_t cpus[16] = {0};
    long bytes = MUST(syscall(SYS_sched_getaffinity, 0, sizeof(cpus), cpus));
    WANT(bytes >= 8 && bytes % 8 == 0);
    WANT(cpus[0] != 0);
    WANT_ERR(syscall(SYS_sched_getaffinity, 0, 1, cpus), EINVAL);
    unsigned cpu = 999, node = 999;
    MUST(syscall(SYS_getcpu, &cpu, &node, NULL));
    WANT(cpu < 64 * 16 && cpus[cpu / 64] >> cpu % 64 & 1);
    uint8_t a[256], b[256];
    WANT_EQ(MUST(syscall(SYS_getrandom, a, sizeof(a), 0)), sizeof(a));
    WANT_EQ(MUST(syscall(SYS_getrandom, b, sizeof(b), 1)), sizeof(b));
    WANT(memcmp(a, b, sizeof(a)) != 0);
    WANT_ERR(syscall(SYS_getrandom, a, 8, 0x100), EINVAL);
    char name[16];
    MUST(prctl(PR_SET_NAME, "promise", 0, 0, 0));
    MUST(prctl(PR_GET_NAME, name, 0, 0, 0));
    WANT_EQ(strcmp(name, "promise"), 0);
    WANT_ERR(prctl(9999, 0, 0, 0, 0), EINVAL);
    WANT_EQ(syscall(SYS_set_tid_address, &cpu), getpid());
    if (getuid() == 0) { WANT_EQ(in_child(drops_root), 0); }
    umask(022);
    WANT_EQ(umask(077), 022);
    struct rusage ru;
    MUST(getrusage(RUSAGE_SELF, &ru));
    WANT(ru.ru_maxrss > 0);
    WANT_ERR(getrusage(77, &ru), EINVAL);
}
