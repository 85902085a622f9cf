/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program the library OS starts first. One line on standard error and an exit status when it
 * cannot go on.
 */
#include "loader/init/env.h"
#include "loader/init/init.h"

#include <stdio.h>
#include <unistd.h>

int main(void)
{
    struct err e = {0};
    char line[sizeof e.text + 16];
    int status = init_run("/container", &e);
    int n = snprintf(line, sizeof line, "casemate: %s\n", e.text);

    if (n > 0) { (void)!write(STDERR_FILENO, line, (size_t)n); }
    env_fail(status);
    return status;
}
