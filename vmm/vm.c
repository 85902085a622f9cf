/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When vCPUs go and when they stop. A vCPU is made to leave KVM_RUN by a signal that does nothing else: `immediate_exit`
 * is set first, so one that is about to enter comes back at once.
 */
#include "vmm/vm.h"

#include <signal.h>

#define KICK_SIGNAL SIGRTMIN

static void on_kick(int signo) { (void)signo; }

void vm_stop_init(void)
{
    struct sigaction a = {.sa_handler = on_kick};
    sigset_t kick;

    sigemptyset(&a.sa_mask);
    (void)sigaction(KICK_SIGNAL, &a, NULL);
    /* Whoever started us may have blocked it; KVM_RUN would then not be stopped. */
    sigemptyset(&kick);
    sigaddset(&kick, KICK_SIGNAL);
    (void)pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
}

static void stop_all(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    atomic_store(&vm->stop, true);
    pthread_cond_broadcast(&vm->wake);
    pthread_mutex_unlock(&vm->lock);
    for (unsigned i = 0; i < vm->cpus; i++) {
        struct vcpu *v = &vm->vcpu[i];
        if (v->run == NULL) { continue; }
        v->run->immediate_exit = 1;
        if (v->thread != pthread_self()) { (void)pthread_kill(v->thread, KICK_SIGNAL); }
    }
}

void vm_end(struct vm *vm, unsigned status)
{
    pthread_mutex_lock(&vm->lock);
    if (!vm->ended) {
        vm->ended = true;
        vm->result->exited = true;
        vm->result->status = status;
    }
    pthread_mutex_unlock(&vm->lock);
    stop_all(vm);
}

void vm_fail(struct vm *vm, const struct err *why)
{
    pthread_mutex_lock(&vm->lock);
    if (!vm->ended) {
        vm->ended = true;
        *vm->error = *why;
    }
    pthread_mutex_unlock(&vm->lock);
    stop_all(vm);
}

static void set(struct vm *vm, bool *what)
{
    pthread_mutex_lock(&vm->lock);
    *what = true;
    pthread_cond_broadcast(&vm->wake);
    pthread_mutex_unlock(&vm->lock);
}

void vm_cpus_ready(struct vm *vm) { set(vm, &vm->cpus_ready); }
void vm_sandboxed(struct vm *vm) { set(vm, &vm->sandboxed); }

void vm_wait_ready(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    while (!(vm->cpus_ready && vm->sandboxed) && !atomic_load(&vm->stop)) {
        pthread_cond_wait(&vm->wake, &vm->lock);
    }
    pthread_mutex_unlock(&vm->lock);
}
