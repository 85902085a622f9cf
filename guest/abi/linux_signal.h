/* SPDX-License-Identifier: Apache-2.0 */
/* Signal numbers, codes and flags of the Linux x86-64 ABI. [signal(7)] */
#ifndef CASEMATE_GUEST_ABI_LINUX_SIGNAL_H
#define CASEMATE_GUEST_ABI_LINUX_SIGNAL_H

#if __STDC_HOSTED__
#include <signal.h>
#endif

#define LSIG_HUP 1
#define LSIG_INT 2
#define LSIG_QUIT 3
#define LSIG_ILL 4
#define LSIG_TRAP 5
#define LSIG_ABRT 6
#define LSIG_BUS 7
#define LSIG_FPE 8
#define LSIG_KILL 9
#define LSIG_USR1 10
#define LSIG_SEGV 11
#define LSIG_USR2 12
#define LSIG_PIPE 13
#define LSIG_ALRM 14
#define LSIG_TERM 15
#define LSIG_STKFLT 16
#define LSIG_CHLD 17
#define LSIG_CONT 18
#define LSIG_STOP 19
#define LSIG_TSTP 20
#define LSIG_TTIN 21
#define LSIG_TTOU 22
#define LSIG_URG 23
#define LSIG_XCPU 24
#define LSIG_XFSZ 25
#define LSIG_VTALRM 26
#define LSIG_PROF 27
#define LSIG_WINCH 28
#define LSIG_IO 29
#define LSIG_PWR 30
#define LSIG_SYS 31

#define LSI_USER 0
#define LSI_KERNEL 0x80
#define LSI_QUEUE (-1)
#define LSI_TIMER (-2)
#define LSI_TKILL (-6)
#define LCLD_EXITED 1
#define LCLD_KILLED 2
#define LCLD_DUMPED 3
#define LCLD_STOPPED 5
#define LCLD_CONTINUED 6
#define LSEGV_MAPERR 1
#define LSEGV_ACCERR 2
#define LBUS_ADRALN 1
#define LBUS_ADRERR 2
#define LILL_ILLOPN 2
#define LFPE_INTDIV 1
#define LFPE_FLTDIV 3
#define LFPE_FLTOVF 4
#define LFPE_FLTUND 5
#define LFPE_FLTRES 6
#define LFPE_FLTINV 7
#define LTRAP_TRACE 2

#define LSS_ONSTACK 1u
#define LSS_DISABLE 2u
#define LSS_AUTODISARM 0x80000000u
#define LMINSIGSTKSZ 2048u

#define LSA_NOCLDSTOP 0x1ull
#define LSA_NOCLDWAIT 0x2ull
#define LSA_SIGINFO   0x4ull
#define LSA_ONSTACK   0x08000000ull
#define LSA_RESTART   0x10000000ull
#define LSA_NODEFER   0x40000000ull
#define LSA_RESETHAND 0x80000000ull
#define LSA_RESTORER  0x04000000ull

#endif
