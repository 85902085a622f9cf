/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Panic codes: how stub, ward and library OS end a guest that must not go on. X(name, number, words): the words are
 * what cc-run prints. Numbers are never reused.
 */
#ifndef CASEMATE_FIRMWARE_ABI_PANIC_H
#define CASEMATE_FIRMWARE_ABI_PANIC_H

#define PANIC_CODES(X)                                                                                       \
    X(STUB_EXCEPTION, 1, "an exception in the measured stub")                                                \
    X(STUB_PARAMETERS, 2, "the host's memory map is impossible: ranges overlap, are unaligned or too small") \
    X(STUB_IMAGE_SIZE, 3, "the guest image's size differs from the measured launch page")                    \
    X(STUB_IMAGE_HASH, 4, "the guest image's hash differs from the measured launch page")                    \
    X(STUB_IMAGE_FORMAT, 5, "the guest image has an unknown format")                                         \
    X(STUB_LAUNCH_PAGE, 6, "the launch page has an unknown format")                                          \
    X(STUB_CPU, 7, "the processor lacks a feature that Casemate needs")                                      \
    X(WARD_EXCEPTION, 16, "an exception in ring 0")                                                          \
    X(WARD_UPCALL_LOOP, 17, "the library OS faulted while it entered an upcall (stack overflow)")            \
    X(WARD_ACCEPT_TWICE, 18, "memory was accepted twice: the host replays pages")                            \
    X(WARD_RANDOM, 19, "the processor gave no random numbers")                                               \
    X(LOS_PANIC, 32, "the library OS stopped; its last log line says why")                                   \
    X(LOS_FAULT, 33, "the library OS faulted outside its user-copy routines")                                \
    X(LOS_HANDOFF, 34, "the library OS refused its start page")                                              \
    X(LOS_AGENT_HASH, 35, "the agent that the host gave differs from the measured hash")

enum panic_code {
#define X(name, nr, words) PANIC_##name = nr,
    PANIC_CODES(X)
#undef X
};

#endif
