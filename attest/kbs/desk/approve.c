/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For approvers, who trust their own machine and nobody's broker: sign, look at what somebody else
 * signed, and show the public key in the form a policy has it.
 */
#include "attest/kbs/desk/cmd.h"

#include "attest/initdata.h"
#include "attest/jose.h"
#include "attest/kbs/file.h"
#include "attest/kbs/rules/approval.h"
#include "attest/kbs/rules/names.h"
#include "attest/rfc3339.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

/* ---- sign ------------------------------------------------------------------------------------ */

/* A digest in hex, or a file of initdata whose digest it is. */
static int initdata_take(const char *text, struct approval *a, struct err *e)
{
    static const size_t sizes[] = {32, 48, 64};
    auto_store_value file = {0};
    auto_initdata d = {0};
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        if (hex_decode(text, strlen(text), a->initdata, sizes[i])) {
            a->initdata_len = sizes[i];
            return 0;
        }
    }
    int rc = file_read(text, INITDATA_MAX, false, &file, e);
    if (rc == 0) { rc = initdata_parse(file.p, file.len, &d, e); }
    if (rc < 0) { return rc; }
    memcpy(a->initdata, d.digest, d.digest_len);
    a->initdata_len = d.digest_len;
    return 0;
}

static int digest_take(const char *what, const char *prefix, const char *text, bool *out_any,
                       uint8_t *out, size_t len, struct err *e)
{
    size_t skip = strlen(prefix);
    *out_any = strcmp(text, "any") == 0;
    if (*out_any) { return 0; }
    if (strncmp(text, prefix, skip) != 0 ||
        !hex_decode(text + skip, strlen(text + skip), out, len)) {
        return err_set(e, EINVAL,
                       "--%s: found %.140s, wanted any or %s%zu digits of lower-case hex", what,
                       text, prefix, 2 * len);
    }
    return 0;
}

struct wishes {
    const char *key, *as, *resource, *initdata, *measurement, *image, *until, *count;
};

static int approval_of(const struct wishes *w, struct approval *a, struct err *e)
{
    char *end;
    errno = 0;
    unsigned long long count = strtoull(w->count, &end, 10);
    if (!approver_name_ok(w->as)) {
        return err_set(e, EINVAL, "--as: %.80s is no approver's name", w->as);
    }
    if (!resource_pattern_ok(w->resource)) {
        return err_set(e, EINVAL, "--resource: found %.80s, wanted REPO/TYPE/TAG", w->resource);
    }
    if (!rfc3339_parse(w->until, strlen(w->until), &a->expires)) {
        return err_set(e, EINVAL, "--until: found %.40s, wanted a time like 2026-12-31T00:00:00Z",
                       w->until);
    }
    if (errno || *end || w->count[0] == '-' || count < 1 || count > APPROVAL_COUNT_MAX) {
        return err_set(e, EINVAL, "--count: wanted a number from 1 to %u", APPROVAL_COUNT_MAX);
    }
    a->count = count;
    memcpy(a->approver, w->as, strlen(w->as) + 1);
    memcpy(a->resource, w->resource, strlen(w->resource) + 1);
    int rc = initdata_take(w->initdata, a, e);
    if (rc == 0) {
        rc = digest_take("measurement", "", w->measurement, &a->any_measurement, a->measurement,
                         sizeof a->measurement, e);
    }
    return rc < 0 ? rc
                  : digest_take("image", "sha256:", w->image, &a->any_image, a->image,
                                sizeof a->image, e);
}

static int sign(const struct wishes *w, struct err *e)
{
    struct approval a = {0};
    auto_key key = NULL;
    auto_free char *text = NULL;
    int rc = approval_of(w, &a, e);
    if (rc == 0) { rc = file_key(w->key, true, &key, e); }
    if (rc == 0 && !crypto_key_is_private(key)) {
        return err_set(e, EINVAL, "%s: not a private key", w->key);
    }
    if (rc == 0) { rc = approval_sign(&a, key, &text, e); }
    if (rc < 0) { return rc; }
    (void)printf("%s\n", text);
    return 0;
}

