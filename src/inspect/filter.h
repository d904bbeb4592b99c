/* SPDX-License-Identifier: Apache-2.0 */
/* Which records are meant: method=, status= (404, 4xx, open, cut), service= and q= (a part of the path) of a query. Pure. */
#ifndef INSPECT_FILTER_H
#define INSPECT_FILTER_H

#include "inspect/record.h"

/* NULL: all. */
struct filter {
    const char *method, *status, *service, *q;
};

/* What is wrong with it; NULL: nothing. */
const char *filter_check(const struct filter *f);
bool filter_has(const struct filter *f, const struct record *r);

#endif
