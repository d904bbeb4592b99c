/* SPDX-License-Identifier: Apache-2.0 */
/* A request's head in NUL-terminated pieces. */
#include "hook/request.h"

#include <stdlib.h>
#include <string.h>

#include "mdm-tunnel/limits.h"
#include "wire/http_request.h"

/* Behind each part of a head there is a byte that nobody needs. */
static const char *part_end(char *text, struct http_text part)
{
    size_t at = (size_t)(part.at - text);
    text[at + part.len] = '\0';
    return text + at;
}

static bool head_split(struct hook_request *r, size_t len)
{
    struct http_field fields[HTTP_FIELDS_MAX];
    struct http_request head;
    size_t scanned = 0, used;
    const char *why;
    if (http_request_parse(&head, fields, HTTP_FIELDS_MAX, r->text, len, len, &scanned, &used, &why) != HTTP_PARSE_DONE)
        return false;
    r->headers = calloc(head.field_count + 1, sizeof(*r->headers));
    if (r->headers == NULL)
        return false;
    r->facts.method = part_end(r->text, head.method);
    r->facts.path = part_end(r->text, head.target);
    for (size_t i = 0; i < head.field_count; i++)
        r->headers[i] = (struct mdm_header){part_end(r->text, fields[i].name),
                                            fields[i].value.len > 0 ? part_end(r->text, fields[i].value) : ""};
    r->facts.headers = r->headers;
    r->facts.header_count = head.field_count;
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