static bool wishes_read(int argc, char **argv, struct wishes *w)
{
    static const struct option options[] = {{"key", required_argument, NULL, 'k'},
                                            {"as", required_argument, NULL, 'a'},
                                            {"resource", required_argument, NULL, 'r'},
                                            {"initdata", required_argument, NULL, 'i'},
                                            {"measurement", required_argument, NULL, 'm'},
                                            {"image", required_argument, NULL, 'd'},
                                            {"until", required_argument, NULL, 'u'},
                                            {"count", required_argument, NULL, 'c'},
                                            {0}};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'k': w->key = optarg; break;
        case 'a': w->as = optarg; break;
        case 'r': w->resource = optarg; break;
        case 'i': w->initdata = optarg; break;
        case 'm': w->measurement = optarg; break;
        case 'd': w->image = optarg; break;
        case 'u': w->until = optarg; break;
        case 'c': w->count = optarg; break;
        default: return false;
        }
    }
    return optind == argc && w->key && w->as && w->resource && w->initdata && w->measurement &&
           w->image && w->until;
}

/* ---- show, key ------------------------------------------------------------------------------- */

static int show(const char *path, struct err *e)
{
    auto_store_value text = {0};
    struct approval a;
    char initdata[HEX_LEN(CLAIMS_INITDATA_MAX)], measurement[HEX_LEN(CLAIMS_MEASUREMENT)] = "any";
    char image[HEX_LEN(32)] = "any", expires[RFC3339_SIZE];
    int rc = file_read(path, APPROVAL_TEXT_MAX, false, &text, e);
    while (text.len && (text.p[text.len - 1] == '\n' || text.p[text.len - 1] == '\r')) {
        text.len--;
    }
    if (rc == 0) { rc = approval_parse((const char *)text.p, text.len, &a, e); }
    if (rc < 0) { return rc; }
    hex_encode(a.initdata, a.initdata_len, initdata);
    if (!a.any_measurement) { hex_encode(a.measurement, sizeof a.measurement, measurement); }
    if (!a.any_image) { hex_encode(a.image, sizeof a.image, image); }
    rfc3339_format(a.expires, expires);
    (void)printf("approver     %s (who signed is not checked here)\nresource     %s\n"
                 "initdata     %s\nmeasurement  %s\nimage        %s%s\nexpires      %s\n"
                 "count        %" PRIu64 "\nid           %s\n",
                 a.approver, a.resource, initdata, measurement, a.any_image ? "" : "sha256:", image,
                 expires, a.count, a.id);
    return 0;
}

static int show_key(const char *path, struct err *e)
{
    auto_key key = NULL;
    auto_json jwk = NULL;
    int rc = file_key(path, false, &key, e);
    if (rc == 0 && (rc = jwk_to_json(key, NULL, false, &jwk)) < 0) {
        rc = err_set(e, -rc, "%s: not a key that has a JWK", path);
    }
    if (rc < 0) { return rc; }
    auto_free char *text = json_dumps(jwk, JSON_COMPACT);
    if (!text) { return err_set(e, ENOMEM, "out of memory"); }
    (void)printf("%s\n", text);
    return 0;
}

int cmd_approve(int argc, char **argv)
{
    struct wishes w = {.count = "1"};
    struct err e = {0};
    int rc;
    if (argc == 3 && strcmp(argv[1], "show") == 0) {
        rc = show(argv[2], &e);
    } else if (argc == 3 && strcmp(argv[1], "key") == 0) {
        rc = show_key(argv[2], &e);
    } else if (argc > 1 && strcmp(argv[1], "sign") == 0 && wishes_read(argc - 1, argv + 1, &w)) {
        rc = sign(&w, &e);
    } else {
        return CMD_USAGE;
    }
    if (rc < 0) { (void)fprintf(stderr, "cc-kbs: %s\n", e.text); }
    return rc < 0 ? 1 : 0;
}
