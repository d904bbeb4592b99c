/* SPDX-License-Identifier: Apache-2.0 */
/* Fields that are for the next hop only (RFC 9110 7.6.1). */
#include <string.h>

#include "wire/http_chars.h"

bool http_field_hop_by_hop(struct http_text name)
{
    switch (name.len) {
    case 2:
        return http_text_is(name, "te");
    case 7:
        return http_text_is(name, "upgrade");
    case 10:
        return http_text_is(name, "connection") || http_text_is(name, "keep-alive");
    case 16:
        return http_text_is(name, "proxy-connection");
    case 17:
        return http_text_is(name, "transfer-encoding");
    default:
        return false;
    }
}

/* Whom a message is for and where it ends is no matter of one hop, whatever Connection says. */
static bool option_is_a_trick(struct http_text option)
{
    return http_text_is(option, "host") || http_text_is(option, "content-length");
}

static bool option_add(struct http_hops *h, struct http_text option)
{
    if (http_text_is(option, "close"))
        h->close = true;
    else if (http_text_is(option, "keep-alive"))
        h->keep_alive = true;
    else if (http_text_is(option, "upgrade"))
        h->upgrade = true;
    else if (http_token_valid(option) && !http_field_hop_by_hop(option) && !option_is_a_trick(option)) {
        if (h->count == HTTP_CONNECTION_OPTIONS_MAX)
            return false;
        h->named[h->count++] = option;
    }
    return true;
}

void http_hops_init(struct http_hops *h)
{
    h->close = h->keep_alive = h->upgrade = false;
    h->count = 0;
}

bool http_hops_add(struct http_hops *h, const struct http_field *f)
{
    struct http_text rest = f->value, option;
    if (!http_text_is(f->name, "connection"))
        return true;
    while (http_list_next(&rest, &option))
        if (!option_add(h, option))
            return false;
    return true;
}

bool http_hops_names(const struct http_hops *h, struct http_text name)
{
    for (size_t i = 0; i < h->count; i++)
        if (http_text_equal(h->named[i], name))
            return true;
    return false;
}
