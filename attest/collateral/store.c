/* SPDX-License-Identifier: Apache-2.0 */
/* See store.h. */
#include "attest/collateral/check.h"

#include "attest/hex.h"
#include "guest/base/hosted.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_ROOM 4096

/* ---- names ----------------------------------------------------------------------------------- */

void collateral_name(const struct collateral_id *id, char out[COLLATERAL_NAME_MAX])
{
    char chip[HEX_LEN(COLLATERAL_CHIP_MAX)], tcb[HEX_LEN(sizeof id->tcb)],
        fmspc[HEX_LEN(TDX_FMSPC)];
    hex_encode(id->chip, id->chip_len, chip);
    hex_encode(id->tcb, sizeof id->tcb, tcb);
    hex_encode(id->fmspc, sizeof id->fmspc, fmspc);
    out[0] = '\0';
    switch (id->kind) {
    case COLLATERAL_NONE: break;
    case COLLATERAL_TDX:
        (void)snprintf(out, COLLATERAL_NAME_MAX, "tdx-%s-%s.json", fmspc,
                       id->processor_ca ? "processor" : "platform");
        break;
    case COLLATERAL_VCEK:
        (void)snprintf(out, COLLATERAL_NAME_MAX, "snp-vcek-%s-%s-%s.der",
                       snp_product_name(id->product), chip, tcb);
        break;
    case COLLATERAL_AMD_CHAIN:
        (void)snprintf(out, COLLATERAL_NAME_MAX, "snp-chain-%s-%s.pem",
                       snp_product_name(id->product), id->vlek ? "vlek" : "vcek");
        break;
    case COLLATERAL_AMD_CRL:
        (void)snprintf(out, COLLATERAL_NAME_MAX, "snp-crl-%s.der", snp_product_name(id->product));
        break;
    }
}

/* Steps over a text when it stands at *at. */
static bool literal(const char **at, const char *text)
{
    size_t n = strlen(text);
    if (strncmp(*at, text, n) != 0) { return false; }
    *at += n;
    return true;
}

static bool hex_part(const char **at, uint8_t *out, size_t len)
{
    if (strnlen(*at, 2 * len) < 2 * len || !hex_decode(*at, 2 * len, out, len)) { return false; }
    *at += 2 * len;
    return true;
}

static bool product_part(const char **at, struct collateral_id *id)
{
    size_t len = strcspn(*at, "-.");
    id->product = snp_product_find(*at, len);
    *at += len;
    return id->product != SNP_PRODUCT_NONE;
}

static bool tdx_parts(const char *at, struct collateral_id *id)
{
    id->kind = COLLATERAL_TDX;
    if (!hex_part(&at, id->fmspc, sizeof id->fmspc)) { return false; }
    id->processor_ca = literal(&at, "-processor.json");
    return (id->processor_ca || literal(&at, "-platform.json")) && !*at;
}

static bool vcek_parts(const char *at, struct collateral_id *id)
{
    id->kind = COLLATERAL_VCEK;
    if (!product_part(&at, id) || !literal(&at, "-")) { return false; }
    id->chip_len = id->product == SNP_TURIN ? 8 : COLLATERAL_CHIP_MAX;
    return hex_part(&at, id->chip, id->chip_len) && literal(&at, "-") &&
           hex_part(&at, id->tcb, sizeof id->tcb) && literal(&at, ".der") && !*at;
}

static bool chain_parts(const char *at, struct collateral_id *id)
{
    id->kind = COLLATERAL_AMD_CHAIN;
    if (!product_part(&at, id)) { return false; }
    id->vlek = literal(&at, "-vlek.pem");
    return (id->vlek || literal(&at, "-vcek.pem")) && !*at;
}

static bool crl_parts(const char *at, struct collateral_id *id)
{
    id->kind = COLLATERAL_AMD_CRL;
    return product_part(&at, id) && literal(&at, ".der") && !*at;
}

bool collateral_parse_name(const char *name, struct collateral_id *out)
{
    static const struct {
        const char *prefix;
        bool (*parts)(const char *at, struct collateral_id *id);
    } kinds[] = {{"tdx-", tdx_parts},
                 {"snp-vcek-", vcek_parts},
                 {"snp-chain-", chain_parts},
                 {"snp-crl-", crl_parts}};
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        struct collateral_id id = {0};
        const char *at = name;
        if (!literal(&at, kinds[i].prefix)) { continue; }
        if (!kinds[i].parts(at, &id)) { return false; }
        *out = id;
        return true;
    }
    return false;
}

/* ---- what evidence needs --------------------------------------------------------------------- */

size_t collateral_of_report(const struct snp_report *r, enum snp_product product,
                            struct collateral_id out[COLLATERAL_OF_REPORT_MAX])
{
    size_t n = 0;
    out[n++] =
        (struct collateral_id){.kind = COLLATERAL_AMD_CHAIN, .product = product, .vlek = r->vlek};
    out[n++] = (struct collateral_id){.kind = COLLATERAL_AMD_CRL, .product = product};
    if (r->vlek) { return n; }
    struct collateral_id *vcek = &out[n++];
    *vcek = (struct collateral_id){.kind = COLLATERAL_VCEK,
                                   .product = product,
                                   .chip_len = product == SNP_TURIN ? 8 : COLLATERAL_CHIP_MAX};
    memcpy(vcek->chip, r->chip_id, vcek->chip_len);
    memcpy(vcek->tcb, r->reported_raw, sizeof vcek->tcb);
    return n;
}

