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
#include <stdarg.h>
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

PRINTF_LIKE(2, 3) static int usage(const char *command, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)fprintf(stderr, "cc-image: %s: ", command);
    (void)vfprintf(stderr, fmt, ap);
    (void)fputs("; see cc-image --help\n", stderr);
    va_end(ap);
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

/* ---- the command line ------------------------------------------------------------------------ */

enum { OPT_RECIPIENT = 256, OPT_KEY, OPT_KEK, OPT_JSON, OPT_INT_ARRAY, OPT_HELP };

struct args {
    struct keys *keys;
    bool json, int_array, help;
    const char *image[2];
};

struct command {
    const char *name;
    bool recipients;    /* wants at least one */
    size_t images;      /* how many it wants */
    const char *wanted; /* the same in words */
    int (*run)(const struct args *a, struct err *e);
    struct option options[5];
};

static int take_option(struct args *a, int option, const char *value, struct err *e)
{
    switch (option) {
    case OPT_RECIPIENT: return keys_add_recipient(a->keys, value, e);
    case OPT_KEY: return keys_add_private(a->keys, value, e);
    case OPT_KEK: return keys_add_kek(a->keys, value, e);
    case OPT_JSON: a->json = true; return 0;
    case OPT_INT_ARRAY: a->int_array = true; return 0;
    default: a->help = true; return 0;
    }
}

/* An exit status; what is wrong has been said. */
static int run_command(const struct command *c, int argc, char **argv)
{
    auto_keys keys = calloc(1, sizeof *keys);
    struct args a = {.keys = keys};
    struct err e = {0};

    if (!keys) { return usage(c->name, "out of memory"); }
    opterr = 0;
    for (int o; !a.help && (o = getopt_long(argc, argv, ":", c->options, NULL)) != -1;) {
        if (o == ':') { return usage(c->name, "%.60s needs a value", argv[optind - 1]); }
        if (o == '?') { return usage(c->name, "%.60s: no such option", argv[optind - 1]); }
        if (take_option(&a, o, optarg, &e) < 0) { return fail(c->name, &e); }
    }
    if (a.help) { return fputs(help, stdout) < 0; }
    if ((size_t)(argc - optind) != c->images) { return usage(c->name, "wanted %s", c->wanted); }
    if (c->recipients && keys->public_count + keys->kek_count == 0) {
        return usage(c->name, "no --recipient: nobody could open the image");
    }
    for (size_t i = 0; i < c->images; i++) { a.image[i] = argv[optind + (int)i]; }
    return c->run(&a, &e) < 0 ? fail(c->name, &e) : 0;
}

/* ---- commands ---------------------------------------------------------------------------------- */

static int run_recrypt(enum recrypt_mode mode, const struct args *a, struct err *e)
{
    const char *from = a->image[0], *to = a->image[1];
    auto_layout src = NULL;
    auto_free char *src_tag = NULL;
    auto_free char *dst_tag = NULL;
    struct layout_writer dst;
    struct digest top;
    char text[DIGEST_TEXT_SIZE];

    if (open_source(from, &src, &src_tag, e) < 0 || open_target(to, &dst, &dst_tag, e) < 0) {
        return -e->code;
    }
    int r = recrypt(mode, src, src_tag, &dst, dst_tag, a->keys, &top, e);
    layout_writer_close(&dst);
    if (r < 0) { return err_wrap(e, "%.80s", from); }
    digest_text(&top, text);
    (void)printf("%s\n", text);
    return 0;
}

static int cmd_encrypt(const struct args *a, struct err *e)
{
    return run_recrypt(RECRYPT_ENCRYPT, a, e);
}

static int cmd_decrypt(const struct args *a, struct err *e)
{
    return run_recrypt(RECRYPT_DECRYPT, a, e);
}

static int cmd_inspect(const struct args *a, struct err *e)
{
    auto_layout l = NULL;
    auto_free char *tag = NULL;

    if (open_source(a->image[0], &l, &tag, e) < 0) { return -e->code; }
    return inspect(l, tag, a->json, stdout, e) < 0 ? err_wrap(e, "%.80s", a->image[0]) : 0;
}

static int cmd_keyprovider(const struct args *a, struct err *e)
{
    const size_t room = KEYPROVIDER_REQUEST_MAX + 1; /* one more, to see that it is too long */
    auto_free uint8_t *request = malloc(room);
    auto_free char *answer = NULL;

    if (!request) { return err_set(e, ENOMEM, "out of memory"); }
    size_t len = fread(request, 1, room, stdin);
    if (ferror(stdin)) { return err_set(e, EIO, "request: cannot be read"); }
    if (keyprovider_answer(a->keys, request, len, a->int_array, &answer, e) < 0) {
        return -e->code;
    }
    if (fputs(answer, stdout) < 0 || fflush(stdout) != 0) {
        return err_set(e, EIO, "answer: cannot be written");
    }
    return 0;
}

#define HELP                                                                                       \
    {                                                                                              \
        "help", no_argument, NULL, OPT_HELP                                                        \
    }
static const struct command commands[] = {
    {.name = "encrypt",
     .recipients = true,
     .images = 2,
     .wanted = "SRC and DST",
     .run = cmd_encrypt,
     .options = {{"recipient", required_argument, NULL, OPT_RECIPIENT}, HELP}},
    {.name = "decrypt",
     .images = 2,
     .wanted = "SRC and DST",
     .run = cmd_decrypt,
     .options = {{"key", required_argument, NULL, OPT_KEY},
                 {"kek", required_argument, NULL, OPT_KEK},
                 HELP}},
    {.name = "inspect",
     .images = 1,
     .wanted = "SRC",
     .run = cmd_inspect,
     .options = {{"json", no_argument, NULL, OPT_JSON}, HELP}},
    {.name = "keyprovider",
     .wanted = "no argument",
     .run = cmd_keyprovider,
     .options = {{"kek", required_argument, NULL, OPT_KEK},
                 {"int-array", no_argument, NULL, OPT_INT_ARRAY},
                 HELP}},
};

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) { return fputs(help, stdout) < 0; }
    if (strcmp(name, "--version") == 0) { return printf("cc-image %s\n", CASEMATE_VERSION) < 0; }
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return run_command(&commands[i], argc - 1, argv + 1);
        }
    }
    return usage(argc > 1 ? name : "command", argc > 1 ? "no such command" : "none given");
}
