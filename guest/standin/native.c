/* SPDX-License-Identifier: Apache-2.0 */
/*
 * los-native: real Linux programs under the library OS, in one process of the host.
 *
 *   los-native [--guarded] [--memory MIB] --root DIR PROGRAM [ARGUMENT...]
 *
 * DIR is copied into memory and becomes /; PROGRAM runs there as pid 1 with the host's standard
 * descriptors. The exit status is the program's. For tests and debugging: there is no
 * confidentiality and one vCPU.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/fs/fs.h"
#include "guest/mm/frames.h"
#include "guest/mm/tables.h"
#include "guest/standin/native.h"
#include "guest/standin/ward_native.h"
#include "guest/task/sched.h"
#include "guest/ward.h"

static const char *root_dir;
static char **program;

/* On the first thread's own stack. */
static void first_main(void)
{
    static char *envp[] = {"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/",
                           "TERM=dumb", NULL};
    const struct exec_vec v = {program, envp};
    int err;

    sched_switched();
    if (native_load_tree(root_dir) < 0) { ward_power_off(125); }
    struct file *f = file_open(program[0], LO_RDONLY, 0, &err);
    if (f != NULL) { err = exec_file(f, program[0], &v); }
    if (err < 0) {
        fprintf(stderr, "los-native: %s: %s\n", program[0], strerror(-err));
        ward_power_off(127);
    }
    file_put(f);
    thread_leave();
}

static void start_first(void)
{
    struct proc *p = proc_new(NULL, false);
    struct thread *t = p != NULL ? thread_new(p) : NULL;
    if (t == NULL) { panic("first process"); }
    p->space = space_new();
    p->files = fdtable_new();
    p->fs = fsctx_first();
    if (p->space == NULL || p->files == NULL || p->fs == NULL || native_stdio(p->files) < 0) {
        panic("first process");
    }
    thread_start_at(t, first_main);
}

static int usage(void)
{
    fputs("usage: los-native [--guarded] [--memory MIB] --root DIR PROGRAM [ARGUMENT...]\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"root", required_argument, NULL, 'r'},
        {"memory", required_argument, NULL, 'm'},
        {"guarded", no_argument, NULL, 'g'},
        {NULL, 0, NULL, 0},
    };
    uint64_t memory_mib = 1024;
    bool guarded = false;
    for (int c = 0; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (c == 'r') {
            root_dir = optarg;
        } else if (c == 'm') {
            memory_mib = strtoull(optarg, NULL, 10);
        } else if (c == 'g') {
            guarded = true;
        } else {
            return usage();
        }
    }
    if (root_dir == NULL || optind == argc || memory_mib < RAM_MIN >> 20 ||
        memory_mib > HOLE_LO >> 20) {
        return usage();
    }
    program = argv + optind;

    native_ward_start(memory_mib / 2 * CHUNK_SIZE, guarded);
    frames_init();
    tables_init();
    native_machine_start();
    sched_cpu_init(0);
    device_poll = native_input_ready;
    big_lock();
    if (fs_init() != 0) { panic("file systems"); }
    start_first();
    sched_idle(NULL);
    return 1;
}
