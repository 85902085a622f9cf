/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cc-attest measure: a guest's launch digest, from the images alone. The work is in measure.h, and
 * for firmware of others in tdvf.h.
 */
#include "attest/cli/cli.h"

#include "attest/hex.h"
#include "attest/json.h"
#include "attest/measure.h"
#include "attest/tdvf.h"
#include "guest/base/hosted.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

/* $CASEMATE_IMAGE, else the build tree this program lies in, else the installed place. */
static int images_dir(char *out, size_t cap, struct err *e)
{
    static const char *const places[] = {"../image", "../lib/casemate"};
    const char *named = getenv("CASEMATE_IMAGE");
    char exe[512], probe[600];
    if (named) {
        (void)snprintf(out, cap, "%s", named);
        return 0;
    }
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n < 0) { return err_set(e, errno, "/proc/self/exe: %s", strerror(errno)); }
    exe[n] = '\0';
    *strrchr(exe, '/') = '\0';
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        (void)snprintf(probe, sizeof probe, "%s/%s/stub.bin", exe, places[i]);
        if (access(probe, R_OK) != 0) { continue; }
        (void)snprintf(out, cap, "%s/%s", exe, places[i]);
        return 0;
    }
    return err_set(e, ENOENT, "no images beside this program; give --images DIR");
}

static int load_image(const char *dir, const char *name, char **out, size_t *out_len, struct err *e)
{
    char path[700];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return cli_read_file(path, out, out_len, e);
}

static json_t *describe_part(const struct launch_part *p)
{
    char hex[HEX_LEN(32)];
    hex_encode(p->sha256, sizeof p->sha256, hex);
    return json_pack("{s:I, s:s}", "size", (json_int_t)p->size, "sha256", hex);
}

static json_t *describe_plan(const struct plan *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->count; i++) {
        char gpa[24];
        bool vmsa = p->page[i].kind == PLAN_VMSA;
        (void)snprintf(gpa, sizeof gpa, "0x%" PRIx64,
                       vmsa ? (uint64_t)MEASURE_VMSA_GPA : p->page[i].gpa);
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s}", "kind", vmsa ? "vmsa" : "normal", "gpa", gpa));
    }
    return list;
}

static int measure(const char *dir, bool guarded, bool digest_only, struct err *e)
{
    auto_free char *stub = NULL;
    auto_free char *launch = NULL;
    size_t stub_len, launch_len;
    uint8_t digest[MEASURE_SNP_SIZE];
    char hex[HEX_LEN(MEASURE_SNP_SIZE)];
    struct plan p;

    int r = load_image(dir, "stub.bin", &stub, &stub_len, e);
    if (r == 0) { r = load_image(dir, "launch.page", &launch, &launch_len, e); }
    if (r == 0) {
        r = plan_make(&p, stub, stub_len, launch, launch_len, guarded ? LAUNCH_GUARDED : 0, e);
    }
    if (r < 0) { return r; }
    r = measure_sim(NULL, &p, digest);
    if (r < 0) { return err_set(e, -r, "the launch plan cannot be measured"); }
    hex_encode(digest, sizeof digest, hex);
    if (digest_only) {
        (void)printf("%s\n", hex);
        return 0;
    }
    auto_json j =
        json_pack("{s:s, s:s, s:I, s:o, s:o, s:o}", "tee", "sim", "measurement", hex,
                  "launch_flags", (json_int_t)p.launch.flags, "core", describe_part(&p.launch.core),
                  "agent", describe_part(&p.launch.agent), "plan", describe_plan(&p));
    return cli_print_json(j, e);
}

/* ---- firmware of others ---------------------------------------------------------------------- */

static json_t *describe_sections(const struct tdvf *t)
{
    json_t *list = json_array();
    for (size_t i = 0; i < t->count; i++) {
        char gpa[24];
        (void)snprintf(gpa, sizeof gpa, "0x%" PRIx64, t->v[i].gpa);
        (void)json_array_append_new(
            list, json_pack("{s:I, s:s, s:I, s:b, s:b}", "type", (json_int_t)t->v[i].type, "gpa",
                            gpa, "size", (json_int_t)t->v[i].size, "measured",
                            (int)t->v[i].measured, "added", (int)!t->v[i].later));
    }
    return list;
}

