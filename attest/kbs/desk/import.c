/* SPDX-License-Identifier: Apache-2.0 */
/* See import.h. First every name is judged, then everything is sent. */
#include "attest/kbs/desk/import.h"

#include "attest/json.h"
#include "attest/kbs/file.h"
#include "attest/kbs/rules/names.h"
#include "guest/base/hosted.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SLASH           "\\x2F"
#define DEPTH_MAX       3
#define IMPORT_NAME_MAX 1024
#define VALUE_MAX       (64u * 1024 * 1024)

/* Names of resources, and the file of each. */
struct found {
    json_t *files; /* owned */
    size_t skip;   /* characters of the folder's own path */
};

/* The part of a file's path below the folder, with the slashes it stands for. */
static int name_of(const char *path, char out[IMPORT_NAME_MAX], struct err *e)
{
    size_t n = 0;
    while (*path && n < IMPORT_NAME_MAX - 1) {
        bool slash = strncmp(path, SLASH, sizeof SLASH - 1) == 0;
        out[n++] = slash ? '/' : *path;
        path += slash ? sizeof SLASH - 1 : 1;
    }
    out[n] = '\0';
    struct view v = {.p = (const uint8_t *)out, .len = n};
    if (*path || !resource_path_ok(v)) {
        return err_set(e, EINVAL, "%.200s: wanted the name repository/type/tag", out);
    }
    return 0;
}

static int walk(const char *path, unsigned depth, struct found *f, struct err *e);

static int entry_take(const char *path, unsigned depth, struct found *f, struct err *e)
{
    struct stat sb;
    char name[IMPORT_NAME_MAX];
    if (lstat(path, &sb) < 0) { return err_set(e, errno, "%s: %s", path, strerror(errno)); }
    if (S_ISDIR(sb.st_mode) && depth < DEPTH_MAX) { return walk(path, depth + 1, f, e); }
    if (!S_ISREG(sb.st_mode)) { return err_set(e, EINVAL, "%s: not a regular file", path); }
    int rc = name_of(path + f->skip, name, e);
    if (rc < 0) { return rc; }
    if (json_object_get(f->files, name)) {
        return err_set(e, EEXIST, "%s: %s is there in another form, too", path, name);
    }
    return json_object_set_new(f->files, name, json_string(path)) < 0
               ? err_set(e, EINVAL, "%s: a name that cannot be kept", path)
               : 0;
}

static void dir_close(DIR **d)
{
    if (*d) { (void)closedir(*d); }
}

/* depth: how many folders the entries of this one have above them, itself included */
static int walk(const char *path, unsigned depth, struct found *f, struct err *e)
{
    __attribute__((cleanup(dir_close))) DIR *d = opendir(path);
    int rc = d ? 0 : err_set(e, errno, "%s: %s", path, strerror(errno));
    for (const struct dirent *entry; rc == 0 && (entry = readdir(d)) != NULL;) {
        auto_free char *below = NULL;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) { continue; }
        if (asprintf(&below, "%s/%s", path, entry->d_name) < 0) {
            below = NULL;
            return err_set(e, ENOMEM, "out of memory");
        }
        rc = entry_take(below, depth, f, e);
    }
    return rc;
}

static int upload(const struct client *c, const char *name, const char *file, struct err *e)
{
    auto_store_value value = {0};
    struct client_answer a = {0};
    char path[IMPORT_NAME_MAX + 32];
    int rc = file_read(file, VALUE_MAX, false, &value, e);
    if (rc < 0) { return rc; }
    (void)snprintf(path, sizeof path, "/kbs/v0/resource/%s", name);
    rc = client_call(c, HTTP_POST, path, value.p, value.len, &a, e);
    if (rc == 0 && a.status != 200) {
        rc = err_set(e, EACCES, "%s: refused (%d): %.200s", name, a.status, a.body);
    }
    free(a.body);
    return rc;
}

int import_run(const struct client *c, const char *dir, struct err *e)
{
    auto_json files = json_object();
    struct found f = {.files = files, .skip = strlen(dir) + 1};
    const char *name;
    json_t *file;
    int rc = files ? walk(dir, 1, &f, e) : err_set(e, ENOMEM, "out of memory");
    if (rc < 0) { return rc; }
    json_object_foreach (files, name, file) {
        rc = upload(c, name, json_string_value(file), e);
        if (rc < 0) { return rc; }
        (void)printf("%s\n", name);
    }
    return 0;
}
