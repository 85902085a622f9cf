/* SPDX-License-Identifier: Apache-2.0 */
/* `cc-kbs admin import DIR`: the resources of a CoCo broker that keeps them in files. [coco §4.1] */
#ifndef CASEMATE_ATTEST_KBS_DESK_IMPORT_H
#define CASEMATE_ATTEST_KBS_DESK_IMPORT_H

#include "attest/kbs/desk/client.h"

/*
 * Uploads each file of a `repository` folder under the name it has there: <repository>/<type>/<tag> as folders, or in one
 * name with each slash written as the four characters \x2F. Files whose names are no resource's end it before anything
 * is sent, and so do links and whatever else is no regular file.
 */
MUST_CHECK int import_run(const struct client *c, const char *dir, struct err *e);

#endif
