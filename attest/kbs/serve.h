/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running broker: configuration, store, audit log, verifiers, server, in this order.
 *
 * SIGTERM and SIGINT end it after the requests under way. SIGHUP makes it look again: at everything in the configuration but
 * addresses, ceilings, [storage], [sessions] and [limits], which need a restart; at the audit log's name, after a rotation;
 * at the TLS certificate and key; at the stored policies. Each is taken when it is good and stays as it was when it is
 * not; both are said on standard error and in the audit log.
 */
#ifndef CASEMATE_ATTEST_KBS_SERVE_H
#define CASEMATE_ATTEST_KBS_SERVE_H

#include "guest/base/err.h"

/* Returns when it was told to stop. */
MUST_CHECK int serve_run(const char *config, bool insecure_http, struct err *e);

/* All that serve_run() would need of the configuration but the database: says on standard output what it would do. */
MUST_CHECK int serve_check(const char *config, struct err *e);

#endif
