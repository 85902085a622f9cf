/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launch spec: what the host asks the guest to run. Canonical JSON [RFC 8785], at most
 * LAUNCH_SPEC_MAX bytes, one object with exactly these members:
 *
 *   "args"      array of texts, 1..4096; args[0] is looked up along PATH when it has no slash
 *   "cwd"       absolute path inside the image
 *   "env"       array of "NAME=value", at most 4096, no name twice
 *   "hostname"  0..63 of [A-Za-z0-9-]
 *   "manifest"  "sha256:…", the image's manifest
 *   "mounts"    array, at most 64, of {"kind":K,"readonly":B,"target":T}: K "tmpfs" or "host"; T an
 *               absolute path without ".", ".." or doubled slashes, not "/"; no target equals or
 *               lies below another
 *   "readonly"  the root is read-only for the application
 *   "stdin"     the application may read what the host writes; otherwise it reads /dev/null
 *   "tty"       stdio is a terminal: what the host types reaches the application, whatever "stdin"
 *   "user"      "", or NAME|UID[:GROUP|GID], resolved by the image's /etc/passwd and /etc/group in
 *               the guest
 *   "version"   1
 *
 * Untrusted until init has judged it by the policy in initdata. Its SHA-384 is the value of runtime
 * register 2, so the text must be what every parser agrees on: anything but the canonical text of
 * what it says is refused.
 *
 * The host has merged the image's configuration and the user's wishes (loader/resolve.h): the text
 * names the whole process. The guest adds only HOME, from the image's /etc/passwd, where env has
 * none.
 */
#ifndef CASEMATE_GUEST_ABI_LAUNCH_SPEC_H
#define CASEMATE_GUEST_ABI_LAUNCH_SPEC_H

#define LAUNCH_SPEC_VERSION     1
#define LAUNCH_SPEC_MAX         1048576u
#define LAUNCH_SPEC_STRINGS_MAX 4096u
#define LAUNCH_SPEC_MOUNTS_MAX  64u

#endif
