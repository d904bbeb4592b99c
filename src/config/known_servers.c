/* SPDX-License-Identifier: Apache-2.0 */
/* Servers' keys. */
#include "config/known_servers.h"

#include <stdio.h>
#include <string.h>

#include "config/words.h"

int known_servers_find(const char *text, const char *address, const struct fingerprint *key,
                       enum known_servers_answer *answer, unsigned *line, struct config_error *err)
{
    struct words w;
    enum known_servers_answer found = KNOWN_SERVERS_NEW;
    unsigned other = 0;
    words_init(&w, text);
    while (words_next(&w)) {
        struct fingerprint known;
        if (w.count == 0)
            continue;
        if (w.count != 2 || w.too_many)
            return config_error_set(err, "line %u: not an address and a fingerprint", w.line);
        if (!fingerprint_parse(w.word[1].text, w.word[1].len, &known))
            return config_error_set(err, "line %u: not a fingerprint", w.line);
        if (!word_is(&w.word[0], address))
            continue;
        if (fingerprint_equal(&known, key))
            found = KNOWN_SERVERS_SAME;
        else if (other == 0)
            other = w.line;
    }
    *answer = found == KNOWN_SERVERS_NEW && other != 0 ? KNOWN_SERVERS_OTHER : found;
    *line = other;
    return 0;
}

char *known_servers_add(const char *text, const char *address, const struct fingerprint *key)
{
    char shown[FINGERPRINT_TEXT_BYTES + 1], *longer = NULL;
    size_t len = strlen(text);
    const char *end = len > 0 && text[len - 1] != '\n' ? "\n" : "";
    fingerprint_text(key, shown);
    return asprintf(&longer, "%s%s%s %s\n", text, end, address, shown) < 0 ? NULL : longer;
}
