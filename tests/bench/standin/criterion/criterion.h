/* SPDX-License-Identifier: Apache-2.0 */
/* For a program that uses what a test makes, outside of any test: an assertion that fails ends the program. */
#ifndef CASEMATE_TESTS_BENCH_STANDIN_CRITERION_H
#define CASEMATE_TESTS_BENCH_STANDIN_CRITERION_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define cr_assert(ok, ...)                                                                         \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #ok);                         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define cr_assert_eq(a, b, ...)     cr_assert((a) == (b))
#define cr_assert_leq(a, b, ...)    cr_assert((a) <= (b))
#define cr_assert_str_eq(a, b, ...) cr_assert(strcmp(a, b) == 0)

#endif
