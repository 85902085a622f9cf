/* SPDX-License-Identifier: Apache-2.0 */
/* See secrets.h. */
#include "loader/init/secrets.h"

#include "guest/base/ct.h"
#include "guest/base/hosted.h"
#include "loader/init/private_file.h"
#include "loader/init/volume.h"

#include <errno.h>
#include <string.h>

#define SEALED "sealed."

void secrets_fini(struct secrets *s)
{
    for (size_t i = 0; s->wanted && i < s->count; i++) { wanted_wipe(&s->wanted[i]); }
    for (size_t i = 0; s->env_made && i < s->env_count; i++) {
        if (s->env_made[i]) { wipe(s->env_made[i], strlen(s->env_made[i])); }
        free(s->env_made[i]);
    }
    free(s->wanted);
    free(s->uris);
    free(s->env_at);
    free(s->env);
    free(s->env_made);
    *s = (struct secrets){0};
}

/* ---- what is needed */

static int want(struct secrets *s, uint32_t kind, const char *text, struct err *e)
{
    if (s->count == AGENT_WANTS_MAX) {
        return err_set(e, EFBIG, "more than %u secrets and keys", AGENT_WANTS_MAX);
    }
    s->wanted[s->count++] = (struct wanted){.kind = kind, .text = text};
    return 0;
}

static int gather_keys(struct secrets *s, const struct image *image, struct err *e)
{
    size_t count = AGENT_WANTS_MAX;
    if (ocicrypt_key_uris(image, s->uris, &count, e) < 0) { return -e->code; }
    for (size_t i = 0; i < count; i++) {
        if (want(s, AGENT_WANT_RESOURCE, s->uris[i], e) < 0) { return -e->code; }
    }
    s->key_count = count;
    return 0;
}

static const char *value_of(const char *variable)
{
    return variable + spec_env_name(variable) + 1; /* the spec's texts all have NAME= */
}

static int gather_env(struct secrets *s, const struct launch_spec *spec, struct err *e)
{
    for (size_t i = 0; spec->env[i]; i++) {
        const char *value = value_of(spec->env[i]);
        if (strncmp(value, SEALED, sizeof SEALED - 1) != 0) { continue; }
        if (want(s, AGENT_WANT_SEALED, value, e) < 0) { return -e->code; }
        s->env_at[s->env_count++] = i;
    }
    return 0;
}

static uint32_t kind_of(bool sealed) { return sealed ? AGENT_WANT_SEALED : AGENT_WANT_RESOURCE; }

static int gather_files(struct secrets *s, const struct policy *policy, struct err *e)
{
    size_t volumes = 0;
    if (!policy) { return 0; }
    s->files = policy_files(policy, &s->file_count);
    s->volumes = policy_volumes(policy, &volumes);
    for (size_t i = 0; i < s->file_count; i++) {
        const struct secret_file *f = &s->files[i];
        if (want(s, kind_of(f->sealed), f->source, e) < 0) { return -e->code; }
    }
    for (size_t i = 0; i < volumes; i++) {
        const struct policy_volume *v = &s->volumes[i];
        if (want(s, kind_of(v->sealed), v->key, e) < 0) { return -e->code; }
    }
    return 0;
}

int secrets_gather(struct secrets *s, const struct image *image, const struct launch_spec *spec,
                   const struct policy *policy, struct err *e)
{
    s->wanted = calloc(AGENT_WANTS_MAX, sizeof *s->wanted);
    s->uris = calloc(AGENT_WANTS_MAX, sizeof *s->uris);
    s->env_at = calloc(AGENT_WANTS_MAX, sizeof *s->env_at);
    if (!s->wanted || !s->uris || !s->env_at) { return err_set(e, ENOMEM, "out of memory"); }
    if (gather_keys(s, image, e) < 0 || gather_env(s, spec, e) < 0 ||
        gather_files(s, policy, e) < 0) {
        return -e->code;
    }
    if (s->count > 0 && !policy) {
        return err_set(e, ENOKEY, "%s, and without initdata there are no keys",
                       s->key_count > 0 ? "image is encrypted" : "a variable is sealed");
    }
    return 0;
}

/* ---- handing out */

int secrets_keys(struct secrets *s, struct kek **out, struct err *e)
{
    struct kek *keys = calloc(s->key_count + 1, sizeof *keys);
    if (!keys) { return err_set(e, ENOMEM, "out of memory"); }
    for (size_t i = 0; i < s->key_count; i++) {
        struct wanted *w = &s->wanted[i];
        if (w->len != KEK_SIZE) {
            wipe(keys, s->key_count * sizeof *keys);
            free(keys);
            return err_set(e, EBADMSG, "key %.120s has %zu bytes, wanted %d", w->text, w->len,
                           KEK_SIZE);
        }
        memcpy(keys[i].uri, s->uris[i], KEK_URI_MAX);
        memcpy(keys[i].key, w->value, KEK_SIZE);
        wanted_wipe(w);
    }
    *out = keys;
    return 0;
}

static int make_variable(const char *sealed, const struct wanted *w, char **out, struct err *e)
{
    size_t name = spec_env_name(sealed);
    if (memchr(w->value, '\0', w->len)) {
        return err_set(e, EBADMSG, "the secret of variable %.*s has a zero byte in it",
                       (int)(name < 100 ? name : 100), sealed);
    }
    *out = calloc(1, name + 1 + w->len + 1);
    if (!*out) { return err_set(e, ENOMEM, "out of memory"); }
    memcpy(*out, sealed, name + 1);
    memcpy(*out + name + 1, w->value, w->len);
    return 0;
}

int secrets_env(struct secrets *s, const struct launch_spec *spec, const char *const **out,
                struct err *e)
{
    size_t count = 0;
    while (spec->env[count]) { count++; }
    s->env = calloc(count + 1, sizeof *s->env);
    s->env_made = calloc(s->env_count + 1, sizeof *s->env_made);
    if (!s->env || !s->env_made) { return err_set(e, ENOMEM, "out of memory"); }
    memcpy(s->env, spec->env, count * sizeof *s->env);
    for (size_t i = 0; i < s->env_count; i++) {
        struct wanted *w = &s->wanted[s->key_count + i];
        if (make_variable(spec->env[s->env_at[i]], w, &s->env_made[i], e) < 0) { return -e->code; }
        s->env[s->env_at[i]] = s->env_made[i];
        wanted_wipe(w);
    }
    *out = s->env;
    return 0;
}

static int place(struct tree *t, const struct secret_file *f, const struct wanted *w,
                 const struct user *u, struct err *e)
{
    int raw;
    if (private_file_create(t, f->path, u, &raw, e) < 0) { return -e->code; }
    auto_fd fd = raw;
    return private_file_write(fd, w->value, w->len, e);
}

int secrets_place(struct secrets *s, struct tree *t, const struct user *u, struct err *e)
{
    size_t files = s->key_count + s->env_count, volumes = files + s->file_count;
    for (size_t i = files; i < volumes; i++) {
        const struct secret_file *f = &s->files[i - files];
        if (place(t, f, &s->wanted[i], u, e) < 0) { return err_wrap(e, "secret %.100s", f->path); }
        wanted_wipe(&s->wanted[i]);
    }
    for (size_t i = volumes; i < s->count; i++) {
        const struct policy_volume *v = &s->volumes[i - volumes];
        if (volume_place(t, v, s->wanted[i].value, s->wanted[i].len, u, e) < 0) {
            return err_wrap(e, "volume %s", v->name);
        }
        wanted_wipe(&s->wanted[i]);
    }
    return 0;
}
