/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: put together on the stack, with nothing in them that could forge another, and given to the sink. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/log_sink.h"
#include "base/text_line.h"

#define JSON_END "\"}" /* behind a text that may have been cut */

static const struct {
    const char *name;
    int severity;
} levels[] = {
    [LOG_LEVEL_NONE] = {"none", LOG_DEBUG},       [LOG_LEVEL_ERROR] = {"error", LOG_ERR},
    [LOG_LEVEL_WARNING] = {"warning", LOG_WARNING}, [LOG_LEVEL_INFO] = {"info", LOG_INFO},
    [LOG_LEVEL_DEBUG] = {"debug", LOG_DEBUG},
};

static atomic_int highest = LOG_LEVEL_NONE;
static struct log_sink sink = {.kind = LOG_SINK_FD, .fd = STDERR_FILENO, .socket = {.fd = -1}};
static enum log_format format_used = LOG_FORMAT_TEXT;

/* -- levels -------------------------------------------------------------------------------------------------------- */

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&highest, (int)level, memory_order_relaxed);
}

enum log_level log_level_now(void) { return (enum log_level)atomic_load_explicit(&highest, memory_order_relaxed); }

bool log_wanted(enum log_level level)
{
    return level != LOG_LEVEL_NONE && (int)level <= atomic_load_explicit(&highest, memory_order_relaxed);
}

const char *log_level_name(enum log_level level) { return levels[level].name; }

bool log_level_parse(const char *text, enum log_level *out)
{
    for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
        if (strcmp(text, levels[i].name) != 0)
            continue;
        *out = (enum log_level)i;
        return true;
    }
    return false;
}

/* -- where it goes ------------------------------------------------------------------------------------------------- */

static bool is_lines(void) { return sink.kind == LOG_SINK_FD || sink.kind == LOG_SINK_FILE; }

int log_open(const struct log_target *t)
{
    struct log_sink made;
    int failure = 0;
    if (strcmp(t->where, LOG_TO_STDERR) == 0)
        log_sink_fd(&made, STDERR_FILENO);
    else if (strcmp(t->where, LOG_TO_SYSLOG) == 0)
        failure = log_sink_syslog(&made, t->program, t->socket);
    else if (strcmp(t->where, LOG_TO_JOURNAL) == 0)
        failure = log_sink_journal(&made, t->program, t->socket);
    else
        failure = log_sink_file(&made, t->where);
    if (failure != 0)
        return failure;
    sink = made;
    format_used = t->format;
    return 0;
}

int log_reopen(void) { return log_sink_reopen(&sink); }

void log_rotate(void)
{
    int failure = log_reopen();
    if (failure != 0)
        log_error("log", "%s cannot be opened again, the old file goes on: %s", sink.path, strerror(failure));
}

void log_close(void)
{
    log_sink_close(&sink);
    log_sink_fd(&sink, STDERR_FILENO);
    format_used = LOG_FORMAT_TEXT;
}

/* -- lines --------------------------------------------------------------------------------------------------------- */

static void add_clean(struct text_line *l, const char *text) { text_line_clean(l, text, strlen(text)); }

/* The terminal's reader knows which day it is. */
static void add_time(struct text_line *l)
{
    struct timespec now;
    char text[TEXT_TIME_BYTES];
    clock_gettime(CLOCK_REALTIME, &now);
    text_time(&now, text);
    if (sink.kind != LOG_SINK_FD || format_used == LOG_FORMAT_JSON)
        text_line_put(l, text);
    else
        text_line_add(l, text + sizeof("YYYY-MM-DD"), sizeof("HH:MM:SS.mmm") - 1);
}

static void make_text(struct text_line *l, enum log_level level, const char *subject, const char *text)
{
    if (is_lines()) {
        add_time(l);
        text_line_format(l, " %s ", levels[level].name);
    }
    if (subject[0] != '\0') {
        add_clean(l, subject);
        text_line_put(l, ": ");
    }
    add_clean(l, text);
}

static void make_json(struct text_line *l, enum log_level level, const char *subject, const char *text)
{
    text_line_put(l, "{\"time\":\"");
    add_time(l);
    text_line_format(l, "\",\"level\":\"%s\",\"subject\":\"", levels[level].name);
    text_line_json(l, subject, strnlen(subject, LOG_LINE_MAX / 4));
    text_line_put(l, "\",\"text\":\"");
    text_line_reserve(l, sizeof(JSON_END) - 1);
    text_line_json(l, text, strlen(text));
    text_line_release(l, sizeof(JSON_END) - 1);
    text_line_put(l, JSON_END);
}

static bool line_write(enum log_level level, const char *subject, const char *text)
{
    char bytes[LOG_LINE_MAX], about[LOG_LINE_MAX / 4];
    struct text_line line, who;
    text_line_init(&line, bytes, sizeof(bytes) - 1);
    text_line_init(&who, about, sizeof(about) - 1);
    add_clean(&who, subject);
    about[who.len] = '\0';
    if (format_used == LOG_FORMAT_JSON)
        make_json(&line, level, subject, text);
    else
        make_text(&line, level, subject, text);
    if (is_lines())
        bytes[line.len++] = '\n';
    const struct log_message m = {.severity = levels[level].severity, .subject = about, .text = bytes, .len = line.len};
    return log_sink_write(&sink, LOG_DAEMON, &m);
}

/* What was lost is said once there is a place for it. */
static void say_lost(void)
{
    char text[64];
    unsigned long lost = atomic_exchange_explicit(&sink.lost, 0, memory_order_relaxed);
    if (lost == 0)
        return;
    snprintf(text, sizeof(text), "%lu line%s lost before this one", lost, lost == 1 ? " was" : "s were");
    line_write(LOG_LEVEL_WARNING, "log", text);
}

__attribute__((format(printf, 3, 0))) static void write_format(enum log_level level, const char *subject, const char *format,
                                                               va_list args)
{
    char text[LOG_LINE_MAX];
    if (vsnprintf(text, sizeof(text), format, args) < 0)
        return;
    bool written = line_write(level, subject != NULL ? subject : "", text);
    if (written && atomic_load_explicit(&sink.lost, memory_order_relaxed) > 0)
        say_lost();
}

void log_write(enum log_level level, const char *subject, const char *format, ...)
{
    if (!log_wanted(level))
        return;
    int saved = errno;
    va_list args;
    va_start(args, format);
    write_format(level, subject, format, args);
    va_end(args);
    errno = saved;
}

static void fatal_stderr(const char *program, const char *text)
{
    char bytes[LOG_LINE_MAX];
    struct text_line line;
    text_line_init(&line, bytes, sizeof(bytes) - 1);
    add_clean(&line, program);
    text_line_put(&line, ": ");
    add_clean(&line, text);
    bytes[line.len++] = '\n';
    ssize_t written = write(STDERR_FILENO, bytes, line.len);
    (void)written; /* there is nowhere to say that stderr is gone */
}

void log_fatal(const char *program, const char *format, ...)
{
    char text[LOG_LINE_MAX];
    int saved = errno;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len >= 0) {
        fatal_stderr(program, text);
        if (sink.kind != LOG_SINK_FD && log_wanted(LOG_LEVEL_ERROR))
            line_write(LOG_LEVEL_ERROR, "", text);
    }
    errno = saved;
}
