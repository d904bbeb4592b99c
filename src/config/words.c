/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of words. */
#include "config/words.h"

#include <string.h>

void words_init(struct words *w, const char *text) { *w = (struct words){.next = text}; }

bool words_next(struct words *w)
{
    if (*w->next == '\0')
        return false;
    w->start = w->next;
    w->len = strcspn(w->start, "\n");
    w->next = w->start + w->len + (w->start[w->len] == '\n');
    w->line++;
    w->count = 0;
    w->too_many = false;
    const char *end = w->comments_in_front ? w->start + w->len : memchr(w->start, '#', w->len);
    if (end == NULL || w->start[strspn(w->start, " \t")] == '#')
        end = end == NULL ? w->start + w->len : w->start;
    for (const char *at = w->start; at < end;) {
        size_t len = strcspn(at, " \t\r\n");
        if (len > (size_t)(end - at))
            len = (size_t)(end - at);
        if (len > 0 && w->count == WORDS_MAX)
            w->too_many = true;
        else if (len > 0)
            w->word[w->count++] = (struct word){at, len};
        at += len > 0 ? len : 1;
    }
    return true;
}

bool word_is(const struct word *w, const char *text) { return strlen(text) == w->len && memcmp(text, w->text, w->len) == 0; }
