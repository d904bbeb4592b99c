/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's log: lines "TIME LEVEL SUBJECT: text" on stderr or in a file, or messages for the system's log or the journal. The
 * subject says whom the line is about ("tim/hello-world#17").
 * Any thread; a line is one write(2) or one datagram, and waits for nobody but a terminal or pipe at stderr. Control bytes and bytes
 * outside printable ASCII/valid UTF-8 are written as \xNN, so nothing a stranger sends can forge a line. Lines are cut at LOG_LINE_MAX
 * bytes. What a sink does not take is counted, and said when it takes lines again.
 * Libraries log at debug only; the program that decides logs once.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_NONE, LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

#define LOG_LINE_MAX 1024

/* Where the log goes, unless it is the path of a file. */
#define LOG_TO_STDERR  "stderr"
#define LOG_TO_SYSLOG  "syslog"
#define LOG_TO_JOURNAL "journal"

struct log_target {
    const char *program; /* outlives the log */
    const char *where;   /* one of those above, or a path */
    enum log_format format; /* the journal has fields of its own and takes text only */
    const char *socket;  /* of the system's log or journal; NULL: the usual one */
};

/* Before threads start; once, until log_close(). Without it text goes to stderr. 0 or an errno; nothing has changed then. */
int log_open(const struct log_target *target);
/* A file is opened again, because somebody has moved it away. 0 or an errno: it goes on in the old one. One thread. */
int log_reopen(void);
/* The same; what went wrong is said in the log. */
void log_rotate(void);
/* Text to stderr again. After the threads have ended. */
void log_close(void);

/* Highest level that is written; LOG_LEVEL_NONE (the start value) is silence. Any time, any thread. */
void log_set_level(enum log_level level);
bool log_wanted(enum log_level level);
enum log_level log_level_now(void);
/* "error", "warning", "info", "debug"; false for anything else. */
bool log_level_parse(const char *text, enum log_level *out);
const char *log_level_name(enum log_level level);

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

/* "PROGRAM: text" on stderr whatever the level, and an error in a log elsewhere: for the errors that end the program. */
void log_fatal(const char *program, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
