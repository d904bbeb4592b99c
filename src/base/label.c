/* SPDX-License-Identifier: Apache-2.0 */
/* DNS labels. */
#include "base/label.h"

#include <string.h>

static bool is_hyphen_misplaced(const char *text, size_t len, size_t i)
{
    return i == 0 || i == len - 1 || text[i - 1] == '-';
}

bool label_normalise(const char *text, size_t len, char out[static LABEL_BYTES + 1])
{
    char label[LABEL_BYTES + 1];
    if (len == 0 || len > LABEL_BYTES)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + 'a' - 'A');
        bool letter = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';
        if (!letter && !digit && (c != '-' || is_hyphen_misplaced(text, len, i)))
            return false;
        label[i] = c;
    }
    label[len] = '\0';
    memcpy(out, label, len + 1);
    return true;
}
