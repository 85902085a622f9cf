/* SPDX-License-Identifier: Apache-2.0 */
/* The tests of space.c again, with page tables behind ward calls. */
#define GUARDED
#include "tests/unit/los_mm/space.c"
