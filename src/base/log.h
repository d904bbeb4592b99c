/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines to stderr: "TIME LEVEL SUBJECT: text". The subject says whom the line is about ("tim/hello-world#17").
 * Any thread; a line is one write(2). Control bytes and bytes outside printable ASCII/valid UTF-8 are written as
 * \xNN, so nothing a stranger sends can forge a line. Lines are cut at LOG_LINE_MAX bytes.
 * Libraries log at debug only; the program that decides logs once.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_NONE, LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

#define LOG_LINE_MAX 1024

/* Highest level that is written; LOG_LEVEL_NONE (the start value) is silence. Call before threads start or at any time. */
void log_set_level(enum log_level level);
bool log_wanted(enum log_level level);

void log_write(enum log_level level, const char *subject, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_at(level, subject, ...)                             \
    do {                                                        \
        if (log_wanted(level))                                  \
            log_write((level), (subject), __VA_ARGS__);         \
    } while (0)
#define log_error(subject, ...) log_at(LOG_LEVEL_ERROR, subject, __VA_ARGS__)
#define log_warning(subject, ...) log_at(LOG_LEVEL_WARNING, subject, __VA_ARGS__)
#define log_info(subject, ...) log_at(LOG_LEVEL_INFO, subject, __VA_ARGS__)
#define log_debug(subject, ...) log_at(LOG_LEVEL_DEBUG, subject, __VA_ARGS__)

/* "PROGRAM: text" on stderr whatever the level: for the errors that end the program. */
void log_fatal(const char *program, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
