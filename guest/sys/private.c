/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private calls of init's world (guest/abi/init.h). Each decodes and checks, then performs, like
 * any system call. They are what stands between init and the ward, the streams device and the start
 * of the container; nothing is decided here that init decides.
 */
#include "guest/sys/private.h"

#include "firmware/abi/panic.h"
#include "guest/abi/init.h"
#include "guest/abi/stream_blob.h"
#include "guest/abi/stream_control.h"
#include "guest/abi/stream_socket.h"
#include "guest/abi/streams.h"
#include "guest/base/ct.h"
#include "guest/control.h"
#include "guest/fs/fs.h"
#include "guest/hash.h"
#include "guest/mm/mm.h"
#include "guest/net/net.h"
#include "guest/stream_files.h"
#include "guest/streams.h"
#include "guest/task/task.h"
#include "guest/ward.h"

#define ARGS_MAX       4096u     /* strings of argv, and of envp */
#define ARG_SIZE       65536u    /* bytes of one string: what mem_alloc() gives */
#define ARGS_BYTES     0x200000u /* of all strings together, as Linux */
#define PATH_SIZE      4096u
#define HOST_NAME_SIZE 65u
#define LOG_MAX        512u

static struct control control; /* no rules until the container starts */

/* What init does for itself is no event. */
static void note(unsigned event)
{
    if (container_started()) { control_note(&control, event); }
}

/* ---- the ward -------------------------------------------------------------------------------- */

/*
 * Bytes in and out of the ward go through this vCPU's page; under the big lock nobody else uses it
 * meanwhile.
 */
static int64_t ward_with(uint64_t nr, uint64_t a0, const void *in, size_t len)
{
    memcpy(cpu_vpage()->io, in, len);
    return ward_call(nr, a0, 0, 0, 0, 0);
}

static int64_t register_set(uint64_t index, uint64_t va)
{
    uint8_t value[48];
    if (index > 2) { return -EINVAL; }
    int r = copy_from_user(value, va, sizeof value);
    return r < 0 ? r : ward_with(WARD_REGISTER_SET, index, value, sizeof value);
}

static int64_t extend(uint64_t va)
{
    uint8_t value[48];
    int r = copy_from_user(value, va, sizeof value);
    if (r < 0) { return r; }
    note(CC_EVENT_EXTEND);
    return ward_with(WARD_EXTEND, 0, value, sizeof value);
}

static int64_t evidence(uint64_t form, uint64_t data_va, uint64_t buf, uint64_t size)
{
    uint8_t data[64];
    if (form != WARD_FORM_RAW && form != WARD_FORM_REGISTER) { return -EINVAL; }
    int r = copy_from_user(data, data_va, sizeof data);
    if (r < 0) { return r; }
    if (handoff->tee == TEE_NONE) { return -EOPNOTSUPP; }
    note(CC_EVENT_EVIDENCE);
    int64_t len = ward_with(WARD_EVIDENCE, form, data, sizeof data);
    if (len < 0) { return len; }
    if ((uint64_t)len > sizeof cpu_vpage()->io || (uint64_t)len > size) { return -ENOSPC; }
    r = copy_to_user(buf, cpu_vpage()->io, (size_t)len);
    return r < 0 ? r : len;
}

static int64_t derive_key(uint64_t label_va, uint64_t out_va)
{
    uint8_t label[64], key[32];
    int64_t r = copy_from_user(label, label_va, sizeof label);
    if (r < 0) { return r; }
    r = ward_with(WARD_DERIVE_KEY, 0, label, sizeof label);
    if (r < 0) { return r; }
    memcpy(key, cpu_vpage()->io, sizeof key);
    wipe(cpu_vpage()->io, sizeof key);
    r = copy_to_user(out_va, key, sizeof key);
    wipe(key, sizeof key);
    return r;
}

/* ---- what the host gave ---------------------------------------------------------------------- */

static int64_t get_item(uint64_t item, uint64_t buf, uint64_t size)
{
    struct uio u;
    if (item != CC_ITEM_LAUNCH_SPEC && item != CC_ITEM_INITDATA) { return -EINVAL; }
    if (!user_range_ok(buf, size)) { return -EFAULT; }
    uio_user(&u, buf, size);
    return streams_item((uint32_t)item, &u);
}

static int64_t blob_open(uint64_t digest_va)
{
    char digest[STREAM_BLOB_NAME_MAX + 1];
    int err = 0;
    int64_t r = user_string(digest, digest_va, sizeof digest);
    if (r < 0) { return r == -ENAMETOOLONG ? -EINVAL : r; }
    struct file *f = blob_file(digest, &err);
    return f != NULL ? fd_install(f, true) : err;
}

/* Copies the agent into the file's memory and hashes the copy. */
static int agent_fetch(struct mobj *to, struct stream *from, struct sha256_ctx *hash)
{
    uint64_t size = handoff->agent_size;
    int r = mobj_truncate(to, size);

    for (uint64_t off = 0; r == 0 && off < size; off += PAGE_SIZE) {
        gpa_t frame = mobj_frame(to, off / PAGE_SIZE, true);
        if (!gpa_ok(frame)) { return -ENOMEM; }
        size_t n = min_u64(PAGE_SIZE, size - off);
        r = stream_read_all(from, frame_va(frame), n);
        if (r == 0) { hash_bulk(hash, frame_va(frame), n); }
    }
    return r;
}

