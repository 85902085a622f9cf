/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cc-image: encrypt, decrypt and inspect container images, and serve skopeo as an ocicrypt key
 * provider. The program is its command line; the work is in recrypt.h, keyprovider.h and image/.
 */
#include "loader/inspect.h"
#include "loader/keyprovider.h"
#include "loader/recrypt.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#define EXIT_REFUSED 1
#define EXIT_USAGE   2

static const char help[] =
    "cc-image - encrypt, decrypt and inspect container images\n"
    "\n"
    "usage: cc-image encrypt --recipient R [--recipient R]... SRC DST\n"
    "       cc-image decrypt [--key PEM]... [--kek URI=FILE]... SRC DST\n"
    "       cc-image inspect [--json] SRC\n"
    "       cc-image keyprovider [--kek URI=FILE]... [--int-array]\n"
    "       cc-image --help | --version\n"
    "\n"
    "SRC is oci:DIR[:TAG] or oci-archive:FILE[:TAG]; DST is oci:DIR[:TAG], made where\n"
    "it is missing. TAG chooses an entry of index.json; without it there must be only\n"
    "one. encrypt and decrypt print the digest of what they entered under DST.\n"
    "\n"
    "encrypt\n"
    "    Encrypts every layer with a key of its own (AES-256-CTR, HMAC-SHA-256) and\n"
    "    wraps that key for each recipient; any one of them can open the image.\n"
    "    Manifest and config stay readable: environment variables in the config are\n"
    "    not protected. All images of an index are encrypted.\n"
    "    --recipient jwe:PUB.pem\n"
    "        An RSA or EC (P-256, P-384, P-521) public key or certificate.\n"
    "    --recipient kbs:///a/b/c=FILE\n"
    "        FILE holds 32 raw bytes, which a key broker will release under the name\n"
    "        a/b/c to an attested guest.\n"
    "\n"
    "decrypt\n"
    "    Opens every encrypted layer with the code that runs in the guest: digest,\n"
    "    HMAC, decompression and diff id are checked, in this order.\n"
    "    --key PEM\n"
    "        A private key, for jwe: recipients.\n"
    "    --kek kbs:///a/b/c=FILE\n"
    "        The 32 bytes, for kbs: recipients.\n"
    "\n"
    "inspect\n"
    "    Shows what an image is and which keys open it. Layers are not read.\n"
    "    --json\n"
    "        As one JSON object.\n"
    "\n"
    "keyprovider\n"
    "    Answers one request of ocicrypt's key provider protocol: JSON on standard\n"
    "    input, JSON on standard output. For skopeo, name it in the file to which\n"
    "    OCICRYPT_KEYPROVIDER_CONFIG points:\n"
    "      {\"key-providers\":{\"attestation-agent\":{\"cmd\":{\n"
    "        \"path\":\"/usr/local/bin/cc-image\",\n"
    "        \"args\":[\"keyprovider\",\"--kek\",\"kbs:///default/key/1=/path/key\"]}}}}\n"
    "    and use\n"
    "      --encryption-key provider:attestation-agent:keyid=kbs:///default/key/1\n"
    "      --decryption-key provider:attestation-agent\n"
    "    A keypath=FILE in the parameter is read when no --kek gives that key. Of\n"
    "    several parameters the first wins.\n"
    "    --kek kbs:///a/b/c=FILE\n"
    "        A key to wrap and unwrap with.\n"
    "    --int-array\n"
    "        Bytes in the answer are arrays of numbers, as CoCo's library wants them.\n"
    "\n"
    "exit status\n"
    "    0 done; 1 refused or failed, one line on standard error says why; 2 wrong\n"
    "    usage\n";

/* ---- what all commands share */

static int fail(const char *command, const struct err *e)
{
    (void)fprintf(stderr, "cc-image: %s: %s\n", command, e->text);
    return EXIT_REFUSED;
}

static int usage(const char *what)
{
    (void)fprintf(stderr, "cc-image: %s; see cc-image --help\n", what);
    return EXIT_USAGE;
}

static int open_source(const char *text, struct layout **out, char **out_tag, struct err *e)
{
    struct image_ref ref;
    int r;

    if (image_ref_parse(text, &ref, e) < 0) { return -e->code; }
    if (ref.kind == REF_OCI) {
        r = layout_open_dir(ref.path, out, e);
    } else if (ref.kind == REF_OCI_ARCHIVE) {
        r = layout_open_archive(ref.path, out, e);
    } else {
        r = err_set(e, ENOTSUP, "%.80s: wanted oci:DIR[:TAG] or oci-archive:FILE[:TAG]", text);
    }
    if (r == 0) { *out_tag = steal_ptr(&ref.tag); }
    image_ref_fini(&ref);
    return r;
}

static int open_target(const char *text, struct layout_writer *out, char **out_tag, struct err *e)
{
    struct image_ref ref;

    if (image_ref_parse(text, &ref, e) < 0) { return -e->code; }
    int r = ref.kind == REF_OCI ? layout_writer_open(ref.path, out, e)
                                : err_set(e, ENOTSUP, "%.80s: wanted oci:DIR[:TAG]", text);
    if (r == 0) { *out_tag = steal_ptr(&ref.tag); }
    image_ref_fini(&ref);
    return r;
}

static int run_recrypt(enum recrypt_mode mode, const char *from, const char *to, struct keys *keys,
                       struct err *e)
{
    auto_layout src = NULL;
    auto_free char *src_tag = NULL;
    auto_free char *dst_tag = NULL;
    struct layout_writer dst;
    struct digest top;
    char text[DIGEST_TEXT_SIZE];

