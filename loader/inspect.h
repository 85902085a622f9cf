/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an image is, for people and programs (cc-image inspect). Reads manifest and config, never a
 * layer.
 */
#ifndef CASEMATE_LOADER_INSPECT_H
#define CASEMATE_LOADER_INSPECT_H

#include "loader/image/layout.h"

#include <stdio.h>

MUST_CHECK int inspect(struct layout *l, const char *tag, bool json, FILE *out, struct err *e);

#endif
