/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, names, links, directories, permissions. */
#include "tests/unit/los_fs/play.h"

static void boot(void) { standin_boot(); }
TestSuite(names, .init = boot, .timeout = 20);

Test(names, file_keeps_what_was_written)
{
    make_file("/tmp/a", "hello");
    cr_assert_str_eq(text_of("/tmp/a"), "hello");
}

Test(names, missing_names_say_which_kind_of_missing)
{
    make_file("/tmp/f", "");
    cr_assert_eq(fs_open("/tmp/none", LO_RDONLY, 0), -ENOENT);
    cr_assert_eq(fs_open("/tmp/none/x", LO_RDONLY, 0), -ENOENT);
    cr_assert_eq(fs_open("/tmp/f/x", LO_RDONLY, 0), -ENOTDIR);
    cr_assert_eq(fs_open("", LO_RDONLY, 0), -ENOENT);
    cr_assert_eq(fs_open("/tmp/f/", LO_RDONLY, 0), -ENOTDIR);
    cr_assert_eq(fs_open("/tmp/new/", LO_WRONLY | LO_CREAT, 0644), -EISDIR);
}

Test(names, component_and_path_lengths_are_bounded)
{
    char name[5000];
    memset(name, 'a', sizeof name);
    name[0] = '/';
    name[256] = 0; /* 255 bytes */
    cr_assert_eq(fs_open(name, LO_RDONLY, 0), -ENOENT);
    cr_assert_geq(fs_open(name, LO_WRONLY | LO_CREAT, 0644), 0);
    memset(name + 1, 'a', sizeof name - 1);
    name[257] = 0; /* 256 bytes */
    cr_assert_eq(fs_open(name, LO_RDONLY, 0), -ENAMETOOLONG);
    for (size_t i = 0; i < sizeof name; i++) { name[i] = i % 2 ? '.' : '/'; }
    name[4095] = 0;
    cr_assert_geq(fs_open(name, LO_RDONLY, 0), 0, "4095 bytes of /. are the root");
    name[4095] = '.';
    name[4096] = 0;
    cr_assert_eq(fs_open(name, LO_RDONLY, 0), -ENAMETOOLONG);
}

Test(names, dotdot_stays_below_the_root)
{
    make_file("/tmp/f", "x");
    cr_assert_str_eq(text_of("/../../tmp/../tmp/f"), "x");
    cr_assert_eq(CALL(mkdir, str("/jail"), 0755), 0);
    make_file("/secret", "s");
    cr_assert_eq(CALL(chroot, str("/jail")), 0);
    cr_assert_eq(CALL(chdir, str("/")), 0);
    cr_assert_eq(fs_open("../../secret", LO_RDONLY, 0), -ENOENT);
    cr_assert_eq(fs_open("/../secret", LO_RDONLY, 0), -ENOENT);
}

Test(names, links_are_followed_forty_times)
{
    char from[32], to[32];
    make_file("/tmp/l0", "end");
    for (int i = 1; i <= 41; i++) {
        snprintf(to, sizeof to, "l%d", i - 1);
        snprintf(from, sizeof from, "/tmp/l%d", i);
        cr_assert_eq(CALL(symlink, str(to), str(from)), 0);
    }
    cr_assert_str_eq(text_of("/tmp/l40"), "end");
    cr_assert_eq(fs_open("/tmp/l41", LO_RDONLY, 0), -ELOOP);
    CALL(symlink, str("/tmp/self"), str("/tmp/self"));
    cr_assert_eq(fs_open("/tmp/self", LO_RDONLY, 0), -ELOOP);
}

Test(names, nofollow_refuses_only_the_last_link)
{
    CALL(mkdir, str("/tmp/d"), 0755);
    make_file("/tmp/d/f", "x");
    CALL(symlink, str("d"), str("/tmp/ld"));
    CALL(symlink, str("f"), str("/tmp/d/lf"));
    cr_assert_geq(fs_open("/tmp/ld/f", LO_RDONLY | LO_NOFOLLOW, 0), 0);
    cr_assert_eq(fs_open("/tmp/d/lf", LO_RDONLY | LO_NOFOLLOW, 0), -ELOOP);
    cr_assert_geq(fs_open("/tmp/d/lf", LO_PATH | LO_NOFOLLOW, 0), 0);
}

Test(names, creating_through_a_dangling_link_makes_its_target)
{
    CALL(symlink, str("target"), str("/tmp/dangling"));
    make_file("/tmp/dangling", "t");
    cr_assert_str_eq(text_of("/tmp/target"), "t");
    CALL(symlink, str("other"), str("/tmp/second"));
    cr_assert_eq(fs_open("/tmp/second", LO_WRONLY | LO_CREAT | LO_EXCL, 0644), -EEXIST);
}

