/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that newer ones replaced still work by their numbers: musl and old static programs use nothing else. */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>
#include <utime.h>

#include "tests/guest/promise.h"

static void files(void)
{
    struct stat st, st2;
    int fd = MUST(syscall(SYS_open, "a", O_RDWR | O_CREAT, 0644));
    WANT_EQ(MUST(syscall(SYS_write, fd, "abc", 3)), 3);
    MUST(syscall(SYS_stat, "a", &st));
    WANT_EQ(st.st_size, 3);
    MUST(syscall(SYS_fstat, fd, &st2));
    WANT_EQ(st.st_ino, st2.st_ino);
    MUST(syscall(SYS_access, "a", R_OK | W_OK));
    MUST(syscall(SYS_rename, "a", "b"));
    WANT_ERR(syscall(SYS_access, "a", F_OK), ENOENT);
    MUST(syscall(SYS_link, "b", "c"));
    MUST(syscall(SYS_symlink, "b", "d"));
    MUST(syscall(SYS_lstat, "d", &st));
    WANT(S_ISLNK(st.st_mode));
    char target[8] = "";
    WANT_EQ(MUST(syscall(SYS_readlink, "d", target, sizeof(target))), 1);
    WANT_EQ(target[0], 'b');
    MUST(syscall(SYS_chmod, "b", 0600));
    MUST(syscall(SYS_stat, "c", &st));
    WANT_EQ(st.st_mode & 07777, 0600);
    WANT_EQ(st.st_nlink, 2);
    MUST(syscall(SYS_chown, "b", -1, -1));
    MUST(syscall(SYS_lchown, "d", -1, -1));
    MUST(syscall(SYS_mkdir, "e", 0755));
    WANT_ERR(syscall(SYS_unlink, "e"), EISDIR);
    MUST(syscall(SYS_rmdir, "e"));
    MUST(syscall(SYS_unlink, "c"));
    MUST(syscall(SYS_mknod, "fifo", S_IFIFO | 0600, 0));
    int made = MUST(syscall(SYS_creat, "g", 0640));
    WANT_ERR(syscall(SYS_read, made, target, 1), EBADF);
    struct utimbuf when = {.actime = 1000, .modtime = 2000};
    MUST(syscall(SYS_utime, "b", &when));
    MUST(syscall(SYS_stat, "b", &st));
    WANT_EQ(st.st_mtime, 2000);
    struct timeval both[2] = {{3000, 0}, {4000, 0}};
    MUST(syscall(SYS_utimes, "b", both));
    MUST(syscall(SYS_stat, "b", &st));
    WANT_EQ(st.st_atime, 3000);
    int dir = MUST(syscall(SYS_open, ".", O_RDONLY | O_DIRECTORY));
    char entries[1024];
    WANT(MUST(syscall(SYS_getdents, dir, entries, sizeof(entries))) > 0);
}

static void descriptors(void)
{
    int fds[2];
    char byte = 'x';
    MUST(syscall(SYS_pipe, fds));
    WANT_EQ(MUST(syscall(SYS_write, fds[1], &byte, 1)), 1);
    struct pollfd p = {.fd = fds[0], .events = POLLIN};
    WANT_EQ(MUST(syscall(SYS_poll, &p, 1, -1)), 1);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    struct timeval zero = {0, 0};
    WANT_EQ(MUST(syscall(SYS_select, fds[0] + 1, &set, NULL, NULL, &zero)), 1);
    WANT(FD_ISSET(fds[0], &set));
    WANT_EQ(MUST(syscall(SYS_dup2, fds[0], 100)), 100);
    int ep = MUST(syscall(SYS_epoll_create, 1));
    struct epoll_event ev = {.events = EPOLLIN};
    MUST(syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fds[0], &ev));
    WANT_EQ(MUST(syscall(SYS_epoll_wait, ep, &ev, 1, -1)), 1);
    MUST(syscall(SYS_eventfd, 0));
}

static volatile int alarms;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    alarms += number == SIGALRM;
}

PROMISE("old twins work")
{
    scratch();
    files();
    descriptors();
    int status;
    pid_t pid = (pid_t)MUST(syscall(SYS_fork));
    if (pid == 0) { syscall(SYS_exit, 5); }
    WANT_EQ(MUST(syscall(SYS_wait4, pid, &status, 0, NULL)), pid);
    WANT_EQ(WEXITSTATUS(status), 5);
    time_t now = (time_t)MUST(syscall(SYS_time, NULL));
    struct timeval tv;
    MUST(syscall(SYS_gettimeofday, &tv, NULL));
    WANT(tv.tv_sec - now <= 5);
    WANT_EQ(syscall(SYS_getpgrp), getpgid(0));
    on_signal(SIGALRM, handler, 0);
    MUST(syscall(SYS_alarm, 1));
    WANT_ERR(syscall(SYS_pause), EINTR);
    WANT_EQ(alarms, 1);
}
