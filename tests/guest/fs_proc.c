/* SPDX-License-Identifier: Apache-2.0 */
/* /proc of a process tells about that process: program, arguments, descriptors, memory, state. */
#include <dirent.h>
#include <sys/prctl.h>

#include "tests/guest/promise.h"

static char text[1 << 16];

static size_t slurp(const char *path)
{
    size_t size = 0;
    int fd = MUST(open(path, O_RDONLY));
    for (ssize_t n; (n = MUST(read(fd, text + size, sizeof(text) - 1 - size))) > 0;) {
        size += (size_t)n;
    }
    MUST(close(fd));
    text[size] = 0;
    return size;
}

/* Does /proc/self/maps hold a region with this address inside, these rights and this name? */
static void want_region(const void *address, const char *rights, const char *name)
{
    slurp("/proc/self/maps");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned long start, end, off, inode;
        char perms[8], dev[16], path[512] = "";
        WANT(sscanf(line, "%lx-%lx %7s %lx %15s %lu %511[^\n]", &start, &end, perms, &off, dev,
                    &inode, path) >= 6);
        WANT(start < end && start % PAGE == 0 && end % PAGE == 0);
        if ((uintptr_t)address >= start && (uintptr_t)address < end) {
            WANT_EQ(strncmp(perms, rights, 4), 0);
            WANT(!name || strstr(path, name));
            return;
        }
    }
    WANT(!"the address is in some region");
}

PROMISE("/proc/self is about this process")
{
    char b[512] = "", c[512] = "";
    MUST(readlink("/proc/self/exe", b, sizeof(b) - 1));
    WANT_EQ(b[0], '/');
    WANT_EQ(strcmp(strrchr(b, '/'), strrchr(argv[0], '/') ? strrchr(argv[0], '/') : b), 0);
    WANT_EQ(slurp("/proc/self/cmdline"), strlen(argv[0]) + 1);
    WANT_EQ(strcmp(text, argv[0]), 0);
    MUST(prctl(PR_SET_NAME, "a name too long for it", 0, 0, 0));
    slurp("/proc/self/comm");
    WANT_EQ(strcmp(text, "a name too long\n"), 0);
    slurp("/proc/self/stat");
    int pid, ppid, pgrp, session;
    char state;
    WANT_EQ(sscanf(text, "%d (a name too long) %c %d %d %d ", &pid, &state, &ppid, &pgrp, &session),
            5);
    WANT_EQ(pid, getpid());
    WANT_EQ(ppid, getppid());
    WANT_EQ(pgrp, getpgrp());
    WANT_EQ(session, getsid(0));
    WANT_EQ(state, 'R');
    int fields = 1;
    for (char *s = text; *s; s++) { fields += *s == ' '; }
    WANT_EQ(fields - 3, 52); /* the name holds three blanks */
    slurp("/proc/self/status");
    WANT(strstr(text, "Name:\ta name too long\n"));
    snprintf(c, sizeof(c), "\nPid:\t%d\n", getpid());
    WANT(strstr(text, c));
    snprintf(c, sizeof(c), "\nPPid:\t%d\n", getppid());
    WANT(strstr(text, c));
    WANT(strstr(text, "\nUid:\t") && strstr(text, "\nThreads:\t1\n") && strstr(text, "\nVmRSS:\t"));

    int fds[2];
    MUST(pipe(fds));
    snprintf(c, sizeof(c), "/proc/self/fd/%d", fds[0]);
    MUST(readlink(c, b, sizeof(b) - 1));
    WANT_EQ(strncmp(b, "pipe:[", 6), 0);
    int again = MUST(open("/proc/self/fd/0", O_RDONLY));
    WANT(again > fds[1]);
    DIR *d = opendir("/proc/self/fd");
    WANT(d);
    bool found = false;
    for (struct dirent *e; (e = readdir(d));) { found |= atoi(e->d_name) == fds[1]; }
    WANT(found);
    closedir(d);

    static int variable;
    int local = 0;
    want_region(&local, "rw-p", "[stack]");
    want_region(&variable, "rw-p", NULL);
    want_region((void *)(uintptr_t)slurp, "r-xp", strrchr(argv[0], '/'));
    char *m = anon(3);
    MUST(mprotect(m + PAGE, PAGE, PROT_NONE));
    want_region(m + PAGE, "---p", NULL);
    want_region(m, "rw-p", NULL);
    WANT_ERR(open("/proc/self/nothing", O_RDONLY), ENOENT);
    WANT_ERR(open("/proc/4000000", O_RDONLY), ENOENT);
    snprintf(c, sizeof(c), "/proc/%d/stat", getpid());
    slurp(c);
    slurp("/proc/meminfo");
    WANT(strstr(text, "MemTotal:") && strstr(text, "MemAvailable:"));
    slurp("/proc/cpuinfo");
    WANT(strstr(text, "processor\t: 0") && strstr(text, "flags\t\t:"));
}
