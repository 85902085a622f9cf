/* SPDX-License-Identifier: Apache-2.0 */
/* /proc, /sys, /dev, and the container's view. */
#include "guest/fs/tty.h"
#include "guest/fs/vfs.h"
#include "tests/unit/los_fs/play.h"

static void boot(void) { standin_boot(); }
TestSuite(views, .init = boot, .timeout = 20);

static bool has(const char *path, const char *text) { return strstr(text_of(path), text) != NULL; }

Test(views, system_files_say_what_programs_ask)
{
    cr_assert(has("/proc/meminfo", "MemTotal:         262144 kB\n"));
    cr_assert(has("/proc/cpuinfo", "processor\t: 0\n"));
    cr_assert(has("/proc/filesystems", "tmpfs"));
    cr_assert_not(has("/proc/filesystems", "selinuxfs"));
    cr_assert(has("/proc/version", "Linux version 6.1.0-casemate"));
    cr_assert_str_eq(text_of("/proc/sys/kernel/osrelease"), "6.1.0-casemate\n");
    cr_assert_str_eq(text_of("/proc/sys/kernel/cap_last_cap"), "40\n");
    cr_assert_str_eq(text_of("/proc/sys/vm/overcommit_memory"), "1\n");
    cr_assert_str_eq(text_of("/proc/sys/vm/max_map_count"), "1048576\n");
    cr_assert_str_eq(text_of("/proc/sys/net/core/somaxconn"), "4096\n");
    cr_assert_str_eq(text_of("/sys/devices/system/cpu/online"), "0\n");
    cr_assert_str_eq(text_of("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"), "2097152\n");
    cr_assert_str_eq(text_of("/sys/fs/cgroup/memory.max"), "268435456\n");
    cr_assert_str_eq(text_of("/proc/self/cgroup"), "0::/\n");
    cr_assert_eq(strlen(text_of("/proc/sys/kernel/random/uuid")), 37);
}

Test(views, stat_has_52_fields)
{
    const char *s = text_of("/proc/self/stat");
    int fields = 1;
    for (const char *p = s; *p && *p != '\n'; p++) { fields += *p == ' '; }
    cr_assert_eq(fields, 52, "%s", s);
}

Test(views, mounts_are_listed_from_the_callers_root)
{
    cr_assert(has("/proc/mounts", "rootfs / tmpfs rw,relatime 0 0\n"));
    cr_assert(
        has("/proc/mounts", "cgroup /sys/fs/cgroup cgroup2 ro,nosuid,nodev,noexec,relatime 0 0\n"));
    cr_assert(has("/proc/self/mountinfo",
                  " / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup ro\n"));
}

Test(views, statfs_types_are_those_programs_test)
{
    static const struct {
        const char *path;
        uint64_t type;
    } cases[] = {{"/", 0x01021994},        {"/proc", 0x9fa0},
                 {"/sys", 0x62656572},     {"/sys/fs/cgroup", 0x63677270},
                 {"/dev/shm", 0x01021994}, {"/dev/pts", 0x1cd1}};
    uint64_t va = room(120), type;
    for (size_t k = 0; k < ARRAY_COUNT(cases); k++) {
        cr_assert_eq(CALL(statfs, str(cases[k].path), va), 0);
        cr_assert_eq(get_user_u64(va, &type), 0);
        cr_assert_eq(type, cases[k].type, "%s", cases[k].path);
    }
}