Test(names, stat_of_a_link_depends_on_the_flag)
{
    struct stat_view s;
    make_file("/tmp/f", "12345");
    CALL(symlink, str("f"), str("/tmp/l"));
    cr_assert_eq(stat_of("/tmp/l", &s, 0), 0);
    cr_assert_eq(s.size, 5);
    cr_assert_eq(s.blocks, 8, "one page in units of 512 bytes");
    cr_assert_eq(stat_of("/tmp/l", &s, 0x100), 0);
    cr_assert_eq(s.mode, 0120777);
    cr_assert_eq(s.size, 1);
}

Test(names, fstat_by_empty_path)
{
    make_file("/tmp/f", "123");
    int fd = fs_open("/tmp/f", LO_RDONLY, 0);
    uint64_t va = room(144);
    struct stat_view s;
    cr_assert_eq(CALL(newfstatat, (uint64_t)fd, str(""), va, 0x1000), 0);
    cr_assert_eq(copy_from_user(&s, va, sizeof s), 0);
    cr_assert_eq(s.size, 3);
    cr_assert_eq(CALL(newfstatat, (uint64_t)fd, 0, va, 0x1000), 0);
    cr_assert_eq(CALL(newfstatat, (uint64_t)fd, str(""), va, 0), -ENOENT);
    cr_assert_eq(CALL(newfstatat, 77, str(""), va, 0x1000), -EBADF);
}

Test(names, unlinked_file_lives_while_it_is_open)
{
    make_file("/tmp/f", "still here");
    int fd = fs_open("/tmp/f", LO_RDONLY, 0);
    char buf[32] = {0};
    cr_assert_eq(CALL(unlink, str("/tmp/f")), 0);
    cr_assert_eq(fs_open("/tmp/f", LO_RDONLY, 0), -ENOENT);
    cr_assert_eq(get_bytes(fd, buf, sizeof buf), 10);
    cr_assert_str_eq(buf, "still here");
}

Test(names, memory_comes_back_when_the_last_name_and_descriptor_go)
{
    char block[4096] = {1};
    make_file("/tmp/warm", "x");
    CALL(unlink, str("/tmp/warm"));
    uint64_t va = room(sizeof block);
    uint64_t path = str("/tmp/big");
    cr_assert_eq(copy_to_user(va, block, sizeof block), 0);
    uint64_t before = mem_free_pages();
    int fd = (int)CALL(openat, FDCWD, path, LO_RDWR | LO_CREAT, 0644);
    for (int i = 0; i < 1000; i++) { cr_assert_eq(CALL(write, (uint64_t)fd, va, 4096), 4096); }
    cr_assert_leq(mem_free_pages(), before - 1000);
    CALL(unlink, path);
    CALL(close, (uint64_t)fd);
    cr_assert_geq(mem_free_pages() + 4, before, "pools may keep a page or two");
}

Test(names, hard_links_are_one_file)
{
    struct stat_view a, b;
    make_file("/tmp/a", "x");
    cr_assert_eq(CALL(link, str("/tmp/a"), str("/tmp/b")), 0);
    cr_assert_eq(stat_of("/tmp/a", &a, 0), 0);
    cr_assert_eq(stat_of("/tmp/b", &b, 0), 0);
    cr_assert_eq(a.ino, b.ino);
    cr_assert_eq(b.nlink, 2);
    CALL(unlink, str("/tmp/a"));
    stat_of("/tmp/b", &b, 0);
    cr_assert_eq(b.nlink, 1);
    cr_assert_eq(CALL(mkdir, str("/tmp/d"), 0755), 0);
    cr_assert_eq(CALL(link, str("/tmp/d"), str("/tmp/e")), -EPERM);
    cr_assert_eq(CALL(link, str("/tmp/b"), str("/tmp/d")), -EEXIST);
}

Test(names, directories_count_their_subdirectories)
{
    struct stat_view s;
    CALL(mkdir, str("/tmp/d"), 0755);
    CALL(mkdir, str("/tmp/d/x"), 0755);
    CALL(mkdir, str("/tmp/d/y"), 0755);
    make_file("/tmp/d/f", "");
    stat_of("/tmp/d", &s, 0);
    cr_assert_eq(s.nlink, 4);
    cr_assert_eq(CALL(rmdir, str("/tmp/d")), -ENOTEMPTY);
    cr_assert_eq(CALL(rmdir, str("/tmp/d/x")), 0);
    stat_of("/tmp/d", &s, 0);
    cr_assert_eq(s.nlink, 3);
}

