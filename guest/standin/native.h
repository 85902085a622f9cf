/* SPDX-License-Identifier: Apache-2.0 */
/* Level 2 of the stand-in: pieces of los-native. */
#ifndef CASEMATE_GUEST_STANDIN_NATIVE_H
#define CASEMATE_GUEST_STANDIN_NATIVE_H

#include "guest/los.h"

struct fdtable;

void native_machine_start(void);

/* The host's descriptors 0, 1 and 2 in t. 0 or -errno. */
int native_stdio(struct fdtable *t);
bool native_input_wanted(void); /* somebody sleeps for descriptor 0 */
void native_input_ready(void);

/*
 * Copies a directory of the host into the root file system, by the current process. 0 or -errno;
 * says what failed.
 */
int native_load_tree(const char *host_dir);

#endif
