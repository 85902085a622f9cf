/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of the guest. The order is the design:
 *
 *   1. read launch spec and initdata; both come from the host
 *   2. judge the spec by the policy in initdata: from here on spec and manifest digest are the
 *      owner's choice
 *   3. set the runtime registers: initdata, image, spec
 *   4. read manifest and config, by that digest; learn which keys the layers need
 *   5. have the agent attest and fetch them, and what secrets spec and policy name
 *   6. seal: from here on nothing can change what evidence says was started
 *   7. where initdata ask for it, start the agent that serves the application
 *   8. read, check, decrypt and unpack the layers: hostile bytes are touched only now
 *   9. wipe the keys; put the secrets in place; start the application
 *
 * Without initdata nobody has said what may run, so there is no secret to protect: the spec is
 * taken as it is, registers 1 and 2 still say what was started, and an encrypted image is refused
 * for want of keys.
 */
#include "loader/init/init.h"

#include "attest/initdata.h"
#include "guest/abi/handoff.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"
#include "loader/image/untar.h"
#include "loader/init/agent.h"
#include "loader/init/env.h"
#include "loader/init/policy.h"
#include "loader/init/secrets.h"
#include "loader/init/start.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

struct init {
    struct blob_source blobs;
    char *spec_text, *initdata_text; /* NULL = the host gave none */
    size_t spec_len, initdata_len;
    struct launch_spec spec;
    struct image image;
    uint8_t registers[4][48];
    struct policy *policy; /* NULL without initdata */
    int agent;             /* the program; -1 = not fetched */
    struct secrets secrets;
};

static void init_fini(struct init *in)
{
    if (in->agent >= 0) { (void)close(in->agent); }
    secrets_fini(&in->secrets);
    policy_free(in->policy);
    image_fini(&in->image);
    spec_fini(&in->spec);
    free(in->spec_text);
    free(in->initdata_text);
}

/* ---- 1 and 2: what the host asks for, and whether the owner allows it */

/* *out = NULL when the host gave none. */
static int read_item(int item, const char *what, size_t max, char **out, size_t *out_len,
                     struct err *e)
{
    ssize_t n = env_item(item, NULL, 0);
    if (n == -ENOENT) { return 0; }
    if (n < 0) { return err_set(e, (int)-n, "%s: %s", what, strerror((int)-n)); }
    if (n == 0 || (size_t)n > max) {
        return err_set(e, EFBIG, "%s: %zd bytes, wanted 1 to %zu", what, n, max);
    }
    auto_free char *text = malloc((size_t)n);
    if (!text) { return err_set(e, ENOMEM, "out of memory"); }
    if (env_item(item, text, (size_t)n) != n) {
        return err_set(e, EBADMSG, "%s: changed while it was read", what);
    }
    *out = steal_ptr(&text);
    *out_len = (size_t)n;
    return 0;
}

static int judge(struct init *in, struct err *e)
{
    auto_initdata d = {0};

    if (!in->initdata_text) { return 0; }
    if (initdata_parse(in->initdata_text, in->initdata_len, &d, e) < 0) {
        return err_wrap(e, "initdata");
    }
    initdata_field(&d, in->registers[0], sizeof in->registers[0]);
    const char *policy = initdata_text(&d, INITDATA_POLICY);
    if (!policy) {
        return err_set(e, EACCES, "initdata has no " INITDATA_POLICY ": it allows nothing");
    }
    if (policy_load(policy, strlen(policy), &in->policy, e) < 0) { return -e->code; }
    return policy_judge(in->policy, &in->spec, e);
}

static int read_request(struct init *in, struct err *e)
{
    if (read_item(CC_ITEM_LAUNCH_SPEC, "launch spec", LAUNCH_SPEC_MAX, &in->spec_text,
                  &in->spec_len, e) < 0 ||
        read_item(CC_ITEM_INITDATA, "initdata", INITDATA_MAX, &in->initdata_text, &in->initdata_len,
                  e) < 0) {
        return -e->code;
    }
    if (!in->spec_text) { return err_set(e, ENOENT, "the host gave no launch spec"); }
    if (spec_parse(in->spec_text, in->spec_len, &in->spec, e) < 0) { return -e->code; }
    return judge(in, e);
}

/* ---- 3 and 6: what evidence will say. Plain guests have no evidence and no registers. */

static int set_registers(struct init *in, struct err *e)
{
    spec_register_image(&in->spec.manifest, in->registers[1]);
    spec_register_spec(in->spec_text, in->spec_len, in->registers[2]);
    if (env_tee() == TEE_NONE) { return 0; }
    for (int i = in->initdata_text ? 0 : 1; i < 3; i++) {
        int r = env_register_set(i, in->registers[i]);
        if (r < 0) { return err_set(e, -r, "runtime register %d: %s", i, strerror(-r)); }
    }
    return 0;
}

