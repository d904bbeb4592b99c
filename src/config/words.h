/* SPDX-License-Identifier: Apache-2.0 */
/* Text files of lines of words: '#' begins a comment, spaces and tabs are between words. Only this folder includes it. */
#ifndef CONFIG_WORDS_H
#define CONFIG_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#define WORDS_MAX 16

struct word {
    const char *text;
    size_t len;
};

struct words {
    bool comments_in_front; /* '#' begins a comment only where a line begins: elsewhere it means something */
    const char *next; /* what follows this line */
    unsigned line;    /* from 1 */
    const char *start;
    size_t len; /* of the line as it stands, its end not counted */
    unsigned count;
    bool too_many;
    struct word word[WORDS_MAX];
};

void words_init(struct words *w, const char *text);
/* The next line, which may have no words; false at the end. */
bool words_next(struct words *w);
bool word_is(const struct word *w, const char *text);

#endif