Test(names, removing_says_what_is_wrong)
{
    CALL(mkdir, str("/tmp/d"), 0755);
    make_file("/tmp/f", "");
    CALL(symlink, str("d"), str("/tmp/l"));
    cr_assert_eq(CALL(unlink, str("/tmp/d")), -EISDIR);
    cr_assert_eq(CALL(rmdir, str("/tmp/f")), -ENOTDIR);
    cr_assert_eq(CALL(rmdir, str("/tmp/l")), -ENOTDIR);
    cr_assert_eq(CALL(unlink, str("/tmp/f/")), -ENOTDIR);
    cr_assert_eq(CALL(rmdir, str("/tmp/d/.")), -EINVAL);
    cr_assert_eq(CALL(rmdir, str("/tmp/d/..")), -ENOTEMPTY);
    cr_assert_eq(CALL(rmdir, str("/")), -EBUSY);
    cr_assert_eq(CALL(rmdir, str("/proc")), -EBUSY);
    cr_assert_eq(CALL(unlinkat, FDCWD, str("/tmp/d"), 0x200), 0);
}

Test(names, rename_replaces_and_keeps_open_files)
{
    make_file("/tmp/a", "new");
    make_file("/tmp/b", "old");
    int fd = fs_open("/tmp/b", LO_RDONLY, 0);
    char buf[8] = {0};
    cr_assert_eq(CALL(rename, str("/tmp/a"), str("/tmp/b")), 0);
    cr_assert_str_eq(text_of("/tmp/b"), "new");
    cr_assert_eq(get_bytes(fd, buf, 8), 3);
    cr_assert_str_eq(buf, "old");
    cr_assert_eq(fs_open("/tmp/a", LO_RDONLY, 0), -ENOENT);
}

Test(names, rename_rules)
{
    CALL(mkdir, str("/tmp/d"), 0755);
    CALL(mkdir, str("/tmp/d/sub"), 0755);
    CALL(mkdir, str("/tmp/e"), 0755);
    make_file("/tmp/f", "");
    cr_assert_eq(CALL(rename, str("/tmp/d"), str("/tmp/d/sub/x")), -EINVAL);
    cr_assert_eq(CALL(rename, str("/tmp/e"), str("/tmp/d")), -ENOTEMPTY);
    cr_assert_eq(CALL(rename, str("/tmp/d/sub"), str("/tmp/d")), -ENOTEMPTY);
    cr_assert_eq(CALL(rename, str("/tmp/f"), str("/tmp/e")), -EISDIR);
    cr_assert_eq(CALL(rename, str("/tmp/e"), str("/tmp/f")), -ENOTDIR);
    cr_assert_eq(CALL(rename, str("/tmp/f"), str("/dev/shm/f")), -EXDEV);
    cr_assert_eq(CALL(rename, str("/tmp/f"), str("/tmp/f")), 0);
    cr_assert_eq(CALL(renameat2, FDCWD, str("/tmp/f"), FDCWD, str("/tmp/e"), 1), -EEXIST);
    cr_assert_eq(CALL(renameat2, FDCWD, str("/tmp/f"), FDCWD, str("/tmp/none"), 2), -ENOENT);
    cr_assert_eq(CALL(rename, str("/tmp/e/"), str("/tmp/d/moved/")), 0);
    cr_assert_eq(CALL(rename, str("/tmp/."), str("/tmp/x")), -EBUSY);
}

Test(names, exchange_swaps_long_and_short_names)
{
    const char *longer = "/tmp/a-name-that-is-longer-than-the-inline-room-of-a-dentry";
    make_file("/tmp/s", "short");
    make_file(longer, "long");
    cr_assert_eq(CALL(renameat2, FDCWD, str("/tmp/s"), FDCWD, str(longer), 2), 0);
    cr_assert_str_eq(text_of("/tmp/s"), "long");
    cr_assert_str_eq(text_of(longer), "short");
    CALL(unlink, str(longer));
    cr_assert_str_eq(text_of("/tmp/s"), "long");
}

Test(names, getcwd_follows_renames_and_ends_with_removal)
{
    uint64_t va = room(64);
    char buf[64];
    CALL(mkdir, str("/tmp/d"), 0755);
    cr_assert_eq(CALL(chdir, str("/tmp/d")), 0);
    cr_assert_eq(CALL(rename, str("/tmp/d"), str("/tmp/other")), 0);
    cr_assert_eq(CALL(getcwd, va, 64), 11);
    cr_assert_eq(copy_from_user(buf, va, 11), 0);
    cr_assert_str_eq(buf, "/tmp/other");
    cr_assert_eq(CALL(getcwd, va, 10), -ERANGE);
    cr_assert_eq(CALL(rmdir, str("/tmp/other")), 0);
    cr_assert_eq(CALL(getcwd, va, 64), -ENOENT);
    cr_assert_eq(fs_open("new", LO_WRONLY | LO_CREAT, 0644), -ENOENT);
}

