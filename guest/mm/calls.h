/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls of this family. No include guard: read as a list of SYS(number, name) in
 * guest/sys/.
 */
SYS(9, mmap)
SYS(10, mprotect)
SYS(11, munmap)
SYS(12, brk)
SYS(25, mremap)
SYS(26, msync)
SYS(27, mincore)
SYS(28, madvise)
SYS(59, execve)
SYS(149, mlock)
SYS(150, munlock)
SYS(151, mlockall)
SYS(152, munlockall)
SYS(322, execveat)
SYS(324, membarrier)
SYS(325, mlock2)
SYS(329, pkey_mprotect)
SYS(330, pkey_alloc)
SYS(331, pkey_free)