static int seal(struct err *e)
{
    int r = env_tee() == TEE_NONE ? 0 : env_seal();
    return r < 0 ? err_set(e, -r, "seal: %s", strerror(-r)) : 0;
}

/* ---- 4, 5 and 7: the image, its keys, the secrets */

static int open_blob(struct blob_source *self, const struct digest *d, struct blob *out,
                     struct err *e)
{
    char text[DIGEST_TEXT_SIZE];
    struct stat st;
    (void)self;

    digest_text(d, text);
    auto_fd fd = env_blob_open(text);
    if (fd < 0) { return err_set(e, -fd, "the host does not serve it: %s", strerror(-fd)); }
    if (fstat(fd, &st) < 0) { return err_set(e, errno, "stat: %s", strerror(errno)); }
    if (st.st_size < 0) { return err_set(e, EBADMSG, "the host gives it a negative size"); }
    *out = (struct blob){.fd = steal_fd(&fd), .size = (uint64_t)st.st_size};
    return 0;
}

/* What evidence says of us has to be right: flags that cannot be had are not "none". */
static int agent_guest(const struct init *in, struct agent_guest *out, struct err *e)
{
    int flags = env_launch_flags();
    if (flags < 0) { return err_set(e, -flags, "launch flags: %s", strerror(-flags)); }
    *out = (struct agent_guest){
        .initdata = in->initdata_text,
        .initdata_len = in->initdata_len,
        .registers = in->registers,
        .launch_flags = (uint32_t)flags,
    };
    return 0;
}

/* The program is megabytes that unpacking can use. */
static void drop_agent(struct init *in)
{
    if (in->agent >= 0) { (void)close(in->agent); }
    in->agent = -1;
}

static int fetch_secrets(struct init *in, struct err *e)
{
    struct secrets *s = &in->secrets;
    if (secrets_gather(s, &in->image, &in->spec, in->policy, e) < 0) { return -e->code; }
    if (s->count == 0) { return 0; }
    struct agent_guest g;
    if (agent_guest(in, &g, e) < 0 || agent_fetch(&g, &in->agent, s->wanted, s->count, e) < 0) {
        return err_wrap(e, "secrets");
    }
    env_phase(STREAM_PHASE_ATTESTED);
    if (!policy_wants_rest(in->policy)) { drop_agent(in); }
    return 0;
}

static int serve_application(struct init *in, struct err *e)
{
    if (!in->policy || !policy_wants_rest(in->policy)) { return 0; }
    struct agent_guest g;
    if (agent_guest(in, &g, e) < 0 || agent_stay(&g, &in->agent, e) < 0) {
        return err_wrap(e, "agent");
    }
    drop_agent(in);
    return 0;
}

/* ---- 8 and 9 */

/*
 * All the memory there is: a bomb then fails here, with a sentence, and not in the middle of a
 * write.
 */
static uint64_t unpack_budget(void)
{
    struct sysinfo si;
    uint64_t total = sysinfo(&si) == 0 ? (uint64_t)si.totalram * si.mem_unit : 0;
    return total > 0 && total < IMAGE_UNPACKED_MAX ? total : IMAGE_UNPACKED_MAX;
}

static int unpack(struct init *in, int root, struct err *e)
{
    struct ocicrypt_keys keys = {.kek_count = in->secrets.key_count};
    struct untar_stats stats = {0};
    uint64_t budget = unpack_budget();
    auto_free struct kek *kek = NULL;

    if (secrets_keys(&in->secrets, &kek, e) < 0) { return -e->code; }
    keys.kek = kek;
    int r = image_unpack(&in->blobs, &in->image, &keys, root, &budget, &stats, e);
    wipe(kek, in->secrets.key_count * sizeof *kek);
    if (r == 0) { env_phase(STREAM_PHASE_UNPACKED); }
    return r;
}

static int open_root(const char *path, struct err *e)
{
    if (mkdir(path, 0755) < 0) { return err_set(e, errno, "root directory: %s", strerror(errno)); }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : err_set(e, errno, "root directory: %s", strerror(errno));
}

static int run(struct init *in, const char *root_path, struct err *e)
{
    struct tree *t;

    if (read_request(in, e) < 0 || set_registers(in, e) < 0 ||
        image_load(&in->blobs, &in->spec.manifest, &in->image, e) < 0 || fetch_secrets(in, e) < 0 ||
        seal(e) < 0 || serve_application(in, e) < 0) {
        return START_FAILED;
    }
    auto_fd root = open_root(root_path, e);
    if (root < 0 || unpack(in, root, e) < 0 || tree_new(root, &t, e) < 0) { return START_FAILED; }
    int status = start(t, root, &in->spec, &in->secrets, in->policy, e);
    tree_free(t);
    return status;
}

int init_run(const char *root_path, struct err *e)
{
    struct init in = {.blobs.open = open_blob, .agent = -1};
    (void)umask(0);
    int status = run(&in, root_path, e);
    init_fini(&in);
    return status;
}
