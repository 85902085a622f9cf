/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that nobody here calls. Forced into every hosted file by the Makefile (-include). */
#ifndef CASEMATE_BASE_BANNED_H
#define CASEMATE_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef alloca
#undef sprintf
#undef vsprintf
#undef strcpy
#undef strcat
#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol gets alloca

#endif
