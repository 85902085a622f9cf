/* SPDX-License-Identifier: Apache-2.0 */
/* libs: policy control image initdata jose crypto_full crypto_small base */
/* ldlibs: -ljansson -lz -lzstd -ldeflate -lcrypto */
/*
 * The launch policy against one spec, and the pattern matcher: PATTERN, NUL, TEXT. A literal
 * pattern matches one text.
 */
#include "loader/init/policy.h"
#include "guest/base/glob.h"
#include "guest/control.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const args[] = {"sh", "-c", "x", NULL}, *const env[] = {"PATH=/bin", NULL};
    static const struct launch_spec spec = {
        .args = args, .env = env, .cwd = "/", .hostname = "", .user = ""};
    struct err e = {0};
    size_t n = strnlen((const char *)data, size);
    char *pattern = strndup((const char *)data, size);
    char *text = n < size ? strndup((const char *)data + n + 1, size - n - 1) : strdup("");

    auto_policy p = NULL;
    if (policy_load((const char *)data, size, &p, &e) == 0) {
        size_t count;
        const struct secret_file *f = policy_files(p, &count);
        for (size_t i = 0; i < count; i++) {
            if (f[i].path[0] != '/' || !f[i].source) { abort(); }
        }
        size_t len;
        static struct control c;
        const void *table = policy_control(p, &len);
        if (table && !control_load(&c, table, len)) { abort(); } /* what init writes is a table */
        (void)!policy_judge(p, &spec, &e);
    }
    if (pattern && text) {
        bool matches = glob_matches(pattern, text);
        if (!strpbrk(pattern, "*\\") && matches != (strcmp(pattern, text) == 0)) { abort(); }
    }
    free(pattern);
    free(text);
    return 0;
}
