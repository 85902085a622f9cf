/* SPDX-License-Identifier: Apache-2.0 */
/* See cli.h. */
#include "attest/cli/cli.h"

#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

int cli_fail(const char *command, const struct err *e)
{
    (void)fprintf(stderr, "cc-attest: %s: %s\n", command, e->text);
    return CLI_WRONG;
}

int cli_usage(const char *command, const char *what)
{
    (void)fprintf(stderr, "cc-attest: %s: %s; see cc-attest --help\n", command, what);
    return CLI_WRONG;
}

int cli_read_file(const char *path, char **out, size_t *out_len, struct err *e)
{
    auto_file f = fopen(path, "rbe");
    if (!f) { return err_set(e, errno, "%s: %s", path, strerror(errno)); }
    auto_free char *p = malloc(CLI_FILE_MAX + 1);
    if (!p) { return err_set(e, ENOMEM, "out of memory"); }
    size_t len = fread(p, 1, CLI_FILE_MAX, f);
    if (ferror(f)) { return err_set(e, EIO, "%s: cannot be read", path); }
    if (len == CLI_FILE_MAX) {
        return err_set(e, EFBIG, "%s: more than %u bytes", path, CLI_FILE_MAX - 1);
    }
    p[len] = '\0';
    *out = steal_ptr(&p);
    *out_len = len;
    return 0;
}

int cli_print_json(const json_t *j, struct err *e)
{
    if (!j) { return err_set(e, ENOMEM, "out of memory"); }
    if (json_dumpf(j, stdout, JSON_INDENT(1)) != 0) { return err_set(e, EIO, "cannot write"); }
    (void)putchar('\n');
    return 0;
}
