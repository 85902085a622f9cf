/* SPDX-License-Identifier: Apache-2.0 */
/* MADV_DONTNEED gives memory back at once: private pages come again as zeros or as the file has them, shared ones stay. */
#include "tests/guest/promise.h"

PROMISE("madvise drops pages")
{
    char *m = anon(1024);
    memset(m, 'x', 1024 * PAGE);
    MUST(madvise(m + PAGE, 1000 * PAGE, MADV_DONTNEED));
    WANT_EQ(m[0], 'x');
    for (size_t i = 1; i < 1001; i++) { WANT_EQ(m[i * PAGE + 7], 0); }
    WANT_EQ(m[1001 * PAGE], 'x');
    m[5 * PAGE] = 'y';
    WANT_EQ(m[5 * PAGE], 'y');

    char *shared =
        MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    shared[0] = 's';
    MUST(madvise(shared, PAGE, MADV_DONTNEED));
    WANT_EQ(shared[0], 's');

    scratch();
    put_file("f", "file");
    int fd = MUST(open("f", O_RDONLY));
    char *file = MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    file[0] = 'F';
    MUST(madvise(file, PAGE, MADV_DONTNEED));
    WANT_EQ(file[0], 'f');

    MUST(madvise(m, 1024 * PAGE, MADV_WILLNEED));
    MUST(madvise(m, PAGE, MADV_SEQUENTIAL));
    WANT_ERR(madvise(m + 1, PAGE, MADV_DONTNEED), EINVAL);
    WANT_ERR(madvise(m, PAGE, 9999), EINVAL);
    MUST(munmap(m + PAGE, PAGE));
    WANT_ERR(madvise(m, 3 * PAGE, MADV_DONTNEED), ENOMEM);
    WANT_EQ(m[0], 0);
    WANT_EQ(m[2 * PAGE], 0);
    /* A child of fork keeps what its parent drops. */
    m[2 * PAGE] = 'k';
    int go[2];
    char byte = 0;
    MUST(pipe(go));
    pid_t pid = MUST(fork());
    if (pid == 0) {
        WANT_EQ(read(go[0], &byte, 1), 1);
        _exit(m[2 * PAGE] == 'k' ? 0 : 1);
    }
    MUST(madvise(m + 2 * PAGE, PAGE, MADV_DONTNEED));
    WANT_EQ(write(go[1], &byte, 1), 1);
    int status;
    MUST(waitpid(pid, &status, 0));
    WANT_EQ(status, 0);
    WANT_EQ(m[2 * PAGE], 0);
}