struct collateral_id collateral_of_platform(const struct tdx_endorsement *n)
{
    struct collateral_id id = {.kind = COLLATERAL_TDX, .processor_ca = n->processor_ca};
    memcpy(id.fmspc, n->platform.fmspc, TDX_FMSPC);
    return id;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int path_of(const struct collateral_store *s, const char *name, char out[PATH_ROOM],
                   struct err *e)
{
    int n = snprintf(out, PATH_ROOM, "%s/%s", s->dir, name);
    return n < 0 || n >= PATH_ROOM ? err_set(e, ENAMETOOLONG, "%.80s: path too long", s->dir) : 0;
}

int collateral_read(const struct collateral_store *s, const struct collateral_id *id, char **out,
                    size_t *out_len, struct err *e)
{
    char name[COLLATERAL_NAME_MAX], path[PATH_ROOM];
    collateral_name(id, name);
    int r = path_of(s, name, path, e);
    if (r < 0) { return r; }
    auto_file f = fopen(path, "rbe");
    if (!f) { return err_set(e, errno, "%s: %s", path, strerror(errno)); }
    auto_free char *p = malloc(COLLATERAL_ITEM_MAX + 2);
    if (!p) { return err_set(e, ENOMEM, "%s: out of memory", path); }
    size_t len = fread(p, 1, COLLATERAL_ITEM_MAX + 1, f);
    if (ferror(f)) { return err_set(e, EIO, "%s: cannot be read", path); }
    if (len > COLLATERAL_ITEM_MAX) { return err_set(e, EFBIG, "%s: too large", path); }
    p[len] = '\0';
    *out = steal_ptr(&p);
    *out_len = len;
    return 0;
}

/* Is something newer, or as new and the same, there already? What is there and broken is not. */
static int older_refuse(const struct collateral_store *s, const struct collateral_id *id,
                        const char *name, const struct collateral_ages *mine, struct err *e)
{
    auto_free char *there = NULL;
    size_t len;
    struct collateral_ages old;
    struct err ignored = {0};
    if (collateral_read(s, id, &there, &len, &ignored) < 0 ||
        collateral_check(s, id, there, len, &old, &ignored) < 0) {
        return 0;
    }
    for (size_t i = 0; i < COLLATERAL_AGES; i++) {
        if (mine->v[i] < old.v[i]) {
            return err_set(e, ESTALE, "%s: older than what is there", name);
        }
    }
    return 0;
}

/* Beside its place, then into it. */
static int replace(const char *path, const void *bytes, size_t len, struct err *e)
{
    char temp[PATH_ROOM + 8];
    (void)snprintf(temp, sizeof temp, "%s.XXXXXX", path);
    auto_fd fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0) { return err_set(e, errno, "%s: %s", temp, strerror(errno)); }
    size_t done = 0;
    ssize_t n = 0;
    while (done < len && (n = write(fd, (const char *)bytes + done, len - done)) > 0) {
        done += (size_t)n;
    }
    if (done < len || fchmod(fd, 0644) < 0 || fsync(fd) < 0 || rename(temp, path) < 0) {
        int code = errno ? errno : EIO;
        (void)unlink(temp);
        return err_set(e, code, "%s: %s", path, strerror(code));
    }
    return 0;
}

int collateral_write(const struct collateral_store *s, const struct collateral_id *id,
                     const void *bytes, size_t len, struct err *e)
{
    char name[COLLATERAL_NAME_MAX], path[PATH_ROOM];
    struct collateral_id again;
    struct collateral_ages ages;
    collateral_name(id, name);
    if (!collateral_parse_name(name, &again)) {
        return err_set(e, EINVAL, "\"%.80s\" is no name of an item", name);
    }
    int r = collateral_check(s, id, bytes, len, &ages, e);
    if (r == 0) { r = path_of(s, name, path, e); }
    if (r == 0) { r = older_refuse(s, id, name, &ages, e); }
    if (r < 0) { return r; }
    if (mkdir(s->dir, 0755) < 0 && errno != EEXIST) {
        return err_set(e, errno, "%s: %s", s->dir, strerror(errno));
    }
    return replace(path, bytes, len, e);
}

static void close_dir(DIR **d)
{
    if (*d) { (void)closedir(*d); }
}

int collateral_each(const struct collateral_store *s,
                    int (*visit)(void *ctx, const struct collateral_id *id, struct err *e),
                    void *ctx, struct err *e)
{
    __attribute__((cleanup(close_dir))) DIR *d = opendir(s->dir);
    if (!d) { return err_set(e, errno, "%s: %s", s->dir, strerror(errno)); }
    for (const struct dirent *entry; (entry = readdir(d)) != NULL;) {
        struct collateral_id id;
        if (!collateral_parse_name(entry->d_name, &id)) { continue; }
        int r = visit(ctx, &id, e);
        if (r < 0) { return r; }
    }
    return 0;
}
