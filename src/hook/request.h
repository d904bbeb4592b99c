/* SPDX-License-Identifier: Apache-2.0 */
/* What hooks know of a visitor's request: a copy that lives as long as the question about it. */
#ifndef HOOK_REQUEST_H
#define HOOK_REQUEST_H

#include "mdm-tunnel/hook.h"
#include "wire/http.h"

struct hook_request {
    struct mdm_request facts;
    char *text; /* what they point into */
    struct mdm_header *headers;
};

/* `head`: the request as it goes to the service, which is valid. NULL without memory. */
struct hook_request *hook_request_create(const char *client, const char *service, const char *address, struct http_text head);
void hook_request_free(struct hook_request *r); /* NULL is allowed */

#endif
