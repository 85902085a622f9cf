/* SPDX-License-Identifier: Apache-2.0 */
/* Tar headers. See tar.h. */
#include "loader/image/tar.h"

#include "guest/base/cur.h"
#include "guest/base/ovf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CHECKSUM_AT  148
#define CHECKSUM_LEN 8

bool tar_is_end(const uint8_t block[TAR_BLOCK])
{
    uint8_t any = 0;
    for (size_t i = 0; i < TAR_BLOCK; i++) { any |= block[i]; }
    return any == 0;
}

bool tar_padded(uint64_t size, uint64_t *out) { return align_up_ok(size, TAR_BLOCK, out); }

/* Octal with leading blanks and a NUL or blank behind, or base-256 when the first bit is set. */
static int number(struct view f, const char *what, uint64_t max, uint64_t *out, struct err *e)
{
    uint64_t v = 0;
    size_t i = 0;

    if (f.p[0] & 0x80) {
        if (f.p[0] & 0x40) { return err_set(e, EBADMSG, "tar: %s is negative", what); }
        v = f.p[0] & 0x3f;
        for (i = 1; i < f.len; i++) {
            if (v >> 56) { return err_set(e, EBADMSG, "tar: %s does not fit in 64 bits", what); }
            v = v << 8 | f.p[i];
        }
    } else {
        while (i < f.len && f.p[i] == ' ') { i++; }
        for (; i < f.len && f.p[i] >= '0' && f.p[i] <= '7'; i++) { v = v << 3 | (f.p[i] - '0'); }
        for (; i < f.len && (f.p[i] == ' ' || f.p[i] == '\0'); i++) {}
        if (i < f.len) { return err_set(e, EBADMSG, "tar: %s is not an octal number", what); }
    }
    if (v > max) {
        return err_set(e, EBADMSG, "tar: %s %llu is too large", what, (unsigned long long)v);
    }
    *out = v;
    return 0;
}

static void text(struct view f, char *out)
{
    size_t n = strnlen((const char *)f.p, f.len);
    memcpy(out, f.p, n);
    out[n] = '\0';
}

static int check_sum(const uint8_t block[TAR_BLOCK], struct err *e)
{
    uint64_t want, found = 0;
    struct view f = {.p = block + CHECKSUM_AT, .len = CHECKSUM_LEN};

    if (number(f, "checksum", UINT32_MAX, &want, e) < 0) { return -e->code; }
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        found += i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_LEN ? ' ' : block[i];
    }
    if (found != want) {
        return err_set(e, EBADMSG, "tar: header checksum is %llo, found %llo",
                       (unsigned long long)want, (unsigned long long)found);
    }
    return 0;
}

int tar_header_parse(const uint8_t block[TAR_BLOCK], struct tar_header *out, struct err *e)
{
    if (check_sum(block, e) < 0) { return -e->code; }

    struct cur c = cur_of(block, TAR_BLOCK);
    struct view name = cur_sub(&c, 100), mode = cur_sub(&c, 8), uid = cur_sub(&c, 8),
                gid = cur_sub(&c, 8);
    struct view size = cur_sub(&c, 12), mtime = cur_sub(&c, 12);
    cur_skip(&c, CHECKSUM_LEN);
    char type = (char)cur_u8(&c);
    struct view link = cur_sub(&c, 100), magic = cur_sub(&c, 8);
    cur_skip(&c, 64); /* uname, gname: numbers decide */
    struct view major = cur_sub(&c, 8), minor = cur_sub(&c, 8), prefix = cur_sub(&c, 155);

    struct tar_header h = {.type = type == '\0' || type == '7' ? TAR_FILE : type};
    uint64_t v_mode, v_uid, v_gid, v_mtime, v_major, v_minor;
    if (number(mode, "mode", UINT32_MAX, &v_mode, e) < 0 ||
        number(uid, "uid", UINT32_MAX - 1, &v_uid, e) < 0 ||
        number(gid, "gid", UINT32_MAX - 1, &v_gid, e) < 0 ||
        number(size, "size", INT64_MAX, &h.size, e) < 0 ||
        number(mtime, "mtime", INT64_MAX, &v_mtime, e) < 0 ||
        number(major, "major", UINT32_MAX, &v_major, e) < 0 ||
        number(minor, "minor", UINT32_MAX, &v_minor, e) < 0) {
        return -e->code;
    }
    h.mode = (uint32_t)v_mode & 07777;
    h.uid = (uint32_t)v_uid;
    h.gid = (uint32_t)v_gid;
    h.mtime = (int64_t)v_mtime;
    h.major = (uint32_t)v_major;
    h.minor = (uint32_t)v_minor;
    text(link, h.link);

    char tail[101];
    text(name, tail);
    bool ustar = memcmp(magic.p,
                        "ustar\0"
                        "00",
                        8) == 0;
    if (ustar && prefix.p[0] != '\0') {
        char head[156];
        text(prefix, head);
        (void)snprintf(h.name, sizeof h.name, "%s/%s", head, tail);
    } else {
        memcpy(h.name, tail, sizeof tail);
    }
    *out = h;
    return 0;
}
