/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls of this family. No include guard: read as a list of SYS(number, name) in guest/sys/.
 */
SYS(41, socket)
SYS(42, connect)
SYS(43, accept)
SYS(44, sendto)
SYS(45, recvfrom)
SYS(46, sendmsg)
SYS(47, recvmsg)
SYS(48, shutdown)
SYS(49, bind)
SYS(50, listen)
SYS(51, getsockname)
SYS(52, getpeername)
SYS(53, socketpair)
SYS(54, setsockopt)
SYS(55, getsockopt)
SYS(288, accept4)
SYS(299, recvmmsg)
SYS(307, sendmmsg)
