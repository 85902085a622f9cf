/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Initdata as text. The inner files stand between ''' in the outer one, so the inner texts spell
 * every apostrophe as an escape; everything that is not plain ASCII or UTF-8 text is escaped too.
 */
#include "loader/owner.h"

#include <errno.h>
#include <string.h>

/* A TOML basic string. pattern: '*' and '\' get the policy's own '\' in front first. */
static void put_text(FILE *f, const char *s, bool pattern)
{
    (void)fputc('"', f);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (pattern && (c == '*' || c == '\\')) { (void)fputs("\\\\", f); }
        if (c == '"' || c == '\\') {
            (void)fprintf(f, "\\%c", c);
        } else if (c < 0x20 || c == 0x7f || c == '\'') {
            (void)fprintf(f, "\\u%04X", c);
        } else {
            (void)fputc(c, f);
        }
    }
    (void)fputc('"', f);
}

static void put_list(FILE *f, const char *name, const char *const *list)
{
    (void)fprintf(f, "%s = [", name);
    for (size_t i = 0; list[i]; i++) {
        (void)fputs(i ? ", " : "", f);
        put_text(f, list[i], true);
    }
    (void)fputs("]\n", f);
}

static void put_member(FILE *f, const char *name, const char *text, bool pattern)
{
    (void)fprintf(f, "%s = ", name);
    put_text(f, text, pattern);
    (void)fputc('\n', f);
}

static void put_flag(FILE *f, const char *name, bool v)
{
    (void)fprintf(f, "%s = %s\n", name, v ? "true" : "false");
}

static void put_policy(FILE *f, const struct launch_spec *s)
{
    char manifest[DIGEST_TEXT_SIZE];
    digest_text(&s->manifest, manifest);
    (void)fprintf(f, "version = 1\nmanifests = [\"%s\"]\n\n[[process]]\n", manifest);
    put_list(f, "args", s->args);
    put_list(f, "env", s->env);
    put_member(f, "cwd", s->cwd, true);
    put_member(f, "user", s->user, true);
    put_member(f, "hostname", s->hostname, true);
    put_flag(f, "stdin", s->interactive);
    put_flag(f, "tty", s->tty);
    put_flag(f, "readonly", s->readonly);
    for (size_t i = 0; i < s->mount_count; i++) {
        (void)fputs("\n[[process.mount]]\n", f);
        put_member(f, "target", s->mounts[i].target, false);
        put_member(f, "kind", s->mounts[i].kind, false);
        put_flag(f, "readonly", s->mounts[i].readonly);
    }
}

static int finish(FILE *f, char **text, char **out, struct err *e)
{
    bool bad = ferror(f) != 0;
    if (fclose(f) != 0 || bad) {
        free(*text);
        return err_set(e, ENOMEM, "out of memory");
    }
    *out = *text;
    return 0;
}

int owner_policy(const struct launch_spec *spec, char **out, struct err *e)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    if (!f) { return err_set(e, ENOMEM, "out of memory"); }
    put_policy(f, spec);
    return finish(f, &text, out, e);
}

int owner_initdata(const struct launch_spec *spec, const struct owner_broker *broker,
                   const char *more, char **out, struct err *e)
{
    char *text = NULL;
    size_t len;

    if (broker->url && (!broker->cert || strstr(broker->cert, "'''"))) {
        return err_set(e, EINVAL, "a broker needs its certificate as PEM");
    }
    if (more && strstr(more, "'''")) {
        return err_set(e, EINVAL, "what is added to the policy has ''' in it; wanted \"\"\"");
    }
    FILE *f = open_memstream(&text, &len);
    if (!f) { return err_set(e, ENOMEM, "out of memory"); }
    (void)fputs("version = \"0.1.0\"\nalgorithm = \"sha384\"\n\n[data]\n", f);
    if (broker->url) {
        (void)fputs("\"aa.toml\" = '''\n[token_configs.kbs]\n", f);
        put_member(f, "url", broker->url, false);
        put_member(f, "cert", broker->cert, false);
        (void)fputs("'''\n", f);
    }
    (void)fputs("\"casemate.toml\" = '''\n", f);
    put_policy(f, spec);
    if (more) { (void)fprintf(f, "\n%s\n", more); }
    (void)fputs("'''\n", f);
    return finish(f, &text, out, e);
}
