/* SPDX-License-Identifier: Apache-2.0 */
/* Heads in pieces. */
#include "hook/head.h"

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

bool hook_head_split(struct hook_head *h, char *text, size_t len, bool with_line)
{
    struct http_field fields[HTTP_FIELDS_MAX];
    struct http_request r;
    size_t scanned = 0, used;
    const char *why;
    if (http_request_parse(&r, fields, HTTP_FIELDS_MAX, text, len, len, &scanned, &used, &why) != HTTP_PARSE_DONE)
        return false;
    *h = (struct hook_head){.headers = calloc(r.field_count + 1, sizeof(*h->headers))};
    if (h->headers == NULL)
        return false;
    if (with_line) {
        struct http_text line = {text, (size_t)((const char *)memchr(text, '\r', len) - text)};
        h->headers[h->count++] = (struct mdm_header){"", part_end(text, line)};
    } else {
        h->method = part_end(text, r.method);
        h->target = part_end(text, r.target);
    }
    for (size_t i = 0; i < r.field_count; i++)
        h->headers[h->count++] = (struct mdm_header){part_end(text, fields[i].name),
                                                     fields[i].value.len > 0 ? part_end(text, fields[i].value) : ""};
    return true;
}
