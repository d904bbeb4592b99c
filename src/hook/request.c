/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about a request. */
#include "hook/request.h"

#include <stdlib.h>
#include <string.h>

#include "hook/head.h"
#include "wire/http_request.h"

static bool head_split(struct hook_request *r, size_t len)
{
    struct hook_head h;
    if (!hook_head_split(&h, r->text, len, false))
        return false;
    r->headers = h.headers;
    r->facts.method = h.method;
    r->facts.path = h.target;
    r->facts.headers = h.headers;
    r->facts.header_count = h.count;
    return true;
}

struct hook_request *hook_request_create(const char *client, const char *service, const char *address, struct http_text head)
{
    struct hook_request *r = calloc(1, sizeof(*r));
    size_t lens[] = {strlen(client) + 1, strlen(service) + 1, strlen(address) + 1};
    if (r == NULL)
        return NULL;
    r->text = malloc(head.len + lens[0] + lens[1] + lens[2]);
    if (r->text == NULL) {
        hook_request_free(r);
        return NULL;
    }
    char *at = r->text + head.len;
    memcpy(r->text, head.at, head.len);
    r->facts.client_id = memcpy(at, client, lens[0]);
    r->facts.service = memcpy(at + lens[0], service, lens[1]);
    r->facts.address = memcpy(at + lens[0] + lens[1], address, lens[2]);
    if (head_split(r, head.len))
        return r;
    hook_request_free(r);
    return NULL;
}

void hook_request_free(struct hook_request *r)
{
    if (r == NULL)
        return;
    free(r->headers);
    free(r->text);
    free(r);
}
