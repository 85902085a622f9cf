/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The early console: plain text in the shared window, until the streams device is up. The monitor prints
 * it under --debug. The host may scribble over `len`: it is this side's own copy that counts.
 */
#include "guest/abi/streams.h"
#include "guest/base/shm.h"
#include "guest/fmt.h"
#include "guest/streams.h"
#include "guest/ward.h"

#define CONSOLE_MAGIC 0x474f4c43u /* "CLOG" */
#define CONSOLE_TEXT  8184u

struct console {
    uint32_t magic;
    uint32_t len; /* bytes of text in use; what comes later is dropped */
    char text[CONSOLE_TEXT];
};
ABI_SIZE(struct console, 8192);

static uint32_t console_len;

void log_line(const char *line, size_t len)
{
    if (streams_log(line, len)) { return; }
    struct console *c = (struct console *)(LOS_WINDOW + STREAMS_EARLY_LOG);
    if (!range_fits(CONSOLE_TEXT, console_len, len + 1)) { return; }
    shm_write(c->text + console_len, line, len);
    shm_write(c->text + console_len + len, "\n", 1);
    console_len += (uint32_t)len + 1;
    shm_store_u32(&c->len, console_len);
    shm_store_u32(&c->magic, CONSOLE_MAGIC);
}
