/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims about the first process, with this file standing in for the library OS: order, registers,
 * what is refused before what. Needs root and the vectors' images.
 */
#include "loader/init/init.h"

#include "attest/agent/agent.h"
#include "guest/abi/handoff.h"
#include "loader/image/layout.h"
#include "loader/image/spec.h"
#include "loader/init/agent.h"
#include "loader/init/env.h"
#include "loader/init/start.h"
#include "tests/unit/image/vectors.h"

#include <errno.h>
#include <string.h>

/* ---- the library OS as init sees it */

static struct {
    char *spec;
    const char *initdata;
    struct layout *layout;
    int tee, flags;
    char trace[256]; /* one letter per call: 0 1 2 registers, b blob, s seal, A agent, g go */
    uint8_t registers[3][48];
    char path[256], cwd[256], env[256];
    uint32_t uid, gid, groups_count;
    bool stdin_ends;
} los;

static void trace(char c)
{
    size_t n = strlen(los.trace);
    if (n + 1 < sizeof los.trace) { los.trace[n] = c; }
}

ssize_t env_item(int item, void *buf, size_t size)
{
    const char *text = item == CC_ITEM_LAUNCH_SPEC ? los.spec : los.initdata;
    if (!text) { return -ENOENT; }
    size_t len = strlen(text);
    if (size > 0) { memcpy(buf, text, size < len ? size : len); }
    return (ssize_t)len;
}

int env_blob_open(const char *digest)
{
    struct err e = {0};
    struct digest d;
    struct blob b;
    trace('b');
    if (digest_parse(digest, &d, &e) < 0) { return -EINVAL; }
    return layout_blobs(los.layout)->open(layout_blobs(los.layout), &d, &b, &e) < 0 ? -ENOENT
                                                                                    : b.fd;
}

int env_agent_open(void)
{
    trace('A');
    return -ENOENT;
}

int env_register_set(int index, const uint8_t value[48])
{
    trace((char)('0' + index));
    memcpy(los.registers[index], value, 48);
    return 0;
}

int env_seal(void)
{
    trace('s');
    return 0;
}

int env_tee(void) { return los.tee; }
int env_launch_flags(void) { return los.flags; }
int env_stay(void) { return 0; }
void env_phase(int phase) { (void)phase; }

int env_start(const struct cc_container *c)
{
    trace('g');
    (void)snprintf(los.path, sizeof los.path, "%s", (const char *)(uintptr_t)c->path);
    (void)snprintf(los.cwd, sizeof los.cwd, "%s", (const char *)(uintptr_t)c->cwd);
    for (const char *const *p = (const char *const *)(uintptr_t)c->envp; *p; p++) {
        size_t n = strlen(los.env);
        (void)snprintf(los.env + n, sizeof los.env - n, "%s;", *p);
    }
    los.uid = c->uid;
    los.stdin_ends = read(STDIN_FILENO, &(char){0}, 1) == 0;
    los.gid = c->gid;
    los.groups_count = c->groups_count;
    return -ECANCELED; /* a real one does not return */
}

void env_fail(int status) { (void)status; }

/* ---- */

/* The vectors' image: User app (1000:1000), Entrypoint /bin/app, cwd /keep. */
static char *spec_for(const char *image, const char *args, const char *user)
{
    static char text[1024];
    char digest[DIGEST_TEXT_SIZE];
    struct digest d;
    struct err e = {0};

    if (geteuid() != 0) { cr_skip_test("needs root"); }
    cr_assert_eq(layout_open_dir(vector_path(image), &los.layout, &e), 0, "%s", e.text);
    cr_assert_eq(layout_select(los.layout, NULL, &d, &e), 0, "%s", e.text);
    digest_text(&d, digest);
    (void)snprintf(
        text, sizeof text,
        "{\"args\":[%s],\"cwd\":\"/keep\",\"env\":[\"PATH=/none:/bin\"],\"hostname\":\"\",\"manifest\":\"%s\","
        "\"mounts\":[],\"readonly\":false,\"stdin\":false,\"tty\":false,\"user\":\"%s\",\"version\":1}",
        args, digest, user);
    return text;
}

static int run(struct err *e)
{
    char dir[64], root[80];
    (void)close(temp_dir(dir));
    (void)snprintf(root, sizeof root, "%s/root", dir);
    int status = init_run(root, e);
    temp_dir_remove(dir);
    layout_free(los.layout);
    los.layout = NULL;
    return status;
}

