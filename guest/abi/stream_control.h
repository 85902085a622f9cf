/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams about the guest itself.
 *
 * STREAM_KIND_ITEM: arg = STREAM_ITEM_*; no name, no ring to the host. OPENED carries the item's
 * size, or -ENOENT when the host has none. The host sends exactly that many bytes and then its fin.
 * Untrusted bytes, like everything from there: the launch spec is judged by policy, initdata by its
 * digest, the agent by the measured hash.
 *
 * STREAM_KIND_LOG: one ring to the host; lines that end in '\n', printable ASCII, at most
 * STREAM_LOG_LINE_MAX with the end. The host replaces every other byte and cuts longer lines: a
 * terminal must not obey a guest.
 */
#ifndef CASEMATE_GUEST_ABI_STREAM_CONTROL_H
#define CASEMATE_GUEST_ABI_STREAM_CONTROL_H

#define STREAM_ITEM_LAUNCH_SPEC 0u /* same numbers as CC_ITEM_* of init.h */
#define STREAM_ITEM_INITDATA    1u
#define STREAM_ITEM_AGENT       2u
#define STREAM_ITEM_COUNT       3u

#define STREAM_LOG_LINE_MAX 512u

#endif
