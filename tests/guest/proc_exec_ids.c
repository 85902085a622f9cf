/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What execve does to users and capabilities: root's are full again, everybody else's go, also those kept over setuid; a
 * set-user-ID program runs as its owner, knows it (AT_SECURE), and does not when new privileges are forbidden. What su, sudo
 * and setpriv are made of. The program starts itself again and is told what it should find.
 */
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>

#include "tests/guest/promise.h"

#define USER  1234
#define OWNER 1235
#define CHOWN 1u /* CAP_CHOWN is 0 */

struct caps {
    uint32_t effective, permitted, inheritable;
};
static const uint32_t version_3[2] = {0x20080522, 0};

static struct caps caps(void)
{
    struct caps d[2];
    MUST(syscall(SYS_capget, version_3, d));
    return d[0];
}

static void set_caps(uint32_t effective, uint32_t permitted, uint32_t inheritable)
{
    struct caps d[2] = {{effective, permitted, inheritable}};
    MUST(syscall(SYS_capset, version_3, d));
}

static void become(uid_t uid)
{
    MUST(setresgid(uid, uid, uid));
    MUST(setresuid(uid, uid, uid));
}

static void root_drops_all(void) { set_caps(0, 0, 0); }
static void user(void) { become(USER); }
static void user_keeps(void)
{
    MUST(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    become(USER);
    WANT_EQ(caps().permitted & CHOWN, CHOWN);
    WANT_EQ(caps().effective, 0);
}
static void user_ambient(void)
{
    user_keeps();
    set_caps(CHOWN, CHOWN, CHOWN);
    MUST(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0));
}
static void user_no_new(void)
{
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    become(USER);
}

/* In a child: prepare(), then the program `path`, which finds these. A capability: CAP_CHOWN, effective and permitted. */
static void check(void (*prepare)(void), const char *path, int ruid, int euid, int chown, int secure)
{
    char want[4][16];
    int found[4] = {ruid, euid, chown, secure};
    int status;
    for (int i = 0; i < 4; i++) { snprintf(want[i], sizeof(want[i]), "%d", found[i]); }
    pid_t pid = MUST(fork());
    if (pid == 0) {
        prepare();
        execl(path, path, want[0], want[1], want[2], want[3], NULL);
        _exit(9);
    }
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(status, 0);
}

static void copy_self(const char *path, mode_t mode)
{
    char buf[65536];
    ssize_t n;
    int from = MUST(open("/proc/self/exe", O_RDONLY));
    int to = MUST(open(path, O_WRONLY | O_CREAT, 0700));
    while ((n = MUST(read(from, buf, sizeof(buf)))) > 0) { WANT_EQ(write(to, buf, (size_t)n), n); }
    MUST(fchown(to, OWNER, OWNER));
    MUST(fchmod(to, mode));
    MUST(close(from));
    MUST(close(to));
}

PROMISE("execve changes users and capabilities")
{
    if (argc == 5) {
        uid_t r, e, s;
        MUST(getresuid(&r, &e, &s));
        WANT_EQ(r, atoi(argv[1]));
        WANT_EQ(e, atoi(argv[2]));
        WANT_EQ(s, e);
        WANT_EQ(caps().effective & CHOWN, atoi(argv[3]) ? CHOWN : 0);
        WANT_EQ(caps().permitted & CHOWN, atoi(argv[3]) ? CHOWN : 0);
        WANT_EQ(getauxval(AT_SECURE), atoi(argv[4]));
        WANT_EQ(getauxval(AT_EUID), e);
        WANT_EQ(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0), 0);
        return;
    }
    WANT_EQ(geteuid(), 0);
    scratch();
    MUST(chmod(".", 0755));
    copy_self("plain", 0755);
    copy_self("setid", 04755);
    struct statvfs st;
    MUST(statvfs(".", &st));
    int owner = st.f_flag & ST_NOSUID ? USER : OWNER;

    check(root_drops_all, "./plain", 0, 0, 1, 0);
    check(user, "./plain", USER, USER, 0, 0);
    check(user_keeps, "./plain", USER, USER, 0, 0);
    check(user_ambient, "./plain", USER, USER, 1, 0);
    check(user, "./setid", USER, owner, 0, owner != USER);
    check(user_no_new, "./setid", USER, USER, 0, 0);
}
