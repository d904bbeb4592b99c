/* SPDX-License-Identifier: Apache-2.0 */
/* TAP for unit tests: a test is a function in a table; OK() reports a check with its place and goes on. */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct tap_case {
    const char *name;
    void (*run)(void);
};

static bool tap_case_failed;
static unsigned long tap_checks;

static inline bool tap_check(bool ok, const char *file, int line, const char *what)
{
    tap_checks++;
    if (!ok) {
        tap_case_failed = true;
        printf("# %s:%d: failed: %s\n", file, line, what);
    }
    return ok;
}

#define OK(expression) tap_check((expression), __FILE__, __LINE__, #expression)
#define OK_INT(got, want)                                                                        \
    do {                                                                                         \
        long long tap_got = (long long)(got), tap_want = (long long)(want);                      \
        if (!tap_check(tap_got == tap_want, __FILE__, __LINE__, #got " is " #want))              \
            printf("#   got %lld, want %lld\n", tap_got, tap_want);                              \
    } while (0)
#define OK_TEXT(got, want)                                                                       \
    do {                                                                                         \
        const char *tap_got = (got), *tap_want = (want);                                         \
        if (!tap_check(tap_got != NULL && strcmp(tap_got, tap_want) == 0, __FILE__, __LINE__, #got " is " #want)) \
            printf("#   got '%s', want '%s'\n", tap_got == NULL ? "(null)" : tap_got, tap_want); \
    } while (0)

/* Runs the table; a case without a single check fails. Returns main()'s exit status. */
static inline int tap_run(const struct tap_case *cases, size_t count)
{
    int failed = 0;
    printf("1..%zu\n", count);
    for (size_t i = 0; i < count; i++) {
        tap_case_failed = false;
        tap_checks = 0;
        cases[i].run();
        bool ok = !tap_case_failed && tap_checks > 0;
        failed += !ok;
        printf("%sok %zu - %s\n", ok ? "" : "not ", i + 1, cases[i].name);
        fflush(stdout);
    }
    return failed == 0 ? 0 : 1;
}
#define TAP_RUN(cases) tap_run((cases), sizeof(cases) / sizeof((cases)[0]))

#endif
