/* SPDX-License-Identifier: Apache-2.0 */
/* Which records are meant. */
#include "inspect/filter.h"

#include <string.h>
#include <strings.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

const char *filter_check(const struct filter *f)
{
    const char *s = f->status;
    if (s == NULL || strcmp(s, "open") == 0 || strcmp(s, "cut") == 0)
        return NULL;
    bool number = strlen(s) == 3 && is_digit(s[0]) && ((is_digit(s[1]) && is_digit(s[2])) || strcmp(s + 1, "xx") == 0);
    return number ? NULL : "status: neither a number such as 404, nor 4xx, open or cut";
}

static bool status_has(const char *s, const struct record *r)
{
    if (strcmp(s, "open") == 0)
        return r->state == RECORD_OPEN;
    if (strcmp(s, "cut") == 0)
        return r->state == RECORD_CUT;
    unsigned hundreds = (unsigned)(s[0] - '0');
    return s[1] == 'x' ? r->status / 100 == hundreds
                       : r->status == hundreds * 100 + (unsigned)(s[1] - '0') * 10 + (unsigned)(s[2] - '0');
}

static bool part_of(struct http_text t, const char *part)
{
    size_t len = strlen(part);
    for (size_t i = 0; i + len <= t.len; i++)
        if (strncasecmp(t.at + i, part, len) == 0)
            return true;
    return false;
}

static bool text_is(struct http_text t, const char *want)
{
    return t.len == strlen(want) && memcmp(t.at, want, t.len) == 0;
}

bool filter_has(const struct filter *f, const struct record *r)
{
    return (f->method == NULL || text_is(record_method(r), f->method)) && (f->status == NULL || status_has(f->status, r)) &&
           (f->service == NULL || strcmp(f->service, r->service) == 0) && (f->q == NULL || part_of(record_target(r), f->q));
}