/* Names of one getdents64 call, in order, joined by spaces. */
static const char *names_in(int fd, size_t size)
{
    static char out[8192];
    uint8_t buf[4096];
    int64_t n;
    uint64_t va = room(size);
    out[0] = 0;
    n = CALL(getdents64, (uint64_t)fd, va, size);
    cr_assert_geq(n, 0);
    cr_assert_eq(copy_from_user(buf, va, (size_t)n), 0);
    for (int64_t at = 0; at < n;) {
        uint16_t reclen;
        memcpy(&reclen, buf + at + 16, 2);
        strncat(out, (char *)buf + at + 19, 255);
        strncat(out, " ", 2);
        at += reclen;
    }
    return out;
}

Test(names, listing_resumes_where_it_stopped_although_names_go)
{
    CALL(mkdir, str("/tmp/d"), 0755);
    make_file("/tmp/d/one", "");
    make_file("/tmp/d/two", "");
    make_file("/tmp/d/three", "");
    make_file("/tmp/d/four", "");
    int fd = fs_open("/tmp/d", LO_RDONLY | LO_DIRECTORY, 0);
    cr_assert_str_eq(names_in(fd, 104), ". .. one two ");
    CALL(unlink, str("/tmp/d/one"));
    CALL(unlink, str("/tmp/d/two"));
    make_file("/tmp/d/five", "");
    cr_assert_str_eq(names_in(fd, 4096), "three four five ");
    cr_assert_str_eq(names_in(fd, 4096), "");
    cr_assert_eq(CALL(lseek, (uint64_t)fd, 0, 0), 0);
    cr_assert_str_eq(names_in(fd, 4096), ". .. three four five ");
    CALL(lseek, (uint64_t)fd, 0, 0);
    cr_assert_eq(CALL(getdents64, (uint64_t)fd, room(64), 16), -EINVAL);
}

Test(names, many_names_in_one_directory_are_all_found)
{
    char path[64];
    CALL(mkdir, str("/tmp/d"), 0755);
    uint64_t va = room(64);
    for (int i = 0; i < 3000; i++) {
        snprintf(path, sizeof path, "/tmp/d/file-%d", i);
        cr_assert_eq(copy_to_user(va, path, strlen(path) + 1), 0);
        cr_assert_eq(CALL(mknod, va, 0100644, 0), 0);
    }
    for (int i = 0; i < 3000; i += 7) {
        snprintf(path, sizeof path, "/tmp/d/file-%d", i);
        cr_assert_eq(copy_to_user(va, path, strlen(path) + 1), 0);
        cr_assert_eq(CALL(access, va, 0), 0);
        cr_assert_eq(CALL(unlink, va), 0);
        cr_assert_eq(CALL(access, va, 0), -ENOENT);
    }
}

Test(names, permissions_are_by_owner_group_and_others)
{
    make_file("/tmp/f", "x");
    CALL(chmod, str("/tmp/f"), 0640);
    CALL(chown, str("/tmp/f"), 1000, 2000);
    CALL(mkdir, str("/tmp/closed"), 0700);
    make_file("/tmp/closed/f", "x");
    become(1000, 1);
    cr_assert_geq(fs_open("/tmp/f", LO_RDWR, 0), 0);
    become(3, 2000);
    cr_assert_geq(fs_open("/tmp/f", LO_RDONLY, 0), 0);
    cr_assert_eq(fs_open("/tmp/f", LO_RDWR, 0), -EACCES);
    become(3, 3);
    cr_assert_eq(fs_open("/tmp/f", LO_RDONLY, 0), -EACCES);
    cr_assert_eq(fs_open("/tmp/closed/f", LO_RDONLY, 0), -EACCES);
    cr_assert_eq(CALL(chmod, str("/tmp/f"), 0777), -EPERM);
    cr_assert_eq(CALL(unlink, str("/tmp/f")), -EPERM,
                 "sticky /tmp protects what belongs to others");
    cr_assert_eq(CALL(mkdir, str("/x"), 0777), -EACCES);
}

