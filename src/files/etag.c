/* SPDX-License-Identifier: Apache-2.0 */
/* Entity-tags. */
#include "files/etag.h"

#include <stddef.h>
#include <string.h>

static bool is_tag_byte(char c) { return c == 0x21 || (unsigned char)c >= 0x80 || (c >= 0x23 && c < 0x7f); }

/* The length of the opaque tag at `at`, quotes included; 0: there is none. */
static size_t tag_length(const char *at)
{
    size_t len = 1;
    if (at[0] != '"')
        return 0;
    while (is_tag_byte(at[len]))
        len++;
    return at[len] == '"' ? len + 1 : 0;
}

bool etag_listed(const char *list, const char *etag)
{
    size_t len;
    list += strspn(list, " \t");
    if (list[0] == '*')
        return list[1 + strspn(list + 1, " \t")] == '\0';
    for (;; list += len) {
        list += strspn(list, ", \t"); /* empty elements are allowed (RFC 9110 5.6.1) */
        if (strncmp(list, "W/", 2) == 0)
            list += 2;
        len = tag_length(list);
        if (len == 0)
            return false;
        size_t after = len + strspn(list + len, " \t");
        if (list[after] != ',' && list[after] != '\0')
            return false;
        if (strlen(etag) == len && memcmp(list, etag, len) == 0)
            return true;
    }
}
