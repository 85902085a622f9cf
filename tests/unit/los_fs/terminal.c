/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals: line editing, modes, signals, sizes, pairs. The master's bytes are what a keyboard types and a screen shows. */
#include "guest/fs/tty.h"
#include "tests/unit/los_fs/play.h"

static int master, slave;

static void boot(void)
{
    uint32_t zero = 0;
    uint64_t va;
    standin_boot();
    va = room(4);
    cr_assert_eq(copy_to_user(va, &zero, 4), 0);
    master = fs_open("/dev/ptmx", LO_RDWR | LO_NOCTTY | LO_NONBLOCK, 0);
    cr_assert_geq(master, 0);
    cr_assert_eq(fs_open("/dev/pts/0", LO_RDWR | LO_NOCTTY, 0), -EIO, "locked until TIOCSPTLCK");
    cr_assert_eq(CALL(ioctl, (uint64_t)master, 0x40045431, va), 0);
    slave = fs_open("/dev/pts/0", LO_RDWR | LO_NOCTTY | LO_NONBLOCK, 0);
    cr_assert_geq(slave, 0);
}
TestSuite(terminal, .init = boot, .timeout = 20);

struct modes {
    uint32_t i, o, c, l;
    uint8_t line, cc[19];
};

static struct modes modes(void)
{
    struct modes m;
    uint64_t va = room(36);
    cr_assert_eq(CALL(ioctl, (uint64_t)slave, 0x5401, va), 0);
    cr_assert_eq(copy_from_user(&m, va, 36), 0);
    return m;
}

static void set_modes(struct modes m)
{
    uint64_t va = room(36);
    cr_assert_eq(copy_to_user(va, &m, 36), 0);
    cr_assert_eq(CALL(ioctl, (uint64_t)slave, 0x5402, va), 0);
}

static const char *from(int fd)
{
    static char buf[512];
    int64_t n = get_bytes(fd, buf, sizeof buf - 1);
    if (n < 0) { return n == -EAGAIN ? "(nothing)" : n == -EIO ? "(error)" : "(?)"; }
    buf[n] = 0;
    return buf;
}

Test(terminal, starts_as_linux_does)
{
    struct modes m = modes();
    cr_assert_eq(m.i, 0x500);
    cr_assert_eq(m.o, 5);
    cr_assert_eq(m.c, 0x4bf);
    cr_assert_eq(m.l, 0x8a3b);
    cr_assert_eq(m.cc[0], 3);
    cr_assert_eq(m.cc[4], 4);
}

Test(terminal, line_is_given_whole_and_echoed)
{
    put_text(master, "hel");
    cr_assert_str_eq(from(slave), "(nothing)");
    put_text(master, "lo\rnext");
    cr_assert_str_eq(from(slave), "hello\n");
    cr_assert_str_eq(from(slave), "(nothing)");
    cr_assert_str_eq(from(master), "hello\r\nnext");
}

Test(terminal, output_newlines_get_carriage_returns)
{
    put_text(slave, "a\nb");
    cr_assert_str_eq(from(master), "a\r\nb");
}

Test(terminal, erase_kill_and_word_erase_edit_the_line)
{
    put_text(master, "abx\177c\n");
    cr_assert_str_eq(from(slave), "abc\n");
    cr_assert_str_eq(from(master), "abx\b \bc\r\n");
    put_text(master, "gone\025kept\n");
    cr_assert_str_eq(from(slave), "kept\n");
    (void)from(master);
    put_text(master, "one two\027three\n");
    cr_assert_str_eq(from(slave), "one three\n");
    (void)from(master);
    put_text(master, "\177\177x\n");
    cr_assert_str_eq(from(slave), "x\n", "nothing before the line is erased");
    cr_assert_str_eq(from(master), "x\r\n");
}

Test(terminal, control_characters_are_shown_and_erased_as_two)
{
    put_text(master, "\001\177\n");
    cr_assert_str_eq(from(slave), "\n");
    cr_assert_str_eq(from(master), "^A\b \b\b \b\r\n");
}

Test(terminal, literal_next_takes_the_key_as_a_byte)
{
    put_text(master, "\026\003\n");
    cr_assert_str_eq(from(slave), "\003\n");
}

Test(terminal, end_of_file_gives_what_is_there_then_nothing)
{
    char c;
    put_text(master, "part\004");
    cr_assert_str_eq(from(slave), "part");
    cr_assert_str_eq(from(slave), "(nothing)");
    put_text(master, "\004");
    cr_assert_eq(get_bytes(slave, &c, 1), 0);
    cr_assert_str_eq(from(slave), "(nothing)");
}

Test(terminal, short_reads_leave_the_rest_of_the_line)
{
    char buf[4] = {0};
    put_text(master, "abcdef\n");
    cr_assert_eq(get_bytes(slave, buf, 3), 3);
    cr_assert_str_eq(buf, "abc");
    cr_assert_str_eq(from(slave), "def\n");
}

Test(terminal, line_that_is_too_long_keeps_its_end)
{
    static char line[6000], back[6000];
    memset(line, 'x', sizeof line);
    line[5999] = '\n';
    cr_assert_eq(put_bytes(master, line, 6000), 6000);
    cr_assert_eq(get_bytes(slave, back, 6000), 4096);
    cr_assert_eq(back[4095], '\n');
}

