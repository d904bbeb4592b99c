/* SPDX-License-Identifier: Apache-2.0 */
/* The service's answer as a response of libmicrohttpd. */
#ifndef SERVER_REPLY_H
#define SERVER_REPLY_H

#include <stdbool.h>
#include <stddef.h>

struct exchange;
struct http_response;

/* libmicrohttpd writes the head into what the request has left of the connection's memory. */
bool reply_head_fits(const struct exchange *ex, const struct http_response *r, size_t head_len);
/* Makes `response` from the fields in `r` (they point into the answer's input, which is changed by this), and from the
 * body as far as it is there. Without memory the answer becomes ANSWER_CUT. */
void reply_build(struct exchange *ex, const struct http_response *r);

/* Strict-Transport-Security (RFC 6797): is it to be said; to `response`, false without memory. */
bool reply_says_strict(const struct exchange *ex);
bool reply_add_strict(struct exchange *ex);

#endif
