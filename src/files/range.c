/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges and dates. */
#include "files/range.h"

#include <string.h>

/* Digits from *at on, which then stands behind them; beyond all files where there are too many. False: there is none. */
static bool digits_read(const char **at, uint64_t *out)
{
    const char *start = *at;
    *out = 0;
    for (; **at >= '0' && **at <= '9'; ++*at)
        *out = *out > INT64_MAX / 10 - 1 ? INT64_MAX : *out * 10 + (uint64_t)(**at - '0');
    return *at > start;
}

enum range_answer range_parse(const char *text, uint64_t size, uint64_t *first, uint64_t *len)
{
    uint64_t from, to = INT64_MAX;
    if (text == NULL || strncasecmp(text, "bytes=", 6) != 0)
        return RANGE_ALL;
    const char *at = text + 6;
    bool has_from = digits_read(&at, &from);
    if (*at++ != '-')
        return RANGE_ALL;
    bool has_to = digits_read(&at, &to);
    if (*at != '\0' || !(has_from || has_to) || (has_from && has_to && to < from))
        return RANGE_ALL;
    if (!has_from) { /* the last `to` bytes */
        from = to < size ? size - to : 0;
        if (to == 0)
            return RANGE_UNSATISFIABLE;
        to = INT64_MAX;
    } else if (!has_to) {
        to = INT64_MAX;
    }
    if (from >= size)
        return RANGE_UNSATISFIABLE;
    *first = from;
    *len = (to < size - 1 ? to : size - 1) - from + 1;
    return RANGE_PART;
}

void http_date_text(time_t at, char out[static 32])
{
    struct tm tm;
    if (gmtime_r(&at, &tm) == NULL || strftime(out, 32, "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
        out[0] = '\0';
}

bool http_date_parse(const char *text, time_t *out)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (end == NULL || *end != '\0')
        return false;
    *out = timegm(&tm);
    return true;
}
