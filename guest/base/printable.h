/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of strangers in a line for people, which ends on a terminal or in a log. */
#ifndef CASEMATE_BASE_PRINTABLE_H
#define CASEMATE_BASE_PRINTABLE_H

/* In place: what is not printable ASCII becomes a question mark, so that a text cut anywhere is one. */
static inline void make_printable(char *text)
{
    for (; *text; text++) {
        if (*text < ' ' || *text > '~') { *text = '?'; }
    }
}

#endif
