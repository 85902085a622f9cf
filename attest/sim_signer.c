/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See sim_signer.h. A new key is written to a file of its own and linked into place: link() fails
 * when somebody was first, and then theirs is read. So a key file is whole or absent, never half
 * written.
 */
#include "attest/sim_signer.h"

#include "attest/sim_report.h"
#include "guest/base/ct.h"
#include "guest/base/hosted.h"
#include "guest/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define KEY_FILE_MAX 4096

struct sim_signer {
    struct crypto_key *key;
    uint8_t key_sha384[CRYPTO_SHA384_SIZE];
};

void sim_signer_free(struct sim_signer *s)
{
    if (!s) { return; }
    crypto_key_free(s->key);
    free(s);
}

const struct crypto_key *sim_signer_key(const struct sim_signer *s) { return s->key; }

int sim_signer_path(char *out, size_t cap, struct err *e)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n;
    if (state && state[0] == '/') {
        n = snprintf(out, cap, "%s/casemate/sim.key", state);
    } else if (geteuid() == 0) {
        n = snprintf(out, cap, "/var/lib/casemate/sim.key");
    } else if (home && home[0] == '/') {
        n = snprintf(out, cap, "%s/.local/state/casemate/sim.key", home);
    } else {
        return err_set(e, ENOENT, "sim key: neither XDG_STATE_HOME nor HOME says where it belongs");
    }
    if (n < 0 || (size_t)n >= cap) {
        return err_set(e, ENAMETOOLONG, "sim key: the path is too long");
    }
    return 0;
}

/* ---- reading */

static int check_file(const char *path, int fd, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0) { return err_set(e, errno, "sim key %s: %s", path, strerror(errno)); }
    if (!S_ISREG(st.st_mode)) { return err_set(e, EINVAL, "sim key %s: not a regular file", path); }
    if (st.st_uid != geteuid()) {
        return err_set(e, EPERM, "sim key %s: belongs to user %u, not to us", path,
                       (unsigned)st.st_uid);
    }
    if ((st.st_mode & 077) != 0) {
        return err_set(e, EPERM, "sim key %s: mode %04o lets others in, wanted 0600", path,
                       (unsigned)(st.st_mode & 07777));
    }
    return 0;
}

static int read_key(const char *path, int fd, struct crypto_key **out, struct err *e)
{
    char text[KEY_FILE_MAX];
    size_t len = 0;
    int r = 0;
    while (len < sizeof text) {
        ssize_t n = read(fd, text + len, sizeof text - len);
        if (n < 0 && errno == EINTR) { continue; }
        if (n < 0) { r = err_set(e, errno, "sim key %s: %s", path, strerror(errno)); }
        if (n <= 0) { break; }
        len += (size_t)n;
    }
    struct crypto_key *k = NULL;
    if (r == 0 && crypto_key_from_pem(text, len, &k) < 0) {
        r = err_set(e, EINVAL, "sim key %s: not a key in PEM form", path);
    }
    wipe(text, sizeof text);
    if (r == 0 && (crypto_key_type(k) != CRYPTO_P384 || !crypto_key_is_private(k))) {
        r = err_set(e, EINVAL, "sim key %s: not a private key on P-384", path);
    }
    if (r < 0) {
        crypto_key_free(k);
        return r;
    }
    *out = k;
    return 0;
}

/* -ENOENT, without a message, when there is no such file. */
static int load(const char *path, struct crypto_key **out, struct err *e)
{
    auto_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? -ENOENT
                               : err_set(e, errno, "sim key %s: %s", path, strerror(errno));
    }
    int r = check_file(path, fd, e);
    return r < 0 ? r : read_key(path, fd, out, e);
}

/* ---- making */

/* Every folder above the file that is missing. */
static int make_folders(const char *path, struct err *e)
{
    char dir[512];
    size_t len = strlen(path);
    if (len >= sizeof dir) { return err_set(e, ENAMETOOLONG, "sim key: the path is too long"); }
    memcpy(dir, path, len + 1);
    for (char *slash = strchr(dir + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
            return err_set(e, errno, "sim key: mkdir %s: %s", dir, strerror(errno));
        }
        *slash = '/';
    }
    return 0;
}

