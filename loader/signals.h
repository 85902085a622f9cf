/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals for the guest, taken by a thread of their own: HUP INT QUIT TERM USR1 USR2 are handed to
 * the device, WINCH as the terminal's new size. The third INT or TERM in a row ends this process: a
 * program that is process 1 and has no handler ignores them, and the user must get away all the
 * same.
 */
#ifndef CASEMATE_LOADER_SIGNALS_H
#define CASEMATE_LOADER_SIGNALS_H

#include "guest/base/err.h"

struct streams;

/*
 * Before any other thread exists: they all inherit the mask. size_fd: the terminal whose size
 * counts, or -1.
 */
MUST_CHECK int signals_start(int size_fd, struct err *e);

/*
 * The device that signals go to; NULL = none any more. Returns only when nobody uses the last one.
 */
void signals_to(void *arg, struct streams *s);

#endif
