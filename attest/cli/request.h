/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What verify and explain are asked to do: files, clock, keys. A kind of evidence is a line in the
 * table of request.c.
 */
#ifndef CASEMATE_ATTEST_CLI_REQUEST_H
#define CASEMATE_ATTEST_CLI_REQUEST_H

#include "attest/cli/judge.h"

struct request {
    const struct judge *judge; /* of --type; NULL = not given */
    struct judge_input in;
    struct {
        char *bytes; /* of --refusal; NULL = not given */
        size_t len;
    } refusal;
    bool as_json;
};
void request_fini(struct request *q);
#define auto_request __attribute__((cleanup(request_fini))) struct request

/* Takes the options; what stands behind them is left in argv[optind...]. */
MUST_CHECK int request_parse(int argc, char **argv, struct request *q, struct err *e);

/*
 * Is there evidence to judge, and is everything else something that its kind takes? An option
 * without effect is a mistake.
 */
MUST_CHECK int request_check(const struct request *q, struct err *e);

/* Warns of --root, calls the judge. claims: an object; NULL = there was no memory for it. */
MUST_CHECK int request_judge(const struct request *q, struct verdict *v, json_t *claims,
                             struct err *e);

#endif