Test(names, umask_is_taken_from_new_files_and_directories)
{
    struct stat_view s;
    cr_assert_eq(CALL(umask, 0027), 0022);
    fs_open("/tmp/f", LO_WRONLY | LO_CREAT, 0666);
    CALL(mkdir, str("/tmp/d"), 0777);
    stat_of("/tmp/f", &s, 0);
    cr_assert_eq(s.mode, 0100640);
    stat_of("/tmp/d", &s, 0);
    cr_assert_eq(s.mode, 0040750);
}

Test(names, access_goes_by_real_ids_and_opens_by_effective_ones)
{
    make_file("/tmp/f", "");
    CALL(chmod, str("/tmp/f"), 0600);
    current_proc()->cred.ruid = 1000;
    cr_assert_eq(CALL(access, str("/tmp/f"), 4), -EACCES);
    cr_assert_eq(CALL(faccessat2, FDCWD, str("/tmp/f"), 4, 0x200), 0);
    cr_assert_geq(fs_open("/tmp/f", LO_RDONLY, 0), 0);
    cr_assert_eq(CALL(access, str("/tmp/f"), 8), -EINVAL);
}

Test(names, root_may_execute_only_what_somebody_may)
{
    make_file("/tmp/f", "");
    cr_assert_eq(CALL(access, str("/tmp/f"), 1), -EACCES);
    CALL(chmod, str("/tmp/f"), 0001);
    cr_assert_eq(CALL(access, str("/tmp/f"), 1), 0);
}

Test(names, openat2_keeps_walks_inside)
{
    uint64_t how[3] = {LO_RDONLY, 0, 8}; /* RESOLVE_BENEATH */
    uint64_t va = room(24);
    CALL(mkdir, str("/tmp/d"), 0755);
    make_file("/tmp/d/in", "");
    make_file("/tmp/out", "");
    CALL(symlink, str("/tmp/out"), str("/tmp/d/abs"));
    CALL(symlink, str("../out"), str("/tmp/d/up"));
    int d = fs_open("/tmp/d", LO_RDONLY, 0);
    cr_assert_eq(copy_to_user(va, how, 24), 0);
    cr_assert_geq(CALL(openat2, (uint64_t)d, str("in"), va, 24), 0);
    cr_assert_eq(CALL(openat2, (uint64_t)d, str("../out"), va, 24), -EXDEV);
    cr_assert_eq(CALL(openat2, (uint64_t)d, str("abs"), va, 24), -EXDEV);
    cr_assert_eq(CALL(openat2, (uint64_t)d, str("up"), va, 24), -EXDEV);
    how[2] = 16; /* RESOLVE_IN_ROOT */
    cr_assert_eq(copy_to_user(va, how, 24), 0);
    cr_assert_geq(CALL(openat2, (uint64_t)d, str("/in"), va, 24), 0);
    cr_assert_eq(CALL(openat2, (uint64_t)d, str("../out"), va, 24), -ENOENT);
    how[2] = 4; /* RESOLVE_NO_SYMLINKS */
    cr_assert_eq(copy_to_user(va, how, 24), 0);
    cr_assert_eq(CALL(openat2, (uint64_t)d, str("up"), va, 24), -ELOOP);
    cr_assert_eq(CALL(openat2, (uint64_t)d, str("in"), va, 16), -EINVAL);
}

Test(names, tmpfile_has_no_name_until_it_is_linked)
{
    char self[64];
    int fd = fs_open("/tmp", LO_RDWR | LO_TMPFILE, 0600);
    cr_assert_geq(fd, 0);
    put_text(fd, "made");
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    cr_assert_eq(CALL(linkat, FDCWD, str(self), FDCWD, str("/tmp/published"), 0x400), 0);
    cr_assert_str_eq(text_of("/tmp/published"), "made");
    make_file("/tmp/gone", "");
    fd = fs_open("/tmp/gone", LO_RDONLY, 0);
    CALL(unlink, str("/tmp/gone"));
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    cr_assert_eq(CALL(linkat, FDCWD, str(self), FDCWD, str("/tmp/again"), 0x400), -ENOENT);
}

Test(names, bad_pointers_are_efault)
{
    cr_assert_eq(CALL(openat, FDCWD, 0, LO_RDONLY, 0), -EFAULT);
    cr_assert_eq(CALL(openat, FDCWD, 0x600000000000, LO_RDONLY, 0), -EFAULT);
    cr_assert_eq(CALL(newfstatat, FDCWD, str("/tmp"), 0x610000000000, 0), -EFAULT);
    cr_assert_eq(CALL(statx, 0, 0, 0, 0, 0), -EFAULT);
    cr_assert_eq(CALL(getcwd, 8, 100), -EFAULT);
}
