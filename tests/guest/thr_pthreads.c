/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX threads: creation, joining, mutexes, condition variables, thread-local storage, many at once. */
#include <pthread.h>

#include "tests/guest/promise.h"

enum { THREADS = 16, TURNS = 2000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int counter, turn;
static __thread int own = 7;

static void *adds(void *arg)
{
    WANT_EQ(own, 7);
    for (int i = 0; i < TURNS; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
        own++;
    }
    WANT_EQ(own, 7 + TURNS);
    return (char *)arg + 1;
}

static void *takes_turns(void *arg)
{
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < 100; i++) {
        pthread_mutex_lock(&mutex);
        while (turn != me) { pthread_cond_wait(&changed, &mutex); }
        turn = 1 - me;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

PROMISE("threads work")
{
    pthread_t t[THREADS];
    void *result;
    for (intptr_t i = 0; i < THREADS; i++) {
        WANT_EQ(pthread_create(&t[i], NULL, adds, (void *)i), 0);
    }
    for (intptr_t i = 0; i < THREADS; i++) {
        WANT_EQ(pthread_join(t[i], &result), 0);
        WANT_EQ(result, i + 1);
    }
    WANT_EQ(counter, THREADS * TURNS);
    WANT_EQ(own, 7);
    for (intptr_t i = 0; i < 2; i++) {
        WANT_EQ(pthread_create(&t[i], NULL, takes_turns, (void *)i), 0);
    }
    for (int i = 0; i < 2; i++) { WANT_EQ(pthread_join(t[i], NULL), 0); }
    for (int i = 0; i < 300; i++) { /* stacks and ids are recycled */
        WANT_EQ(pthread_create(&t[0], NULL, adds, NULL), 0);
        WANT_EQ(pthread_join(t[0], NULL), 0);
    }
    struct timespec past;
    clock_gettime(CLOCK_REALTIME, &past);
    pthread_mutex_lock(&mutex);
    WANT_EQ(pthread_cond_timedwait(&changed, &mutex, &past), ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
}
