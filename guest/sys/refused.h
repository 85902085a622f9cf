/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of Linux that this library OS refuses on purpose, with the error that programs are known to cope with. No include guard: read as a list
 * of REFUSE(number, errno). A number in a family's calls.h wins.
 */
REFUSE(103, EPERM) /* syslog */
REFUSE(153, EPERM) /* vhangup */
REFUSE(155, EPERM) /* pivot_root */
REFUSE(163, EPERM) /* acct */
REFUSE(164, EPERM) /* settimeofday */
REFUSE(165, EPERM) /* mount */
REFUSE(166, EPERM) /* umount2 */
REFUSE(167, EPERM) /* swapon */
REFUSE(168, EPERM) /* swapoff */
REFUSE(170, EPERM) /* sethostname */
REFUSE(171, EPERM) /* setdomainname */
REFUSE(172, EPERM) /* iopl */
REFUSE(173, EPERM) /* ioperm */
REFUSE(175, EPERM) /* init_module */
REFUSE(176, EPERM) /* delete_module */
REFUSE(210, EINVAL) /* io_cancel */
REFUSE(227, EPERM) /* clock_settime */
REFUSE(246, EPERM) /* kexec_load */
REFUSE(272, EPERM) /* unshare */
REFUSE(276, EINVAL) /* tee */
REFUSE(298, EACCES) /* perf_event_open */
REFUSE(300, EPERM) /* fanotify_init */
REFUSE(301, EBADF) /* fanotify_mark */
REFUSE(303, EOPNOTSUPP) /* name_to_handle_at */
REFUSE(304, EPERM) /* open_by_handle_at */
REFUSE(308, EPERM) /* setns */
REFUSE(310, EPERM) /* process_vm_readv */
REFUSE(311, EPERM) /* process_vm_writev */
REFUSE(312, EPERM) /* kcmp */
REFUSE(313, EPERM) /* finit_module */
REFUSE(320, EPERM) /* kexec_file_load */
REFUSE(321, EPERM) /* bpf */
REFUSE(323, EPERM) /* userfaultfd */
REFUSE(428, EPERM) /* open_tree */
REFUSE(429, EPERM) /* move_mount */
REFUSE(430, EPERM) /* fsopen */
REFUSE(431, EPERM) /* fsconfig */
REFUSE(432, EPERM) /* fsmount */
REFUSE(433, EPERM) /* fspick */
REFUSE(438, EPERM) /* pidfd_getfd */
REFUSE(442, EPERM) /* mount_setattr */
REFUSE(444, EOPNOTSUPP) /* landlock_create_ruleset */
REFUSE(445, EOPNOTSUPP) /* landlock_add_rule */
REFUSE(446, EOPNOTSUPP) /* landlock_restrict_self */
