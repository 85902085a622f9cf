/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STREAM_KIND_STDIO: arg = 0, 1 or 2, each once; no name. 0 has only a ring to
 * the guest, 1 and 2 only one to the host. Plain bytes, readable by the host. The fin of 0 is the
 * end of the host's standard input; the guest's fin of 1 or 2 closes the host's descriptor there
 * once all bytes are out. -EBADF in OPENED: the host has no such descriptor, or has no longer. An error on 1 or 2
 * (EPIPE, ENOSPC, ...) is what the host's write() said.
 *
 * With a terminal, line discipline and its signals are the guest's: the host's terminal is raw, 0
 * and 1 carry what is typed and shown, and STREAM_OP_RESIZE carries the size, once before the first
 * byte.
 */
#ifndef CASEMATE_GUEST_ABI_STREAM_STDIO_H
#define CASEMATE_GUEST_ABI_STREAM_STDIO_H

#define STREAM_STDIO_COUNT 3u

#endif
