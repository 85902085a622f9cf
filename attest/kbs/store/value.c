/* SPDX-License-Identifier: Apache-2.0 */
/* See value.h. */
#include "attest/kbs/store/value.h"

#include "guest/base/ct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void store_value_fini(struct store_value *v)
{
    if (v->p) {
        wipe(v->p, v->len);
        free(v->p);
    }
    *v = (struct store_value){0};
}

int store_value_copy(const void *p, size_t len, struct store_value *out, struct err *e)
{
    struct store_value v = {.p = malloc(len + 1), .len = len};
    if (!v.p) { return err_set(e, ENOMEM, "store: out of memory"); }
    if (len) { memcpy(v.p, p, len); }
    v.p[len] = 0;
    *out = v;
    return 0;
}
