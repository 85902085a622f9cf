/* SPDX-License-Identifier: Apache-2.0 */
/* Media types of images, OCI's and Docker's [OCI image-spec "media types"]. */
#ifndef CASEMATE_LOADER_MEDIA_H
#define CASEMATE_LOADER_MEDIA_H

#include "guest/base/cc.h"

#define MEDIA_OCI_INDEX    "application/vnd.oci.image.index.v1+json"
#define MEDIA_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_CONFIG   "application/vnd.oci.image.config.v1+json"
#define MEDIA_OCI_LAYER    "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_ENCRYPTED    "+encrypted" /* ocicrypt's suffix on layer types */

bool media_is_index(const char *t);
bool media_is_manifest(const char *t);
bool media_is_config(const char *t);

struct media_layer {
    int coding; /* enum layer_coding */
    bool encrypted;
};
/* False for a type that is not a layer we can read. */
MUST_CHECK bool media_is_layer(const char *t, struct media_layer *out);

#endif