/* The measured hash says what the agent is; a host that gives another one gets no second try. */
static int64_t agent_open(void)
{
    struct stream_open o = {
        .kind = STREAM_KIND_ITEM, .arg = STREAM_ITEM_AGENT, .in_size = STREAM_RING_MAX};
    struct sha256_ctx hash;
    uint8_t digest[SHA256_SIZE];
    int err = 0;

    if (handoff->agent_size == 0) { return -ENOENT; }
    struct stream *s = stream_new(&o, &err);
    if (s == NULL) { return err; }
    struct file *f = file_memory("agent");
    if (f == NULL) {
        err = -ENOMEM;
        goto out;
    }
    err = stream_wait_open(s, NO_DEADLINE, false);
    sha256_init(&hash);
    if (err == 0) { err = agent_fetch(f->ops->mobj(f), s, &hash); }
    if (err == 0) {
        sha256_final(&hash, digest);
        if (memcmp(digest, handoff->agent_sha256, sizeof digest) != 0) {
            panic_code(PANIC_LOS_AGENT_HASH);
        }
    }
out:
    stream_close(s);
    if (err < 0) {
        file_put(f);
        return err;
    }
    return fd_install(f, true);
}

static int64_t connect_by_name(uint64_t host_va, uint64_t port, uint64_t timeout_ms)
{
    char host[STREAM_HOST_NAME_MAX + 1];
    int err = 0;
    int64_t r = user_string(host, host_va, sizeof host);
    if (r < 0) { return r == -ENAMETOOLONG ? -EINVAL : r; }
    if (r == 0 || port < 1 || port > UINT16_MAX || timeout_ms > UINT32_MAX) { return -EINVAL; }
    struct file *f = net_connect_by_name(host, (uint16_t)port, (uint32_t)timeout_ms, &err);
    return f != NULL ? fd_install(f, true) : err;
}

static int64_t log_text(uint64_t va, uint64_t len)
{
    char text[LOG_MAX];
    if (len > sizeof text) { return -EINVAL; }
    int r = copy_from_user(text, va, len);
    if (r < 0) { return r; }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] > '~') { return -EINVAL; }
    }
    (void)streams_log(text, len);
    return 0;
}

static int64_t phase(uint64_t number)
{
    if (number != STREAM_PHASE_ATTESTED && number != STREAM_PHASE_UNPACKED) { return -EINVAL; }
    streams_say_phase((unsigned)number);
    return 0;
}

static NORETURN void fail(uint64_t status)
{
    unsigned code = status <= 255 ? (unsigned)status : 125;
    streams_say_exit(STREAM_EXIT_REFUSED, code);
    ward_power_off(code);
}

/* ---- the container --------------------------------------------------------------------------- */

static void strings_free(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) { mem_free(list[i]); }
    mem_free(list);
}

static int string_copy(uint64_t va, char **out, size_t *budget)
{
    static char text[ARG_SIZE]; /* under the big lock, and nothing sleeps while it is used */
    int64_t len = user_string(text, va, sizeof text);
    if (len < 0) { return len == -ENAMETOOLONG ? -E2BIG : (int)len; }
    if ((uint64_t)len + 1 > *budget) { return -E2BIG; }
    *budget -= (size_t)len + 1;
    *out = mem_alloc((size_t)len + 1);
    if (*out == NULL) { return -ENOMEM; }
    memcpy(*out, text, (size_t)len + 1);
    return 0;
}

/* A NULL-terminated vector of strings. */
static int strings_copy(uint64_t va, char ***out, size_t *budget)
{
    char **list = mem_alloc((ARGS_MAX + 1) * sizeof *list);
    if (list == NULL) { return -ENOMEM; }
    int r = 0;
    for (size_t i = 0; r == 0; i++) {
        uint64_t at = 0;
        r = get_user_u64(va + i * sizeof at, &at);
        if (r == 0 && at == 0) { break; }
        if (r == 0) { r = i < ARGS_MAX ? string_copy(at, &list[i], budget) : -E2BIG; }
    }
    if (r < 0) {
        strings_free(list);
        return r;
    }
    *out = list;
    return 0;
}

/*
 * Root has what container runtimes give it; anyone else has nothing but the bounding set.
 * task/cred.c fills those in.
 */
static int cred_copy(const struct cc_container *c, struct cred *out)
{
    if (c->groups_count > NGROUPS_MAX) { return -EINVAL; }
    *out = current_proc()->cred;
    out->ruid = out->euid = out->suid = out->fsuid = c->uid;
    out->rgid = out->egid = out->sgid = out->fsgid = c->gid;
    out->groups_count = c->groups_count;
    return copy_from_user(out->groups, c->groups, c->groups_count * sizeof out->groups[0]);
}

