/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's terminal while a guest has it. Raw mode belongs to the terminal, not to this process:
 * whatever ends us must give it back, so terminal_raw() also arranges for exit() and for the
 * signals that end a broken program.
 */
#ifndef CASEMATE_LOADER_TERMINAL_H
#define CASEMATE_LOADER_TERMINAL_H

#include "guest/base/err.h"

/* fd is a terminal. Once per process. */
MUST_CHECK int terminal_raw(int fd, struct err *e);
void terminal_restore(
    void); /* harmless when there is nothing to restore; may be called from a signal handler */

/* False when fd is no terminal or has no size. */
bool terminal_size(int fd, uint16_t *out_rows, uint16_t *out_cols);

#endif