Test(terminal, raw_mode_gives_bytes_at_once_and_pushes_back_when_full)
{
    static char many[5000];
    struct modes m = modes();
    m.l &= ~(0x2u | 0x8u | 0x1u); /* ICANON ECHO ISIG */
    m.i = 0;
    set_modes(m);
    put_text(master, "a\003\r");
    cr_assert_str_eq(from(slave), "a\003\r");
    cr_assert_str_eq(from(master), "(nothing)");
    cr_assert_eq(put_bytes(master, many, 5000), 4096);
    cr_assert_eq(put_bytes(master, many, 1), -EAGAIN);
    m.cc[6] = 0; /* VMIN 0, VTIME 0: never waits */
    set_modes(m);
    CALL(ioctl, (uint64_t)slave, 0x540b, 0);
    cr_assert_eq(get_bytes(slave, many, 1), 0);
}

Test(terminal, switching_to_raw_makes_the_half_line_readable)
{
    struct modes m = modes();
    put_text(master, "half");
    m.l &= ~0x2u;
    set_modes(m);
    cr_assert_str_eq(from(slave), "half");
}

Test(terminal, interrupt_key_signals_the_foreground_group_and_flushes)
{
    struct proc *p = current_proc();
    p->sid = p->pgid = p->pid;
    current()->mask = 1ull << (LSIG_INT - 1);
    cr_assert_eq(CALL(ioctl, (uint64_t)slave, 0x540e, 0), 0, "TIOCSCTTY");
    put_text(master, "half\003");
    cr_assert_neq(p->pending.set & 1ull << (LSIG_INT - 1), 0);
    cr_assert_str_eq(from(master), "half^C");
    put_text(master, "x\n");
    cr_assert_str_eq(from(slave), "x\n");
}

Test(terminal, resize_tells_the_foreground_group_once)
{
    struct proc *p = current_proc();
    uint16_t size[4] = {50, 132, 0, 0};
    uint64_t va = room(8);
    p->sid = p->pgid = p->pid;
    current()->mask = 1ull << (LSIG_WINCH - 1);
    p->action[LSIG_WINCH - 1].handler = 4096;
    CALL(ioctl, (uint64_t)slave, 0x540e, 0);
    cr_assert_eq(copy_to_user(va, size, 8), 0);
    cr_assert_eq(CALL(ioctl, (uint64_t)master, 0x5414, va), 0);
    cr_assert_neq(p->pending.set & 1ull << (LSIG_WINCH - 1), 0);
    cr_assert_eq(CALL(ioctl, (uint64_t)slave, 0x5413, va), 0);
    cr_assert_eq(copy_from_user(size, va, 8), 0);
    cr_assert_eq(size[0], 50);
    cr_assert_eq(size[1], 132);
}

Test(terminal, dev_tty_is_the_controlling_terminal)
{
    struct proc *p = current_proc();
    cr_assert_eq(fs_open("/dev/tty", LO_RDWR, 0), -ENXIO);
    p->sid = p->pgid = p->pid;
    CALL(ioctl, (uint64_t)slave, 0x540e, 0);
    int fd = fs_open("/dev/tty", LO_RDWR, 0);
    cr_assert_geq(fd, 0);
    put_text(fd, "hi");
    cr_assert_str_eq(from(master), "hi");
    cr_assert_eq(CALL(ioctl, (uint64_t)slave, 0x5422, 0), 0, "TIOCNOTTY");
    cr_assert_eq(fs_open("/dev/tty", LO_RDWR, 0), -ENXIO);
}

Test(terminal, master_sees_the_slave_go_and_come)
{
    put_text(slave, "last words");
    CALL(close, (uint64_t)slave);
    cr_assert_str_eq(from(master), "last words");
    cr_assert_str_eq(from(master), "(error)");
    slave = fs_open("/dev/pts/0", LO_RDWR | LO_NOCTTY | LO_NONBLOCK, 0);
    cr_assert_str_eq(from(master), "(nothing)");
}

Test(terminal, closing_the_master_hangs_up)
{
    char c;
    struct proc *p = current_proc();
    p->sid = p->pgid = p->pid;
    current()->mask = 1ull << (LSIG_HUP - 1);
    CALL(ioctl, (uint64_t)slave, 0x540e, 0);
    CALL(close, (uint64_t)master);
    cr_assert_neq((p->pending.set | current()->pending.set) & 1ull << (LSIG_HUP - 1), 0);
    cr_assert_eq(get_bytes(slave, &c, 1), 0);
    cr_assert_eq(put_text(slave, "x"), -EIO);
    cr_assert_eq(fs_open("/dev/pts/0", LO_RDWR, 0), -ENOENT);
    cr_assert_eq(fs_open("/dev/tty", LO_RDWR, 0), -ENXIO);
    CALL(close, (uint64_t)slave);
}

Test(terminal, stopped_output_waits_for_start)
{
    put_text(master, "\023");
    cr_assert_eq(put_text(slave, "x"), -EAGAIN);
    put_text(master, "\021");
    cr_assert_eq(put_text(slave, "x"), 1);
    cr_assert_str_eq(from(master), "x");
}

Test(terminal, pairs_get_numbers_and_give_them_back)
{
    uint64_t va = room(4);
    uint32_t n;
    int second = fs_open("/dev/ptmx", LO_RDWR | LO_NOCTTY, 0);
    cr_assert_eq(CALL(ioctl, (uint64_t)second, 0x80045430, va), 0);
    cr_assert_eq(get_user_u32(va, &n), 0);
    cr_assert_eq(n, 1);
    struct stat_view s;
    cr_assert_eq(stat_of("/dev/pts/1", &s, 0), 0);
    cr_assert_eq(s.rdev, 0x8801);
    cr_assert_eq(s.mode, 020620);
    CALL(close, (uint64_t)second);
    cr_assert_eq(stat_of("/dev/pts/1", &s, 0), -ENOENT);
    second = fs_open("/dev/ptmx", LO_RDWR | LO_NOCTTY, 0);
    cr_assert_eq(stat_of("/dev/pts/1", &s, 0), 0);
    CALL(close, (uint64_t)second);
}
