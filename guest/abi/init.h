/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private system calls between the library OS and init (and the agent, which init starts). Their numbers lie above
 * every Linux number. They work only for processes of init's world, and the application sees ENOSYS for all of them.
 * Once CC_START_CONTAINER has succeeded only processes that stay (CC_STAY) are left there, with CC_EXTEND, CC_EVIDENCE,
 * CC_TEE, CC_CONNECT and CC_LOG.
 *
 * Arguments rdi rsi rdx r10 r8, result in rax, -errno on failure, like any system call. Pointers are the caller's memory.
 */
#ifndef CASEMATE_GUEST_ABI_INIT_H
#define CASEMATE_GUEST_ABI_INIT_H

#include "guest/base/cc.h"

/*
 * (item, buf, size) -> bytes of the whole item; at most size of them are written. -ENOENT when the host gave none.
 * Items come from the host over the control stream and are untrusted until checked.
 */
#define CC_GET_ITEM         2048
#define CC_ITEM_LAUNCH_SPEC 0 /* canonical JSON, guest/abi/launch_spec.h */
#define CC_ITEM_INITDATA    1 /* TOML bytes as the owner registered them  */

/* (name of stream_blob.h, "sha256:<64 hex>") -> descriptor; read, pread64, lseek and fstat's size work; bytes are untrusted */
#define CC_BLOB_OPEN       2049
/* () -> descriptor of the agent program, whole, checked against the measured hash, for execveat; -ENOENT */
#define CC_AGENT_OPEN      2050
/* (index 0..2, 48 bytes) write-once, before seal */
#define CC_REGISTER_SET    2051
/* (48 bytes) register 3 */
#define CC_EXTEND          2052
/* (form WARD_FORM_*, 64 bytes of report data, buf, size) -> report bytes (sim: 1184); -EOPNOTSUPP without a TEE */
#define CC_EVIDENCE        2053
/* (64-byte label, 32 bytes out) */
#define CC_DERIVE_KEY      2054
/* () after it no raw reports, registers 0..2 fixed */
#define CC_SEAL            2055
/* () -> TEE_* of handoff.h */
#define CC_TEE             2056
/* (host string, port, timeout_ms) -> connected TCP descriptor; name resolved and connected in the host's view */
#define CC_CONNECT         2057
/*
 * (struct cc_container *) starts the application as pid 1 of a new pid and mount view with rootfd as its root; it
 * inherits descriptors 0, 1 and 2. Does not return on success: init's processes end and their memory is given back,
 * but for those that stay.
 */
#define CC_START_CONTAINER 2058
/* (text, len) one line for the host's log, at most 512 bytes of printable ASCII */
#define CC_LOG             2059
/* (status 0..255) the guest ends now */
#define CC_FAIL            2060
/* () -> launch flags, as measured in the launch page */
#define CC_LAUNCH_FLAGS    2061
/* () this process, and what it forks, outlives CC_START_CONTAINER; the container never sees it */
#define CC_STAY            2062
/* (STREAM_PHASE_* of streams.h) for the host's timings */
#define CC_PHASE           2063
#define CC_CALL_LO         2048
#define CC_CALL_HI         2064 /* [LO, HI) */

struct cc_container {
    int32_t rootfd; /* directory on tmpfs: becomes /                                              */
    uint32_t uid, gid;
    uint32_t umask;
    uint64_t argv; /* NULL-terminated vectors of pointers, like execve                            */
    uint64_t envp;
    uint64_t cwd;    /* absolute path inside the root                                             */
    uint64_t groups; /* uint32_t[groups_count]                                                    */
    uint32_t groups_count;
    uint32_t flags;    /* CC_CONTAINER_*                                                          */
    uint64_t hostname; /* string                                                                  */
    uint64_t path;     /* the program, absolute inside the root; argv[0] is the application's own */
    uint64_t control, control_len; /* what the host may ask later: control.h; length 0 = nothing */
    uint64_t reserved;
};
ABI_AT(struct cc_container, argv, 16);
ABI_SIZE(struct cc_container, 96);
#define CC_CONTAINER_TTY      1u /* stdio is a terminal: /dev/console becomes the controlling terminal */
#define CC_CONTAINER_READONLY 2u /* the root is read-only for the application; /tmp /run /dev stay writable */

#endif
