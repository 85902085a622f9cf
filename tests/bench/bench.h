/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of cc-bench that have a file of their own. Each returns the exit status; argv[0] is the command's name. */
#ifndef CASEMATE_TESTS_BENCH_BENCH_H
#define CASEMATE_TESTS_BENCH_BENCH_H

int bench_kbs(int argc, char **argv);

#endif
