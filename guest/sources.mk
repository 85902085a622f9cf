# SPDX-License-Identifier: Apache-2.0

# base: primitives for every folder (host build; guest and firmware list what they need themselves)
base_SRCS := guest/base/err.c guest/base/sha2.c guest/base/sha256_ni.c
HOST_ARCHIVES += base

# The library OS, by family. The same sources are built for the guest and, with standin/ instead of x86/, as a Linux
# process.
LOS_MM_SRCS   := guest/fmt.c guest/mm/frames.c guest/mm/pool.c guest/mm/mobj.c guest/mm/uio.c guest/mm/uaccess.c \
    guest/mm/tables.c guest/mm/tree.c guest/mm/region.c guest/mm/fault.c guest/mm/space.c guest/mm/fork.c guest/mm/calls.c guest/mm/mremap.c \
    guest/mm/elf.c guest/mm/image.c guest/mm/stack.c guest/mm/exec.c guest/random.c
LOS_TASK_SRCS := guest/task/sched.c guest/task/wait.c guest/task/time.c guest/task/lock.c guest/task/switch.S \
    guest/task/entry.c guest/task/pid.c guest/task/proc.c guest/task/reap.c guest/task/clone.c guest/task/cred.c \
    guest/task/session.c guest/task/limits.c guest/task/misc.c guest/task/clock.c guest/task/signal.c \
    guest/task/signal_calls.c guest/task/signal_frame.c guest/task/futex.c guest/task/timers.c guest/task/container.c
LOS_FS_SRCS   := guest/fs/inode.c guest/fs/dentry.c guest/fs/mount.c guest/fs/walk.c guest/fs/names.c guest/fs/tmpfs.c \
                 guest/fs/regular.c guest/fs/file.c guest/fs/fd.c guest/fs/locks.c guest/fs/rw.c guest/fs/open.c guest/fs/stat.c \
                 guest/fs/attr.c guest/fs/dir.c guest/fs/xattr.c guest/fs/pipe.c guest/fs/memfd.c guest/fs/sysvshm.c guest/fs/poll.c \
                 guest/fs/epoll.c guest/fs/eventfd.c guest/fs/inotify.c guest/fs/ioctl.c guest/fs/dev.c \
                 guest/fs/ldisc.c guest/fs/tty.c guest/fs/pts.c guest/fs/computed.c guest/fs/proc.c guest/fs/proc_pid.c \
                 guest/fs/proc_sys.c guest/fs/sysfs.c guest/fs/view.c
LOS_NET_SRCS  := guest/streams.c guest/stream_io.c guest/stream_rings.c guest/stdio.c guest/blob.c \
                 guest/net/socket.c guest/net/msg.c guest/net/option.c guest/net/queue.c guest/net/local.c guest/net/unix.c \
                 guest/net/inet.c guest/net/iface.c
LOS_SYS_SRCS  := guest/machine.c guest/control.c guest/sys/table.c guest/sys/private.c
LOS_SRCS = guest/base/sha2.c $(LOS_MM_SRCS) $(LOS_TASK_SRCS) $(LOS_FS_SRCS) $(LOS_NET_SRCS) $(LOS_SYS_SRCS)

# only in the guest
LOS_X86_SRCS  := guest/x86/gate.S guest/x86/ward.c guest/x86/arch.c guest/x86/cpu.c guest/x86/console.c \
                 guest/x86/direct.c guest/x86/vdso.c guest/x86/patch.c guest/x86/hole.c guest/x86/insn.c \
                 guest/x86/hash.c guest/base/sha256_ni.c guest/mm/text.c \
                 guest/vdso/image.S \
                 guest/x86/fdt.c guest/panic.c guest/lib.c
# only as a Linux process
LOS_WARD_SRCS    := guest/standin/hash.c guest/standin/ward.c guest/standin/ward_tables.c guest/standin/standin.c
LOS_STANDIN_SRCS := $(LOS_WARD_SRCS) guest/standin/arch.c

los_SRCS = $(LOS_SRCS) $(LOS_STANDIN_SRCS)
# The driver of the streams device alone, for tests that play the rest.
streams_guest_SRCS := guest/streams.c guest/stream_io.c guest/stream_rings.c guest/fmt.c guest/mm/uio.c
NATIVE_ARCHIVES += streams_guest
# A parser alone, for its fuzz target.
elf_SRCS := guest/mm/elf.c
NATIVE_ARCHIVES += elf
NATIVE_ARCHIVES += los
# The judge of the host's requests alone, for tests.
control_SRCS := guest/control.c
NATIVE_ARCHIVES += control
# Decoding for x86/patch.c, and the direct map: tested as host programs.
x86code_SRCS := guest/x86/insn.c guest/x86/hole.c
x86direct_SRCS := guest/x86/direct.c
NATIVE_ARCHIVES += x86code x86direct

# The library OS as the guest runs it; firmware/ packs it into the core image.
LOS_ENTRY_SRCS := guest/main.c guest/first.c
$(B)/guest/los.elf: $(call objs,guest,$(LOS_SRCS) $(LOS_X86_SRCS) $(LOS_ENTRY_SRCS)) guest/los.ld
	$(if $(Q),@echo "  LD G    $@")
	$(Q)$(CC) -static -nostdlib -fPIE -no-pie -Wl,-T,guest/los.ld -Wl,--build-id=none -Wl,-z,noexecstack \
	    -Wl,--gc-sections,--no-relax -o $@ $(filter %.o,$^) -l:libfdt.a

# The machine description's reader alone, for tests.
machine_SRCS := guest/machine.c
NATIVE_ARCHIVES += machine

# los-native: real programs over the stand-in (guest/standin/native.c). The program itself lies inside the library OS's
# range, because the application's is below; the usual start files cannot be linked there, those of a PIE can.
LOS_NATIVE_SRCS := $(LOS_SRCS) $(LOS_WARD_SRCS) guest/standin/arch_native.c guest/standin/native_entry.S \
    guest/standin/native_files.c guest/standin/native.c
crt_file = $(shell $(CC) -print-file-name=$(1))
unit: $(B)/bin/los-native
$(B)/bin/los-native: $(call objs,native,$(LOS_NATIVE_SRCS))
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD      los-native")
	$(Q)$(CC) $(SAN) -no-pie -nostartfiles -pthread -Wl,-Ttext-segment=0x650000000000,--no-relax -Wl,-z,noexecstack \
	    -o $@ $(call crt_file,Scrt1.o) $(call crt_file,crti.o) $(call crt_file,crtbeginS.o) $^ -lfdt \
	    $(call crt_file,crtendS.o) $(call crt_file,crtn.o)

# The vDSO: linked apart, embedded by guest/vdso/image.S.
$(B)/gen/vdso.so: guest/vdso/vdso.c guest/vdso/vdso.h guest/vdso/vdso.ld guest/base/cc.h
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD V    $@")
	$(Q)$(CC) $(filter-out -MMD -MP -fPIE -g,$(GUEST_CFLAGS)) -fPIC -shared -nostdlib -Wl,-T,guest/vdso/vdso.ld \
	    -Wl,-soname=linux-vdso.so.1 -Wl,--hash-style=both -Wl,--build-id=none -Wl,-Bsymbolic -Wl,-z,noexecstack \
	    -Wl,-z,max-page-size=4096 -Wl,--no-dynamic-linker -Wl,-s -o $@ $<
$(B)/guest/guest/vdso/image.o: $(B)/gen/vdso.so