Test(init, starts_a_plain_image_with_its_user_and_program)
{
    struct err e = {0};
    los.spec = spec_for("oci/image-whiteout-gzip", "\"app\",\"--arg\"", "app");
    cr_assert_eq(run(&e), START_CANNOT_RUN);
    cr_assert(strstr(e.text, "Operation canceled"), "%s", e.text);
    cr_assert_str_eq(los.path, "/bin/app");
    cr_assert_str_eq(los.cwd, "/keep");
    cr_assert(strncmp(los.env, "PATH=/none:/bin;HOME=", 21) == 0, "%s", los.env);
    cr_assert_eq(los.uid, 1000);
    cr_assert_eq(los.gid, 1000);
    cr_assert_eq(los.groups_count, 1);
    cr_assert_null(strchr(los.trace, 's'), "a guest without TEE has nothing to seal");
}

Test(init, what_the_host_writes_to_stdin_arrives_only_where_the_spec_says_so)
{
    for (int interactive = 0; interactive < 2; interactive++) {
        int in[2];
        struct err e = {0};
        char *flag;
        cr_assert_eq(pipe(in), 0);
        cr_assert_eq(write(in[1], "x", 1), 1);
        cr_assert_geq(dup2(in[0], STDIN_FILENO), 0);
        los.spec = spec_for("oci/image-whiteout-gzip", "\"app\"", "");
        flag = strstr(los.spec, "\"stdin\":false");
        if (interactive) {
            memcpy(flag, "\"stdin\":true,", 13);
            memmove(flag + 13, flag + 14, strlen(flag + 13));
        }
        cr_assert_eq(run(&e), START_CANNOT_RUN);
        cr_assert_eq(los.stdin_ends, interactive == 0);
        (void)close(in[0]);
        (void)close(in[1]);
    }
}

Test(init, seals_before_it_touches_a_layer)
{
    struct err e = {0};
    los.tee = TEE_SIM;
    los.spec = spec_for("oci/image-whiteout-gzip", "\"/bin/app\"", "");
    cr_assert_eq(run(&e), START_CANNOT_RUN);
    cr_assert_str_eq(los.trace, "12bbsbbbg",
                     "registers, manifest, config, seal, three layers, start");
}

Test(init, register_two_is_the_hash_of_the_spec)
{
    /*
     * SHA-384 of "abc" [FIPS 180-4 examples]; the image register is the digest with zeros behind
     * it.
     */
    static const uint8_t abc[4] = {0xcb, 0x00, 0x75, 0x3f};
    struct digest d = {{0xaa, 0xbb}};
    uint8_t value[SPEC_REGISTER_SIZE];
    spec_register_spec("abc", 3, value);
    cr_assert_arr_eq(value, abc, sizeof abc);
    spec_register_image(&d, value);
    cr_assert_eq(value[0], 0xaa);
    cr_assert_eq(value[1], 0xbb);
    for (size_t i = 32; i < sizeof value; i++) { cr_assert_eq(value[i], 0); }
}

Test(init, a_program_that_is_not_there_is_127)
{
    struct err e = {0};
    los.spec = spec_for("oci/image-whiteout-gzip", "\"nothing\"", "");
    cr_assert_eq(run(&e), START_NOT_FOUND);
    cr_assert(strstr(e.text, "not found along PATH"), "%s", e.text);
}

Test(init, a_file_without_execute_permission_is_126)
{
    struct err e = {0};
    los.spec = spec_for("oci/image-whiteout-gzip", "\"/etc/passwd\"", "");
    cr_assert_eq(run(&e), START_CANNOT_RUN);
    cr_assert(strstr(e.text, "not an executable"), "%s", e.text);
}

Test(init, an_unknown_user_is_refused)
{
    struct err e = {0};
    los.spec = spec_for("oci/image-whiteout-gzip", "\"app\"", "nobody-here");
    cr_assert_eq(run(&e), START_FAILED);
    cr_assert(strstr(e.text, "/etc/passwd"), "%s", e.text);
}

Test(init, an_encrypted_image_without_initdata_has_no_keys)
{
    struct err e = {0};
    los.tee = TEE_SIM;
    los.spec = spec_for("coco/images/enc-provider", "\"/bin/app\"", "");
    cr_assert_eq(run(&e), START_FAILED);
    cr_assert(strstr(e.text, "without initdata"), "%s", e.text);
    cr_assert_str_eq(los.trace, "12bb", "nothing was asked for after the refusal");
}

Test(init, initdata_without_a_launch_policy_allows_nothing)
{
    struct err e = {0};
    los.tee = TEE_SIM;
    los.spec = spec_for("oci/image-whiteout-gzip", "\"app\"", "");
    los.initdata = "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n\"aa.toml\" = ''\n";
    cr_assert_eq(run(&e), START_FAILED);
    cr_assert(strstr(e.text, "casemate.toml"), "%s", e.text);
    cr_assert_str_eq(los.trace, "", "not a register was set, not a blob opened");
}

