/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture: looks at the bytes of one connection to a service and writes records of the requests in them. It changes nothing
 * and never fails: where it cannot follow (what passes is not HTTP/1, or there is no memory) it stops looking.
 *
 * A capture is one thread's; the book may be everybody's.
 */
#ifndef INSPECT_CAPTURE_H
#define INSPECT_CAPTURE_H

#include "inspect/book.h"

struct capture;

/* `b` outlives it; the names are copied. NULL without memory. */
struct capture *capture_create(struct book *b, const char *service, const char *visitor);
/* For a request that is sent again: its record, whose reference is taken over. */
void capture_expect(struct capture *c, struct record *r);
/* Bytes for the service, and from it, in pieces of any size: an answer never comes before its request. */
void capture_request(struct capture *c, const void *bytes, size_t len);
void capture_response(struct capture *c, const void *bytes, size_t len);
/* The service has finished in good order. */
void capture_finished(struct capture *c);
/* Every request whose head has passed has its complete answer. */
bool capture_idle(const struct capture *c);
/* Nothing has been sent to the service, and nothing will be: what it would have got is given to capture_request() before, as far
 * as it has come. */
void capture_refused(struct capture *c, const char *why);
/* The connection is over: what has no complete answer never will, because of `why`. *c becomes NULL; NULL is allowed. */
void capture_end(struct capture **c, const char *why);

#endif
