/* SPDX-License-Identifier: Apache-2.0 */
/* Days as text. */
#include "config/day.h"

#include <string.h>
#include <time.h>

bool day_parse(const char *text, size_t len, int64_t *out)
{
    char day[sizeof("YYYY-MM-DD")];
    struct tm tm = {0};
    if (len != sizeof(day) - 1)
        return false;
    memcpy(day, text, len);
    day[len] = '\0';
    const char *end = strptime(day, "%Y-%m-%d", &tm);
    if (end == NULL || *end != '\0')
        return false;
    int mday = tm.tm_mday;
    time_t at = timegm(&tm);
    *out = at;
    return at >= 0 && tm.tm_mday == mday;
}
