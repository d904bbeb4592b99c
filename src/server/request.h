/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a request's head out of libmicrohttpd. */
#ifndef SERVER_REQUEST_H
#define SERVER_REQUEST_H

#include <microhttpd.h>

#include "wire/error.h"

struct exchange;

/*
 * Fills the exchange's request and route, and its `head`: the bytes for the service. NULL, or why it is refused;
 * *detail (a constant) says it in words, or is left alone.
 */
const struct error *request_read(struct exchange *ex, struct MHD_Connection *c, const char *method, const char *version,
                                 const char **detail);

#endif
