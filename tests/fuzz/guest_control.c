/* SPDX-License-Identifier: Apache-2.0 */
/* libs: control base */
/*
 * A table of control rules and then requests: every byte behind the table is a signal, an event or
 * a program whose argument is the rest. Rules that need no exec never run one.
 */
#include "guest/control.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct control c;
    if (size < 2) { return 0; }
    size_t len = (size_t)data[0] << 8 | data[1];
    data += 2, size -= 2;
    if (len > size) { len = size; }
    if (!control_load(&c, data, len)) { return 0; }
    char *rest = strndup((const char *)data + len, size - len);
    const char *const args[] = {rest, NULL}, *const env[] = {rest, NULL};
    bool programs = false;
    for (uint32_t i = 0; i < c.rule_count; i++) { programs |= c.rules[i].flags != 0; }
    for (size_t i = len; i < size && i < len + 64; i++) {
        (void)!control_signal(&c, data[i]);
        control_note(&c, data[i] % CC_EVENT_COUNT);
        struct control_exec x = {args, env, rest, rest, data[i] & 6u};
        if (control_exec(&c, &x) && !programs) { abort(); }
    }
    free(rest);
    return 0;
}