static int measure_firmware(const char *path, bool two_pass, bool digest_only, struct err *e)
{
    auto_free char *image = NULL;
    size_t len;
    struct tdvf t;
    uint8_t digest[MEASURE_TDX_SIZE];
    char hex[HEX_LEN(MEASURE_TDX_SIZE)];
    int r = cli_read_file(path, &image, &len, e);
    if (r == 0) { r = tdvf_parse(image, len, &t, e); }
    if (r < 0) { return r; }
    tdvf_measure(&t, two_pass, digest);
    hex_encode(digest, sizeof digest, hex);
    if (digest_only) {
        (void)printf("%s\n", hex);
        return 0;
    }
    auto_json j = json_pack("{s:s, s:s, s:o}", "tee", "tdx", "measurement", hex, "sections",
                            describe_sections(&t));
    return cli_print_json(j, e);
}

/* ---- the command line ------------------------------------------------------------------------ */

struct request {
    bool tdx, guarded, two_pass, digest_only;
    const char *images, *firmware, *ward;
};

static int take_options(int argc, char **argv, struct request *q, struct err *e)
{
    static const struct option options[] = {{"type", required_argument, NULL, 't'},
                                            {"images", required_argument, NULL, 'i'},
                                            {"ward", required_argument, NULL, 'w'},
                                            {"firmware", required_argument, NULL, 'f'},
                                            {"two-pass", no_argument, NULL, '2'},
                                            {"digest", no_argument, NULL, 'd'},
                                            {0}};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 't':
            q->tdx = strcmp(optarg, "tdx") == 0;
            if (!q->tdx && strcmp(optarg, "sim") != 0) {
                return err_set(e, EINVAL, "--type: wanted sim or tdx");
            }
            break;
        case 'i': q->images = optarg; break;
        case 'w': q->ward = optarg; break;
        case 'f': q->firmware = optarg; break;
        case '2': q->two_pass = true; break;
        case 'd': q->digest_only = true; break;
        default: return err_set(e, EINVAL, "wrong option; see cc-attest --help");
        }
    }
    if (optind != argc) { return err_set(e, EINVAL, "takes no arguments"); }
    q->guarded = q->ward && strcmp(q->ward, "guarded") == 0;
    if (q->ward && !q->guarded && strcmp(q->ward, "open") != 0) {
        return err_set(e, EINVAL, "--ward: wanted open or guarded");
    }
    if (q->tdx ? !q->firmware || q->images || q->ward : q->firmware || q->two_pass) {
        return err_set(e, EINVAL,
                       "--firmware and --two-pass are for tdx, --images and --ward for sim");
    }
    return 0;
}

static int run(int argc, char **argv)
{
    struct err e = {0};
    struct request q = {0};
    char dir[600];
    int r = take_options(argc, argv, &q, &e);
    if (r == 0 && q.tdx) {
        r = measure_firmware(q.firmware, q.two_pass, q.digest_only, &e);
    } else if (r == 0) {
        r = q.images ? 0 : images_dir(dir, sizeof dir, &e);
        if (r == 0) { r = measure(q.images ? q.images : dir, q.guarded, q.digest_only, &e); }
    }
    return r < 0 ? cli_fail("measure", &e) : 0;
}

const struct cli_command cli_measure = {
    .name = "measure",
    .help =
        "usage: cc-attest measure [--type sim] [--images DIR] [--ward open|guarded] [--digest]\n"
        "       cc-attest measure --type tdx --firmware FILE [--two-pass] [--digest]\n"
        "Computes what a guest's launch digest will be, from the images alone.\n"
        "Prints a JSON object that `cc-kbs admin set-reference` takes.\n"
        "  --type sim             kind of TEE\n"
        "  --images DIR           folder with stub.bin and launch.page; absent:\n"
        "                         CASEMATE_IMAGE, or beside this program\n"
        "  --ward open|guarded    page-table regime, as given to cc-run; a measured flag\n"
        "                         (absent: open)\n"
        "  --firmware FILE        OVMF or td-shim for a TD that is not one of ours: MRTD by its\n"
        "                         own metadata\n"
        "  --two-pass             as kernels before 6.16 added it: another digest\n"
        "  --digest               the digest alone, one line\n",
    .run = run,
};