Test(views, descriptors_are_magic_links)
{
    char link[64], path[64];
    uint64_t va = room(64);
    make_file("/tmp/f", "through");
    int fd = fs_open("/tmp/f", LO_RDONLY, 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int64_t n = CALL(readlink, str(path), va, 64);
    cr_assert_eq(n, 6);
    cr_assert_eq(copy_from_user(link, va, 6), 0);
    cr_assert_eq(memcmp(link, "/tmp/f", 6), 0);
    CALL(unlink, str("/tmp/f"));
    cr_assert_str_eq(text_of(path), "through", "the object, not the name");
    n = CALL(readlink, str(path), va, 64);
    cr_assert_eq(copy_from_user(link, va, (size_t)n), 0);
    cr_assert_eq(memcmp(link, "/tmp/f (deleted)", 16), 0);
    cr_assert_eq(fs_open("/proc/self/fd/999", LO_RDONLY, 0), -ENOENT);
    cr_assert_eq(fs_open("/proc/self/fd/01", LO_RDONLY, 0), -ENOENT);
    cr_assert_eq(CALL(readlink, str("/proc/self/cwd"), va, 64), 1);
    cr_assert_eq(CALL(readlink, str("/proc/version"), va, 64), -EINVAL);
}

Test(views, pipe_ends_open_again_through_proc)
{
    int32_t p[2];
    uint64_t va = room(8);
    char path[64], buf[8];
    CALL(pipe2, va, 0);
    cr_assert_eq(copy_from_user(p, va, 8), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", p[1]);
    int again = fs_open(path, LO_WRONLY, 0);
    cr_assert_eq(put_text(again, "hi"), 2);
    cr_assert_eq(get_bytes(p[0], buf, 8), 2);
    CALL(close, (uint64_t)again);
    CALL(close, (uint64_t)p[1]);
    cr_assert_eq(get_bytes(p[0], buf, 8), 0);
}

Test(views, computed_trees_cannot_be_changed)
{
    cr_assert_eq(put_text(fs_open("/proc/version", LO_WRONLY, 0), "x"), -EIO);
    cr_assert_eq(fs_open("/sys/fs/cgroup/memory.max", LO_WRONLY, 0), -EROFS);
    cr_assert_lt(CALL(mkdir, str("/proc/x"), 0755), 0);
    cr_assert_lt(CALL(unlink, str("/proc/version")), 0);
    cr_assert_lt(CALL(rename, str("/proc/version"), str("/proc/v")), 0);
    cr_assert_lt(CALL(rmdir, str("/proc/sys")), 0);
    cr_assert_eq(CALL(rmdir, str("/sys")), -EBUSY);
    int fd = fs_open("/proc/self/oom_score_adj", LO_WRONLY | LO_TRUNC, 0);
    cr_assert_eq(put_text(fd, "-500"), 4);
}

Test(views, comm_is_written_by_its_owner)
{
    int fd = fs_open("/proc/self/comm", LO_WRONLY, 0);
    put_text(fd, "a-name-that-is-too-long\n");
    cr_assert_str_eq(text_of("/proc/self/comm"), "a-name-that-is-\n");
}

Test(views, devices_do_what_their_names_say)
{
    char buf[16];
    int null = fs_open("/dev/null", LO_RDWR, 0), zero = fs_open("/dev/zero", LO_RDWR, 0),
        full = fs_open("/dev/full", LO_RDWR, 0);
    cr_assert_eq(put_text(null, "gone"), 4);
    cr_assert_eq(get_bytes(null, buf, 16), 0);
    memset(buf, 1, sizeof buf);
    cr_assert_eq(get_bytes(zero, buf, 16), 16);
    cr_assert_eq(buf[15], 0);
    cr_assert_eq(put_text(full, "x"), -ENOSPC);
    int random = fs_open("/dev/urandom", LO_RDONLY, 0);
    uint64_t a[2] = {0, 0};
    cr_assert_eq(get_bytes(random, a, 16), 16);
    cr_assert_neq(a[0], a[1]);
    CALL(mknod, str("/tmp/null"), 020666, 0x103);
    cr_assert_geq(fs_open("/tmp/null", LO_RDWR, 0), 0);
    CALL(mknod, str("/tmp/disk"), 060666, 0x800);
    cr_assert_eq(fs_open("/tmp/disk", LO_RDWR, 0), -ENXIO);
}

static size_t screen_write(struct tty *t, const void *bytes, size_t len)
{
    return (void)t, (void)bytes, len;
}
static size_t screen_room(struct tty *t) { return (void)t, 4096; }
static const struct tty_ops screen_ops = {.write = screen_write, .room = screen_room};

Test(views, standard_terminal_is_the_same_object_as_dev_console)
{
    uint64_t a[2], b[2], va = room(144);
    struct tty *t = tty_new(&screen_ops, NULL, 0x501);
    int fd = fd_install(tty_file(t, LO_RDWR), false);
    tty_set_console(t);
    cr_assert_eq(CALL(fstat, (uint64_t)fd, va), 0);
    cr_assert_eq(copy_from_user(a, va, 16), 0);
    cr_assert_eq(CALL(stat, str("/dev/console"), va), 0);
    cr_assert_eq(copy_from_user(b, va, 16), 0);
    cr_assert_eq(a[0], b[0]);
    cr_assert_eq(a[1], b[1]);
    cr_assert_eq(put_text(fs_open("/dev/console", LO_WRONLY | LO_NOCTTY, 0), "x"), 1);
}

static void enter_container(bool readonly)
{
    int err, dir;
    CALL(mkdir, str("/tmp/image"), 0755);
    CALL(mkdir, str("/tmp/image/work"), 0755);
    make_file("/tmp/image/work/file", "in the image");
    make_file("/tmp/outside", "init's");
    dir = fs_open("/tmp/image", LO_RDONLY | LO_DIRECTORY, 0);
    struct fsctx *c = fsctx_container(fd_file(dir), "/work", 022, readonly, &err);
    cr_assert_not_null(c, "%d", err);
    CALL(close, (uint64_t)dir);
    fsctx_put(current_proc()->fs);
    current_proc()->fs = c;
}

Test(views, container_sees_its_root_and_nothing_outside)
{
    enter_container(false);
    cr_assert_str_eq(text_of("file"), "in the image");
    cr_assert_str_eq(text_of("/work/file"), "in the image");
    cr_assert_eq(fs_open("/tmp/outside", LO_RDONLY, 0), -ENOENT);
    cr_assert_eq(fs_open("/../../tmp/outside", LO_RDONLY, 0), -ENOENT);
    cr_assert_eq(fs_open("../../outside", LO_RDONLY, 0), -ENOENT);
    cr_assert(has("/proc/mounts", "devpts /dev/pts devpts"));
    make_file("/dev/shm/x", "y");
    make_file("/new", "made");
    cr_assert_eq(fs_open("/dev/console", LO_RDWR, 0), -ENXIO, "no console without a terminal");
}

Test(views, readonly_container_writes_only_where_it_may)
{
    enter_container(true);
    cr_assert_eq(fs_open("/work/file", LO_WRONLY, 0), -EROFS);
    cr_assert_eq(fs_open("/new", LO_WRONLY | LO_CREAT, 0644), -EROFS);
    cr_assert_eq(CALL(unlink, str("/work/file")), -EROFS);
    cr_assert_eq(CALL(chmod, str("/work/file"), 0600), -EROFS);
    cr_assert_eq(CALL(access, str("/work/file"), 2), -EROFS);
    make_file("/tmp/x", "");
    make_file("/run/x", "");
    make_file("/dev/shm/x", "");
}

Test(views, container_refuses_a_root_or_cwd_that_is_no_directory)
{
    int err;
    make_file("/tmp/f", "");
    CALL(mkdir, str("/tmp/image"), 0755);
    cr_assert_null(
        fsctx_container(fd_file(fs_open("/tmp/f", LO_RDONLY, 0)), "/", 022, false, &err));
    cr_assert_eq(err, -ENOTDIR);
    cr_assert_null(
        fsctx_container(fd_file(fs_open("/tmp/image", LO_RDONLY, 0)), "/none", 022, false, &err));
    cr_assert_eq(err, -ENOENT);
}

Test(views, image_that_blocks_a_mount_point_is_refused)
{
    int err;
    CALL(mkdir, str("/tmp/image"), 0755);
    CALL(symlink, str("/"), str("/tmp/image/proc"));
    cr_assert_null(
        fsctx_container(fd_file(fs_open("/tmp/image", LO_RDONLY, 0)), "/", 022, false, &err));
    cr_assert_eq(err, -ENOTDIR);
}