/* ---- what the host asks afterwards ----------------------------------------------------------- */

/* The table stays: its texts are read as long as the guest lives. */
static int control_copy(const struct cc_container *c, void **out)
{
    if (c->control_len == 0) { return 0; }
    if (c->control_len > CC_CONTROL_SIZE_MAX) { return -EINVAL; }
    void *table = mem_alloc(c->control_len);
    if (table == NULL) { return -ENOMEM; }
    int r = copy_from_user(table, c->control, c->control_len);
    if (r == 0 && !control_load(&control, table, c->control_len)) { r = -EINVAL; }
    if (r < 0) {
        mem_free(table);
        return r;
    }
    *out = table;
    return 0;
}

void host_signal(int signo)
{
    struct proc *p = proc_find(1);
    bool ends = signo == LSIG_KILL || (p == NULL && (signo == LSIG_TERM || signo == LSIG_INT));

    if (ends) {
        streams_say_exit(p != NULL ? STREAM_EXIT_PROGRAM : STREAM_EXIT_REFUSED,
                         128 + (unsigned)signo);
        ward_power_off(128 + (unsigned)signo);
    }
    if (!control_signal(&control, (unsigned)signo)) {
        log_warn("refused: the host's signal %d", signo);
    } else if (p != NULL) {
        signal_proc(p, &(struct ksiginfo){.signo = signo, .code = LSI_USER});
    }
}

struct place {
    char path[PATH_SIZE], cwd[PATH_SIZE], hostname[HOST_NAME_SIZE];
};

static int place_copy(const struct cc_container *c, struct place *p)
{
    int64_t r = user_string(p->path, c->path, sizeof p->path);
    if (r >= 0) { r = user_string(p->cwd, c->cwd, sizeof p->cwd); }
    if (r >= 0 && p->cwd[0] != '/') { r = -EINVAL; }
    if (r >= 0) { r = user_string(p->hostname, c->hostname, sizeof p->hostname); }
    return r < 0 ? (int)r : 0;
}

static int start(const struct cc_container *c)
{
    struct exec_vec v = {0};
    struct cred cred;
    size_t budget = ARGS_BYTES;
    void *table = NULL;
    struct place *p = mem_alloc(sizeof *p);

    if (p == NULL) { return -ENOMEM; }
    int r = place_copy(c, p);
    if (r == 0) { r = cred_copy(c, &cred); }
    if (r == 0) { r = strings_copy(c->argv, &v.argv, &budget); }
    if (r == 0) { r = strings_copy(c->envp, &v.envp, &budget); }
    if (r == 0) { r = control_copy(c, &table); }
    if (r == 0 && (c->flags & CC_CONTAINER_TTY) != 0) {
        r = stdio_make_terminal(current_proc()->files);
    }
    if (r == 0) {
        r = container_start(c->rootfd, p->path, &v, p->cwd, &cred, c->umask, c->flags, p->hostname);
    }
    if (r < 0) {
        control = (struct control){0};
        mem_free(table);
    }
    strings_free(v.argv);
    strings_free(v.envp);
    mem_free(p);
    return r;
}

static int64_t start_container(uint64_t va)
{
    struct cc_container c;
    int r = copy_from_user(&c, va, sizeof c);
    if (r < 0) { return r; }
    if (c.reserved != 0 || (c.flags & ~(CC_CONTAINER_TTY | CC_CONTAINER_READONLY)) != 0 ||
        (c.umask & ~0777u) != 0) {
        return -EINVAL;
    }
    return start(&c);
}

static bool allowed_after_start(uint32_t nr)
{
    return nr == CC_EXTEND || nr == CC_EVIDENCE || nr == CC_TEE || nr == CC_CONNECT || nr == CC_LOG;
}

int64_t private_call(uint32_t nr, const uint64_t a[6])
{
    if (!current_proc()->internal) { return -ENOSYS; }
    if (container_started() && !allowed_after_start(nr)) { return -ENOSYS; }
    switch (nr) {
    case CC_GET_ITEM: return get_item(a[0], a[1], a[2]);
    case CC_BLOB_OPEN: return blob_open(a[0]);
    case CC_AGENT_OPEN: return agent_open();
    case CC_REGISTER_SET: return register_set(a[0], a[1]);
    case CC_EXTEND: return extend(a[0]);
    case CC_EVIDENCE: return evidence(a[0], a[1], a[2], a[3]);
    case CC_DERIVE_KEY: return derive_key(a[0], a[1]);
    case CC_SEAL: return ward_call(WARD_SEAL, 0, 0, 0, 0, 0);
    case CC_TEE: return handoff->tee;
    case CC_CONNECT: return connect_by_name(a[0], a[1], a[2]);
    case CC_START_CONTAINER: return start_container(a[0]);
    case CC_LOG: return log_text(a[0], a[1]);
    case CC_FAIL: fail(a[0]);
    case CC_LAUNCH_FLAGS: return handoff->launch_flags;
    case CC_PHASE: return phase(a[0]);
    case CC_STAY: current_proc()->resident = true; return 0;
    default: return -ENOSYS;
    }
}
