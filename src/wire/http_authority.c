/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a request is for: Host and the forms of a target. */
#include <arpa/inet.h>
#include <string.h>

#include "wire/http_chars.h"

#define DNS_NAME_MAX 253
#define DNS_LABEL_MAX 63

static bool ipv6_valid(struct http_text t)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (t.len >= sizeof(text) || memchr(t.at, '\0', t.len) != NULL)
        return false;
    memcpy(text, t.at, t.len);
    text[t.len] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

/* Without a trailing dot. */
static bool name_valid(struct http_text t)
{
    size_t label = 0;
    if (t.len == 0 || t.len > DNS_NAME_MAX || !http_text_all(t, HTTP_CHAR_HOST) || t.at[t.len - 1] == '.')
        return false;
    for (size_t i = 0; i < t.len; i++) {
        if (t.at[i] == '.' ? label == 0 : label == DNS_LABEL_MAX)
            return false;
        label = t.at[i] == '.' ? 0 : label + 1;
    }
    return true;
}

/* Bytes of the host at the front of `t`; 0 when it is not one. */
static size_t host_span(struct http_text t, struct http_text *host)
{
    bool bracket = t.len > 0 && t.at[0] == '[';
    const char *mark = t.len > 0 ? memchr(t.at, bracket ? ']' : ':', t.len) : NULL;
    size_t span = mark == NULL ? t.len : (size_t)(mark - t.at) + bracket;
    *host = (struct http_text){t.at, span};
    if (bracket)
        return mark != NULL && ipv6_valid((struct http_text){t.at + 1, span - 2}) ? span : 0;
    if (span > 0 && t.at[span - 1] == '.')
        host->len--;
    return name_valid(*host) ? span : 0;
}

/* "", ":" or ":port". */
static bool port_parse(struct http_text t, unsigned *out)
{
    unsigned port = 0;
    if (t.len > 0 && t.at[0] != ':')
        return false;
    for (size_t i = 1; i < t.len; i++) {
        if (!http_is_digit(t.at[i]) || i > 5)
            return false;
        port = port * 10 + (unsigned)(t.at[i] - '0');
    }
    if (port > 65535 || (t.len > 1 && port == 0))
        return false;
    *out = port;
    return true;
}

bool http_authority_parse(struct http_text value, struct http_authority *out)
{
    struct http_authority a;
    size_t span = host_span(value, &a.host);
    if (span == 0 || !port_parse(http_text_from(value, span), &a.port))
        return false;
    *out = a;
    return true;
}

/* -- the target (RFC 9112 3.2) ------------------------------------------------------------------------------------- */

/* "scheme://authority" and the rest: true when both are there; what the authority is worth is not looked at. */
static bool absolute_split(struct http_text t, struct http_target *out)
{
    const char *colon = memchr(t.at, ':', t.len);
    if (colon == NULL || colon == t.at)
        return false;
    out->scheme = (struct http_text){t.at, (size_t)(colon - t.at)};
    struct http_text rest = http_text_from(t, out->scheme.len + 1);
    if (http_is_digit(t.at[0]) || !http_text_all(out->scheme, HTTP_CHAR_SCHEME))
        return false;
    if (rest.len < 3 || rest.at[0] != '/' || rest.at[1] != '/')
        return false;
    rest = http_text_from(rest, 2);
    size_t span = 0;
    while (span < rest.len && rest.at[span] != '/' && rest.at[span] != '?')
        span++;
    out->authority = (struct http_text){rest.at, span};
    out->path = http_text_from(rest, span);
    return span > 0;
}

bool http_target_parse(struct http_text t, struct http_target *out)
{
    struct http_target target = {.form = HTTP_TARGET_ORIGIN, .path = t};
    if (t.len == 0 || !http_text_all(t, HTTP_CHAR_TARGET))
        return false;
    if (t.at[0] != '/') {
        bool asterisk = t.len == 1 && t.at[0] == '*';
        target.form = asterisk ? HTTP_TARGET_ASTERISK : HTTP_TARGET_ABSOLUTE;
        if (!asterisk && !absolute_split(t, &target))
            return false;
    }
    *out = target;
    return true;
}

bool http_target_valid(struct http_text t)
{
    struct http_target target;
    return http_target_parse(t, &target);
}