Test(init, asks_the_agent_only_when_the_policy_allows)
{
    char initdata[1024];
    struct err e = {0};
    los.tee = TEE_SIM;
    los.spec = spec_for("coco/images/enc-provider", "\"/bin/app\"", "");
    (void)snprintf(
        initdata, sizeof initdata,
        "version = \"0.1.0\"\nalgorithm = \"sha384\"\n[data]\n\"casemate.toml\" = '''\nversion = 1\n"
        "manifests = [\"%.71s\"]\n[[process]]\nargs = [\"/bin/app\"]\ncwd = \"/keep\"\nuser = \"\"\n"
        "env = [\"PATH=/none:/bin\"]\n'''\n",
        strstr(los.spec, "sha256:"));
    los.initdata = initdata;
    cr_assert_eq(run(&e), START_FAILED);
    cr_assert(strstr(e.text, "agent"), "%s", e.text);
    cr_assert_str_eq(los.trace, "012bbA");

    memset(los.trace, 0, sizeof los.trace);
    e = (struct err){0};
    los.flags = -EIO;
    los.spec = spec_for("coco/images/enc-provider", "\"/bin/app\"", "");
    cr_assert_eq(run(&e), START_FAILED);
    cr_assert_str_eq(e.text, "secrets: launch flags: Input/output error");
    cr_assert_str_eq(los.trace, "012bb", "unknown flags are not no flags");

    memset(los.trace, 0, sizeof los.trace);
    e = (struct err){0};
    los.spec = spec_for("coco/images/enc-provider", "\"/bin/other\"", "");
    cr_assert_eq(run(&e), START_FAILED);
    cr_assert(strstr(e.text, "does not allow argument"), "%s", e.text);
    cr_assert_str_eq(los.trace, "");
}

/* ---- the conversation with the agent */

static int converse(const void *answers, size_t len, struct wanted *w, size_t count, struct err *e)
{
    int to[2], from[2];
    static const uint8_t registers[4][48];
    struct agent_guest g = {.initdata = "x", .initdata_len = 1, .registers = registers};
    cr_assert_eq(pipe(to), 0);
    cr_assert_eq(pipe(from), 0);
    cr_assert_eq(write(from[1], answers, len), (ssize_t)len);
    (void)close(from[1]);
    int r = agent_talk(to[1], from[0], &g, w, count, e);
    (void)close(to[0]);
    (void)close(to[1]);
    (void)close(from[0]);
    return r;
}

struct one_key {
    struct agent_answer head;
    uint8_t key[KEK_SIZE];
    struct agent_answer done;
};

static struct one_key good_answer(void)
{
    struct one_key a = {.head = {AGENT_ANSWER_MAGIC, AGENT_VALUE, 0, KEK_SIZE},
                        .done = {AGENT_ANSWER_MAGIC, AGENT_DONE, 0, 0}};
    memset(a.key, 0x5a, sizeof a.key);
    return a;
}

Test(agent, takes_the_key)
{
    struct wanted k = {.kind = AGENT_WANT_RESOURCE, .text = "kbs:///a/b/c"};
    struct one_key a = good_answer();
    struct err e = {0};
    cr_assert_eq(converse(&a, sizeof a, &k, 1, &e), 0, "%s", e.text);
    cr_assert_eq(k.len, KEK_SIZE);
    cr_assert_arr_eq(k.value, a.key, KEK_SIZE);
    wanted_wipe(&k);
}

Test(agent, a_lie_or_an_early_end_leaves_no_key)
{
    for (int i = 0; i < 7; i++) {
        struct wanted k = {.kind = AGENT_WANT_RESOURCE, .text = "kbs:///a/b/c"};
        struct one_key a = good_answer();
        struct err e = {0};
        size_t len = sizeof a;
        switch (i) {
        case 0: a.head.magic++; break;
        case 1: a.head.index = 1; break;
        case 2: a.head.len = KEK_SIZE - 1; break;
        case 3: a.head.kind = AGENT_DONE; break;
        case 4: a.done.kind = AGENT_VALUE; break;
        case 5: len = sizeof a - 1; break;
        default: len = sizeof a.head + 7; break;
        }
        cr_assert_lt(converse(&a, len, &k, 1, &e), 0, "case %d", i);
        cr_assert_null(k.value, "case %d left a value", i);
    }
}

Test(agent, hands_on_the_reason_of_a_refusal)
{
    struct wanted k = {.kind = AGENT_WANT_RESOURCE, .text = "kbs:///a/b/c"};
    struct {
        struct agent_answer head;
        char text[16];
    } a = {.head = {AGENT_ANSWER_MAGIC, AGENT_FAILED, 0, 16}, .text = "measurement\x1b[31m"};
    struct err e = {0};
    cr_assert_eq(converse(&a, sizeof a, &k, 1, &e), -EKEYREJECTED);
    cr_assert_str_eq(e.text, "measurement?[31m");
}
