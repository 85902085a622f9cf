/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vDSO in the library OS: one memory file, data page first and the image behind it, made once and mapped read-only by
 * every exec. Nobody but vdso_setup() writes it.
 */
#include "guest/vdso/vdso.h"

#include "guest/fs/fs.h"
#include "guest/mm/mm.h"
#include "guest/mm/space.h"
#include "guest/x86/cpu.h"

extern const char vdso_image[], vdso_image_end[];

static struct file *vdso_file;
static uint64_t vdso_size;

void vdso_setup(void)
{
    const struct vdso_data data = {clock.base, clock.ns_per_tick_32, clock.wall_offset_ns};
    uint64_t image = (uint64_t)(vdso_image_end - vdso_image);
    struct file *f = file_memory("vdso");

    if (f == NULL) { panic("vDSO: no memory"); }
    struct mobj *o = f->ops->mobj(f);
    vdso_size = align_down(PAGE_SIZE + image + PAGE_SIZE - 1, PAGE_SIZE);
    if (mobj_truncate(o, vdso_size) != 0) { panic("vDSO: no memory"); }
    for (uint64_t off = 0; off < vdso_size; off += PAGE_SIZE) {
        gpa_t g = mobj_frame(o, off / PAGE_SIZE, true);
        if (!gpa_ok(g)) { panic("vDSO: no memory"); }
        if (off == 0) {
            memcpy(frame_va(g), &data, sizeof data);
        } else {
            memcpy(frame_va(g), vdso_image + (off - PAGE_SIZE),
                   min_u64(PAGE_SIZE, image - (off - PAGE_SIZE)));
        }
    }
    vdso_file = f;
}

uint64_t vdso_map(struct space *s)
{
    int64_t va = space_map(s, 0, vdso_size, LPROT_READ | LPROT_EXEC, LMAP_PRIVATE, vdso_file, 0);
    return va > 0 ? (uint64_t)va + PAGE_SIZE : 0;
}
