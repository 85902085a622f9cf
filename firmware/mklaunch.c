/* SPDX-License-Identifier: Apache-2.0 */
/* mklaunch CORE AGENT|- OUT: writes the launch page that names these parts by hash (build tool). */
#include "firmware/plan.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <string.h>

#define PART_MAX (64u << 20)

static int slurp(const char *path, uint8_t **out, size_t *len)
{
    *out = malloc(PART_MAX);
    *len = 0;
    if (strcmp(path, "-") == 0) { return 0; }
    auto_file f = fopen(path, "rb");
    if (f == NULL || *out == NULL) { return -1; }
    *len = fread(*out, 1, PART_MAX, f);
    return ferror(f) || !feof(f) ? -1 : 0;
}

int main(int argc, char **argv)
{
    auto_free uint8_t *core = NULL, *agent = NULL;
    size_t core_len, agent_len;
    struct launch_page page;

    if (argc != 4) {
        fprintf(stderr, "usage: mklaunch CORE AGENT|- OUT\n");
        return 2;
    }
    if (slurp(argv[1], &core, &core_len) < 0 || slurp(argv[2], &agent, &agent_len) < 0) {
        fprintf(stderr, "mklaunch: cannot read the parts: %s\n", strerror(errno));
        return 1;
    }
    plan_launch_page(&page, core, core_len, agent, agent_len);
    auto_file out = fopen(argv[3], "wb");
    if (out == NULL || fwrite(&page, sizeof page, 1, out) != 1 || fflush(out) != 0) {
        fprintf(stderr, "mklaunch: %s: %s\n", argv[3], strerror(errno));
        return 1;
    }
    return 0;
}