static int write_linked(const char *path, const char *pem, size_t len, struct err *e)
{
    char temp[512];
    int n = snprintf(temp, sizeof temp, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof temp) {
        return err_set(e, ENAMETOOLONG, "sim key: the path is too long");
    }
    auto_fd fd = mkostemp(temp, O_CLOEXEC); /* mode 0600 */
    if (fd < 0) { return err_set(e, errno, "sim key: create %s: %s", temp, strerror(errno)); }
    int r = write_all(fd, pem, len);
    if (r == 0 && fsync(fd) < 0) { r = -errno; }
    if (r < 0) {
        r = err_set(e, -r, "sim key: write %s: %s", temp, strerror(-r));
    } else if (link(temp, path) < 0 && errno != EEXIST) {
        r = err_set(e, errno, "sim key: create %s: %s", path, strerror(errno));
    }
    (void)unlink(temp);
    return r;
}

static int make(const char *path, struct err *e)
{
    auto_key k = NULL;
    char *pem;
    size_t len;
    int r = make_folders(path, e);
    if (r < 0) { return r; }
    r = crypto_key_generate(CRYPTO_P384, 0, &k);
    if (r == 0) { r = crypto_key_to_pem(k, true, &pem, &len); }
    if (r < 0) { return err_set(e, -r, "sim key: cannot be made"); }
    r = write_linked(path, pem, len, e);
    wipe(pem, len);
    free(pem);
    return r;
}

static int key_fingerprint(const struct crypto_key *k, uint8_t out[CRYPTO_SHA384_SIZE])
{
    uint8_t *spki;
    size_t len;
    int r = crypto_key_to_spki(k, &spki, &len);
    if (r < 0) { return r; }
    crypto_sha384(spki, len, out);
    free(spki);
    return 0;
}

int sim_signer_open(const char *path, struct sim_signer **out, struct err *e)
{
    char usual[512];
    auto_sim_signer s = calloc(1, sizeof *s);
    int r;
    if (!s) { return err_set(e, ENOMEM, "sim key: out of memory"); }
    if (!path) {
        r = sim_signer_path(usual, sizeof usual, e);
        if (r < 0) { return r; }
        path = usual;
    }
    r = load(path, &s->key, e);
    if (r == -ENOENT && e->code == 0) {
        r = make(path, e);
        if (r == 0) { r = load(path, &s->key, e); }
    }
    if (r < 0) { return r; }
    r = key_fingerprint(s->key, s->key_sha384);
    if (r < 0) { return err_set(e, -r, "sim key %s: no fingerprint", path); }
    *out = steal_ptr(&s);
    return 0;
}

/* ---- using */

/* SNP stores R and S little endian, 72 bytes each. */
static void put_reversed(uint8_t *to, const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++) { to[i] = from[n - 1 - i]; }
}

int sim_signer_report(void *ctx, const uint8_t report_data[64], const uint8_t measurement[48],
                      const uint8_t host_data[32], uint8_t out_report[1184])
{
    const struct sim_signer *s = ctx;
    struct sim_facts f;
    uint8_t digest[CRYPTO_SHA384_SIZE], sig[2 * CRYPTO_COORD_MAX];
    size_t sig_len;

    memcpy(f.report_data, report_data, sizeof f.report_data);
    memcpy(f.measurement, measurement, sizeof f.measurement);
    memcpy(f.host_data, host_data, sizeof f.host_data);
    memcpy(f.key_sha384, s->key_sha384, sizeof f.key_sha384);
    sim_report_fill(&f, out_report);
    sim_report_digest(out_report, digest);
    int r = crypto_ecdsa_sign(s->key, digest, sizeof digest, sig, &sig_len);
    if (r < 0) { return r; }
    put_reversed(out_report + SNP_REPORT_R, sig, sig_len / 2);
    put_reversed(out_report + SNP_REPORT_S, sig + sig_len / 2, sig_len / 2);
    return 0;
}
