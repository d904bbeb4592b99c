/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of entity-tags. */
#include "files/etag.h"

#include <stddef.h>

#include "tap.h"

static const char tag[] = "\"1-2-3\"";

static void listed(void)
{
    static const char *const lists[] = {"*", " * ", "\"1-2-3\"", "W/\"1-2-3\"", "\"a\", \"1-2-3\"", "\"a\",W/\"b\" ,, \"1-2-3\" , \"c\"", ",\"1-2-3\"",
                                        "\"a,b\", \"1-2-3\"", "\"\", \"1-2-3\"", "\t\"1-2-3\"\t"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        OK(etag_listed(lists[i], tag));
}

static void not_listed(void)
{
    /* among them: the tag within another one, and what is no list */
    static const char *const lists[] = {"", " ", ",", "\"a\"", "1-2-3", "\"1-2-34\"", "\"01-2-3\"", "w/\"1-2-3\"", "\"a\" \"1-2-3\"", "*, \"a\"",
                                        "**", "\"a\"\"1-2-3\"", "\"x \"1-2-3\"\"", "\"1-2-3", "W/", "\"a b\", \"1-2-3\"", "\"1-2-3\"x",
                                        "W/W/\"1-2-3\""};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        OK(!etag_listed(lists[i], tag));
    OK(etag_listed("\"x\\\", \"1-2-3\"", tag)); /* a backslash is a byte like others (8.8.3) */
}

static const struct tap_case cases[] = {
    {"listed", listed},
    {"not listed", not_listed},
};

int main(void) { return TAP_RUN(cases); }
