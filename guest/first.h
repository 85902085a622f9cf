/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CASEMATE_GUEST_FIRST_H
#define CASEMATE_GUEST_FIRST_H

/* Makes init's process; it runs when the scheduler gets to it. Panics when it cannot. */
void first_process(void);

#endif
