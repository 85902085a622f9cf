/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V shared memory: a number names memory that children inherit and others attach; it is counted, and a removed
 * segment lives until the last attachment goes. What postgres and fakeroot need.
 */
#include "tests/guest/promise.h"

#include <sys/ipc.h>
#include <sys/shm.h>

static struct shmid_ds status_of(int id)
{
    struct shmid_ds d;
    MUST(shmctl(id, IPC_STAT, &d));
    return d;
}

static void run_child(void (*act)(int id, char *at), int id, char *at)
{
    int status;
    pid_t pid = MUST(fork());
    if (pid == 0) {
        act(id, at);
        _exit(0);
    }
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(status, 0);
}

static void write_inherited(int id, char *at)
{
    WANT_EQ(status_of(id).shm_nattch, 2);
    at[5000] = 'c';
}

static void attach_by_number(int id, char *at)
{
    char *own = shmat(id, NULL, 0);
    WANT(own != (void *)-1 && own != at);
    WANT_EQ(own[5000], 'c');
    own[1] = 'o';
    WANT_EQ(at[1], 'o');
    WANT_EQ(shmdt(own), 0);
}

static void write_readonly(int id, char *at)
{
    (void)at;
    volatile char *own = shmat(id, NULL, SHM_RDONLY);
    WANT(own != (void *)-1);
    signal(SIGSEGV, SIG_DFL);
    pid_t pid = MUST(fork());
    if (pid == 0) {
        own[0] = 1;
        _exit(0);
    }
    int status;
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(WTERMSIG(status), SIGSEGV);
}

static void by_key(void)
{
    key_t key = 0x43610000 | (getpid() & 0xffff);
    WANT_ERR(shmget(key, 100, 0600), ENOENT);
    int id = MUST(shmget(key, 100, IPC_CREAT | IPC_EXCL | 0600));
    WANT_ERR(shmget(key, 100, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
    WANT_EQ(shmget(key, 0, 0), id);
    WANT_EQ(shmget(key, 100, IPC_CREAT | 0600), id);
    WANT_ERR(shmget(key, 101, 0), EINVAL);
    MUST(shmctl(id, IPC_RMID, NULL));
    WANT_ERR(shmget(key, 0, 0), ENOENT);
    WANT_ERR(shmat(id, NULL, 0) == (void *)-1 ? -1 : 0, EINVAL);
}

PROMISE("System V shared memory lives by attachments")
{
    WANT_ERR(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
    int id = MUST(shmget(IPC_PRIVATE, 6000, IPC_CREAT | 0640));
    struct shmid_ds d = status_of(id);
    WANT_EQ(d.shm_segsz, 6000);
    WANT_EQ(d.shm_nattch, 0);
    WANT_EQ(d.shm_perm.mode, 0640);
    WANT_EQ(d.shm_cpid, getpid());
    WANT_EQ(d.shm_lpid, 0);

    char *at = shmat(id, NULL, 0);
    WANT(at != (void *)-1);
    WANT_EQ(at[0], 0);
    WANT_EQ(at[2 * PAGE - 1], 0); /* whole pages */
    d = status_of(id);
    WANT_EQ(d.shm_nattch, 1);
    WANT_EQ(d.shm_lpid, getpid());
    run_child(write_inherited, id, at);
    run_child(attach_by_number, id, at);
    run_child(write_readonly, id, at);
    WANT_EQ(status_of(id).shm_nattch, 1);

    WANT_ERR(shmat(id, at + 1, 0) == (void *)-1 ? -1 : 0, EINVAL);
    WANT_ERR(shmat(id, at, 0) == (void *)-1 ? -1 : 0, EINVAL); /* something is there */
    WANT(shmat(id, at + 1, SHM_RND | SHM_REMAP) == at);
    WANT_EQ(status_of(id).shm_nattch, 1);

    MUST(shmctl(id, IPC_RMID, NULL));
    d = status_of(id);
    WANT_EQ(d.shm_perm.mode, 0640 | SHM_DEST);
    run_child(attach_by_number, id, at); /* still possible */
    MUST(mprotect(at, PAGE, PROT_READ)); /* two pieces, one attachment */
    WANT_EQ(status_of(id).shm_nattch, 2);
    WANT_ERR(shmdt(at + PAGE), EINVAL);
    WANT_EQ(shmdt(at), 0);
    WANT_ERR(shmdt(at), EINVAL);
    WANT_ERR(shmctl(id, IPC_STAT, &d), EINVAL);
    WANT_ERR(shmctl(id, 99, &d), EINVAL);
    by_key();
}
