/* SPDX-License-Identifier: Apache-2.0 */
/* Steps with their times. */
#include "connect/say.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_MAX_BYTES 1024

static struct {
    uint64_t start_us;
    bool silent;
} saying = {.silent = true};

void say_start(bool silent)
{
    saying.start_us = clock_now_us();
    saying.silent = silent;
}

void say(const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list ap;
    if (saying.silent)
        return;
    int len = snprintf(line, sizeof(line), "%7.3f s  ", (double)(clock_now_us() - saying.start_us) / US_PER_S);
    va_start(ap, format);
    int more = vsnprintf(line + len, sizeof(line) - (size_t)len - 1, format, ap);
    va_end(ap);
    len = more < 0 ? len : len + more < LINE_MAX_BYTES - 2 ? len + more : LINE_MAX_BYTES - 2;
    for (int i = 0; i < len; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    line[len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, (size_t)len);
    (void)written; /* nobody listens */
}
