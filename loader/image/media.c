/* SPDX-License-Identifier: Apache-2.0 */
/* See media.h. */
#include "loader/image/media.h"

#include "loader/image/image.h"

#include <string.h>

bool media_is_index(const char *t)
{
    return strcmp(t, MEDIA_OCI_INDEX) == 0 ||
           strcmp(t, "application/vnd.docker.distribution.manifest.list.v2+json") == 0;
}

bool media_is_manifest(const char *t)
{
    return strcmp(t, MEDIA_OCI_MANIFEST) == 0 ||
           strcmp(t, "application/vnd.docker.distribution.manifest.v2+json") == 0;
}

bool media_is_config(const char *t)
{
    return strcmp(t, MEDIA_OCI_CONFIG) == 0 ||
           strcmp(t, "application/vnd.docker.container.image.v1+json") == 0;
}

static const struct {
    const char *type;
    enum layer_coding coding;
    bool may_encrypt;
} layers[] = {
    {MEDIA_OCI_LAYER, LAYER_TAR, true},
    {MEDIA_OCI_LAYER "+gzip", LAYER_GZIP, true},
    {MEDIA_OCI_LAYER "+zstd", LAYER_ZSTD, true},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar", LAYER_TAR, true},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", LAYER_GZIP, true},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", LAYER_ZSTD, true},
    {"application/vnd.docker.image.rootfs.diff.tar.gzip", LAYER_GZIP, false},
    {"application/vnd.docker.image.rootfs.diff.tar", LAYER_TAR, false},
};

bool media_is_layer(const char *t, struct media_layer *out)
{
    for (size_t i = 0; i < ARRAY_COUNT(layers); i++) {
        size_t n = strlen(layers[i].type);
        if (strncmp(t, layers[i].type, n) != 0) { continue; }
        bool encrypted = layers[i].may_encrypt && strcmp(t + n, MEDIA_ENCRYPTED) == 0;
        if (t[n] != '\0' && !encrypted) { continue; }
        *out = (struct media_layer){.coding = (int)layers[i].coding, .encrypted = encrypted};
        return true;
    }
    return false;
}