    if (open_source(from, &src, &src_tag, e) < 0 || open_target(to, &dst, &dst_tag, e) < 0) {
        return -e->code;
    }
    int r = recrypt(mode, src, src_tag, &dst, dst_tag, keys, &top, e);
    layout_writer_close(&dst);
    if (r < 0) { return err_wrap(e, "%.80s", from); }
    digest_text(&top, text);
    (void)printf("%s\n", text);
    return 0;
}

/* ---- commands: argv[0] is the command's name */

enum { OPT_RECIPIENT = 256, OPT_KEY, OPT_KEK, OPT_JSON, OPT_INT_ARRAY, OPT_HELP };

static int cmd_encrypt(int argc, char **argv)
{
    static const struct option options[] = {{"recipient", required_argument, NULL, OPT_RECIPIENT},
                                            {"help", no_argument, NULL, OPT_HELP},
                                            {0}};
    struct err e = {0};
    auto_keys keys = calloc(1, sizeof *keys);

    if (!keys) { return usage("out of memory"); }
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case OPT_RECIPIENT:
            if (keys_add_recipient(keys, optarg, &e) < 0) { return fail("encrypt", &e); }
            break;
        case OPT_HELP: return fputs(help, stdout) < 0;
        default: return usage("encrypt: unknown option");
        }
    }
    if (argc - optind != 2) { return usage("encrypt: wanted SRC and DST"); }
    if (keys->public_count + keys->kek_count == 0) { return usage("encrypt: no --recipient"); }
    return run_recrypt(RECRYPT_ENCRYPT, argv[optind], argv[optind + 1], keys, &e) < 0
               ? fail("encrypt", &e)
               : 0;
}

static int cmd_decrypt(int argc, char **argv)
{
    static const struct option options[] = {{"key", required_argument, NULL, OPT_KEY},
                                            {"kek", required_argument, NULL, OPT_KEK},
                                            {"help", no_argument, NULL, OPT_HELP},
                                            {0}};
    struct err e = {0};
    auto_keys keys = calloc(1, sizeof *keys);

    if (!keys) { return usage("out of memory"); }
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case OPT_KEY:
            if (keys_add_private(keys, optarg, &e) < 0) { return fail("decrypt", &e); }
            break;
        case OPT_KEK:
            if (keys_add_kek(keys, optarg, &e) < 0) { return fail("decrypt", &e); }
            break;
        case OPT_HELP: return fputs(help, stdout) < 0;
        default: return usage("decrypt: unknown option");
        }
    }
    if (argc - optind != 2) { return usage("decrypt: wanted SRC and DST"); }
    return run_recrypt(RECRYPT_DECRYPT, argv[optind], argv[optind + 1], keys, &e) < 0
               ? fail("decrypt", &e)
               : 0;
}

static int cmd_inspect(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, OPT_JSON}, {"help", no_argument, NULL, OPT_HELP}, {0}};
    struct err e = {0};
    auto_layout l = NULL;
    auto_free char *tag = NULL;
    bool json = false;

    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case OPT_JSON: json = true; break;
        case OPT_HELP: return fputs(help, stdout) < 0;
        default: return usage("inspect: unknown option");
        }
    }
    if (argc - optind != 1) { return usage("inspect: wanted SRC"); }
    const char *ref = argv[optind];
    if (open_source(ref, &l, &tag, &e) < 0) { return fail("inspect", &e); }
    if (inspect(l, tag, json, stdout, &e) < 0) { return fail(ref, &e); }
    return 0;
}

static int read_request(uint8_t *buf, size_t size, size_t *out_len, struct err *e)
{
    size_t len = fread(buf, 1, size, stdin);
    if (ferror(stdin)) { return err_set(e, EIO, "request: cannot be read"); }
    *out_len = len;
    return 0;
}

static int cmd_keyprovider(int argc, char **argv)
{
    static const struct option options[] = {{"kek", required_argument, NULL, OPT_KEK},
                                            {"int-array", no_argument, NULL, OPT_INT_ARRAY},
                                            {"help", no_argument, NULL, OPT_HELP},
                                            {0}};
    struct err e = {0};
    auto_keys keys = calloc(1, sizeof *keys);
    auto_free uint8_t *request =
        malloc(KEYPROVIDER_REQUEST_MAX + 1); /* one more, to see that it is too long */
    auto_free char *answer = NULL;
    bool int_array = false;
    size_t len = 0;

    if (!keys || !request) { return usage("out of memory"); }
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case OPT_KEK:
            if (keys_add_kek(keys, optarg, &e) < 0) { return fail("keyprovider", &e); }
            break;
        case OPT_INT_ARRAY: int_array = true; break;
        case OPT_HELP: return fputs(help, stdout) < 0;
        default: return usage("keyprovider: unknown option");
        }
    }
    if (argc != optind) { return usage("keyprovider: takes no argument"); }
    if (read_request(request, KEYPROVIDER_REQUEST_MAX + 1, &len, &e) < 0 ||
        keyprovider_answer(keys, request, len, int_array, &answer, &e) < 0) {
        return fail("keyprovider", &e);
    }
    return fputs(answer, stdout) < 0 || fflush(stdout) != 0;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"encrypt", cmd_encrypt},
    {"decrypt", cmd_decrypt},
    {"inspect", cmd_inspect},
    {"keyprovider", cmd_keyprovider},
};

int main(int argc, char **argv)
{
    if (argc < 2) { return usage("no command"); }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        return fputs(help, stdout) < 0;
    }
    if (strcmp(argv[1], "--version") == 0) { return printf("cc-image %s\n", CASEMATE_VERSION) < 0; }
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) { return commands[i].run(argc - 1, argv + 1); }
    }
    return usage("unknown command");
}
