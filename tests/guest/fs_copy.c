/* SPDX-License-Identifier: Apache-2.0 */
/* sendfile and copy_file_range move bytes between descriptors and keep the right positions. */
#include <sys/sendfile.h>

#include "tests/guest/promise.h"

PROMISE("bytes are moved")
{
    char b[16] = "";
    int fds[2];
    scratch();
    put_file("a", "0123456789");
    int a = MUST(open("a", O_RDONLY)), c = MUST(open("c", O_RDWR | O_CREAT, 0600));
    MUST(pipe(fds));
    off_t off = 3;
    WANT_EQ(sendfile(fds[1], a, &off, 4), 4);
    WANT_EQ(off, 7);
    WANT_EQ(lseek(a, 0, SEEK_CUR), 0);
    WANT_EQ(read(fds[0], b, 16), 4);
    WANT_EQ(memcmp(b, "3456", 4), 0);
    WANT_EQ(sendfile(c, a, NULL, 100), 10);
    WANT_EQ(lseek(a, 0, SEEK_CUR), 10);
    WANT_EQ(sendfile(c, a, NULL, 100), 0);
    want_file("c", "0123456789");
    WANT_ERR(sendfile(c, fds[0], NULL, 1), EINVAL);
    int64_t from = 2, to = 8;
    long n = syscall(SYS_copy_file_range, a, &from, c, &to, 3, 0);
    if (n != -1) { /* refusing is allowed; a wrong result is not */
        WANT_EQ(n, 3);
        WANT_EQ(to, 11);
        want_file("c", "01234567234");
    } else {
        WANT(errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS);
    }
    WANT_ERR(syscall(SYS_copy_file_range, fds[0], NULL, c, NULL, 3, 0), EINVAL);
}
