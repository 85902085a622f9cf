/* SPDX-License-Identifier: Apache-2.0 */
/* libs: image jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lz -lzstd -ldeflate -lcrypto */
/* User names against an image's files; the input is USER, NUL, passwd, NUL, group. */
#include "loader/image/user.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct user u;
    struct err e = {0};
    const char *p = (const char *)data, *end = p + size;
    size_t name_len = strnlen(p, size);
    char *name = strndup(p, size);

    if (!name) { return 0; }
    p = name_len < size ? p + name_len + 1 : end;
    size_t passwd_len = strnlen(p, (size_t)(end - p));
    const char *group = passwd_len < (size_t)(end - p) ? p + passwd_len + 1 : end;
    if (user_lookup(name, p, passwd_len, group, (size_t)(end - group), &u, &e) == 0 &&
        (u.home[0] != '/' || u.group_count > USER_GROUPS_MAX || u.uid == UINT32_MAX)) {
        abort();
    }
    free(name);
    return 0;
}
