# SPDX-License-Identifier: Apache-2.0

# base: primitives for every folder (host build; guest and firmware list what they need themselves)
base_SRCS := guest/base/err.c guest/base/sha2.c
HOST_ARCHIVES += base

# The library OS, by family. The same sources are built for the guest and, with standin/ instead of x86/, as a Linux
# process.
LOS_MM_SRCS   := guest/fmt.c guest/mm/frames.c guest/mm/pool.c guest/mm/mobj.c guest/mm/uio.c guest/mm/uaccess.c
LOS_TASK_SRCS :=
LOS_FS_SRCS   :=
LOS_NET_SRCS  :=
LOS_SYS_SRCS  := guest/sys/table.c
LOS_SRCS = guest/base/sha2.c $(LOS_MM_SRCS) $(LOS_TASK_SRCS) $(LOS_FS_SRCS) $(LOS_NET_SRCS) $(LOS_SYS_SRCS)

# only in the guest
LOS_X86_SRCS  := guest/lib.c
# only as a Linux process
LOS_STANDIN_SRCS := guest/standin/ward.c guest/standin/standin.c guest/standin/stubs.c

los_SRCS = $(LOS_SRCS) $(LOS_STANDIN_SRCS)
NATIVE_ARCHIVES += los
