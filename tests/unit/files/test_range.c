/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges and dates of HTTP. */
#include "files/range.h"

#include "tap.h"

static bool part(const char *text, uint64_t size, uint64_t want_first, uint64_t want_len)
{
    uint64_t first = 0, len = 0;
    return range_parse(text, size, &first, &len) == RANGE_PART && first == want_first && len == want_len;
}

static enum range_answer answer(const char *text, uint64_t size)
{
    uint64_t first, len;
    return range_parse(text, size, &first, &len);
}

static void ranges(void)
{
    OK(part("bytes=0-9", 100, 0, 10) && part("bytes=90-", 100, 90, 10) && part("bytes=-7", 100, 93, 7));
    OK(part("bytes=0-999", 100, 0, 100) && part("bytes=-999", 100, 0, 100) && part("Bytes=99-99", 100, 99, 1));
    OK(part("bytes=5-99999999999999999999999999", 100, 5, 95));
    OK(answer("bytes=100-", 100) == RANGE_UNSATISFIABLE && answer("bytes=-0", 100) == RANGE_UNSATISFIABLE);
    OK(answer("bytes=0-", 0) == RANGE_UNSATISFIABLE && answer("bytes=-1", 0) == RANGE_UNSATISFIABLE);
    OK(answer("bytes=99999999999999999999999999-", 100) == RANGE_UNSATISFIABLE);
    static const char *const none[] = {NULL, "", "bytes=", "bytes=-", "bytes=9-1", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1", "bytes=0-1 ",
                                       "bytes=+1-2", "bytes=1"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        OK(answer(none[i], 100) == RANGE_ALL);
}

static void dates(void)
{
    char text[32];
    time_t at = 0;
    http_date_text(784111777, text);
    OK_TEXT(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    OK(http_date_parse(text, &at));
    OK_INT(at, 784111777);
    OK(!http_date_parse("", &at) && !http_date_parse("yesterday", &at) && !http_date_parse("Sun, 06 Nov 1994 08:49:37 GMT+1", &at));
}

static const struct tap_case cases[] = {
    {"ranges", ranges},
    {"dates", dates},
};

int main(void) { return TAP_RUN(cases); }
