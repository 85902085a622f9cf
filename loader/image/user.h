/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user of a process as an image names it: NAME|UID[:GROUP|GID], "" = root, resolved by the
 * image's own /etc/passwd and /etc/group [OCI image-spec "config.User"].
 *
 *  - A name must be there; a number need not. Its group is the one given, else the passwd entry's,
 *    else 0.
 *  - Supplementary groups come from /etc/group, and only for a name without a group.
 *  - Both files are hostile: at most 1 MiB is read, a line that does not parse is no entry.
 */
#ifndef CASEMATE_LOADER_USER_H
#define CASEMATE_LOADER_USER_H

#include "loader/image/tree.h"

#define USER_GROUPS_MAX 256
#define USER_HOME_MAX   1024

struct user {
    uint32_t uid, gid;
    uint32_t groups[USER_GROUPS_MAX];
    uint32_t group_count;
    char home[USER_HOME_MAX]; /* "/" when passwd says nothing */
};

MUST_CHECK int user_resolve(struct tree *t, const char *text, struct user *out, struct err *e);

/* The same from the files' bytes: the part that strangers feed. */
MUST_CHECK int user_lookup(const char *text, const char *passwd, size_t passwd_len,
                           const char *group, size_t group_len, struct user *out, struct err *e);

#endif
