/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocations that fail one after another. The program is linked with FAILING_LINK, so that every malloc(), calloc(),
 * realloc(), strdup() and strndup() of ours comes by here. Include it in one file of the program.
 */
#ifndef TESTS_FAILING_H
#define TESTS_FAILING_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* More than any scenario has; a loop ends. */
#define FAILING_MAX 5000

static unsigned long failing_at, failing_count;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t max);

static bool failing_now(void)
{
    if (failing_at == 0 || ++failing_count != failing_at)
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size) { return failing_now() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t n, size_t size) { return failing_now() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *old, size_t size) { return failing_now() ? NULL : __real_realloc(old, size); }

char *__wrap_strndup(const char *text, size_t max)
{
    size_t len = strnlen(text, max);
    char *copy = failing_now() ? NULL : __real_malloc(len + 1);
    if (copy != NULL) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

char *__wrap_strdup(const char *text) { return __wrap_strndup(text, strlen(text)); }

/*
 * Runs it with the first allocation failing, then the second, and so on until none is left to fail; returns how many there
 * were. `run` says whether it came to its end, which it has to when nothing fails and must not claim otherwise by itself:
 * what it got before a failure it frees. Leaks are the leak sanitizer's to find.
 */
static unsigned long failing_each(bool (*run)(void), bool *whole)
{
    unsigned long n = 0;
    do {
        failing_at = ++n;
        failing_count = 0;
        *whole = run();
    } while (failing_count >= failing_at && n < FAILING_MAX);
    failing_at = 0;
    return n - 1;
}

#endif
