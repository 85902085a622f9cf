/* SPDX-License-Identifier: Apache-2.0 */
/* Finds and maps the guest image. */
#include "loader/guest_image.h"

#include "guest/base/hosted.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define PART_MAX (256u << 20)

static int map_part(const char *dir, const char *name, struct vmm_bytes *out, struct err *e)
{
    char path[PATH_MAX];
    struct stat st;

    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path) {
        return err_set(e, ENAMETOOLONG, "guest image: path of %s is too long", name);
    }
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        return err_set(e, errno, "guest image: %s: %s", path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > PART_MAX) {
        return err_set(e, EINVAL, "guest image: %s: not a file of 1 byte to %u MiB", path,
                       PART_MAX >> 20);
    }
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        return err_set(e, errno, "guest image: map %s: %s", path, strerror(errno));
    }
    *out = (struct vmm_bytes){.p = p, .len = (size_t)st.st_size};
    return 0;
}

/* The folder with a core.img, beside the running program. */
static int find_dir(char *out, size_t size, struct err *e)
{
    static const char *const places[] = {"../image", "../lib/casemate"};
    char exe[PATH_MAX], core[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

    if (n < 0) { return err_set(e, errno, "guest image: /proc/self/exe: %s", strerror(errno)); }
    exe[n] = '\0';
    char *slash = strrchr(exe, '/');
    if (slash) { *slash = '\0'; }
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        if (snprintf(out, size, "%s/%s", exe, places[i]) < (int)size &&
            snprintf(core, sizeof core, "%s/core.img", out) < (int)sizeof core &&
            access(core, R_OK) == 0) {
            return 0;
        }
    }
    return err_set(e, ENOENT, "guest image: no core.img in %s/../image or %s/../lib/casemate", exe,
                   exe);
}

int guest_image_open(const char *dir, struct guest_image *out, struct err *e)
{
    char found[PATH_MAX];

    *out = (struct guest_image){0};
    if (dir == NULL) { dir = getenv("CASEMATE_IMAGE"); }
    if (dir == NULL) {
        if (find_dir(found, sizeof found, e) < 0) { return -e->code; }
        dir = found;
    }
    if (map_part(dir, "core.img", &out->core, e) < 0 ||
        map_part(dir, "stub.bin", &out->stub, e) < 0 ||
        map_part(dir, "launch.page", &out->launch_page, e) < 0 ||
        map_part(dir, "agent", &out->agent, e) < 0) {
        guest_image_fini(out);
        return -e->code;
    }
    return 0;
}

void guest_image_fini(struct guest_image *g)
{
    struct vmm_bytes *parts[] = {&g->core, &g->agent, &g->stub, &g->launch_page};
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        if (parts[i]->p) { (void)munmap((void *)(uintptr_t)parts[i]->p, parts[i]->len); }
        *parts[i] = (struct vmm_bytes){0};
    }
}
