/* SPDX-License-Identifier: Apache-2.0 */
/* What every program can be told about its log: rows for their tables of settings, and the log from them. */
#ifndef CONFIG_LOG_SETTINGS_H
#define CONFIG_LOG_SETTINGS_H

#include "base/line_log.h"
#include "base/log.h"
#include "config/settings.h"

struct log_settings {
    char *where;  /* NULL: stderr */
    char *format; /* "text" or "json" */
    char *level;  /* NULL: as `verbose` and `where` say */
    bool verbose;
};

/* Rows for `member`, a struct log_settings in the program's `type`; `again`: whether the program reads its settings again. */
#define LOG_SETTINGS(type, member, again)                                                                                     \
    {.name = "log", .kind = SETTING_PATH, .offset = offsetof(type, member.where), .argument = "stderr|syslog|journal|FILE", \
     .help = "where the log goes, and -v unless log-level says else (default: stderr)"},                               \
    {.name = "log-format", .kind = SETTING_TEXT, .offset = offsetof(type, member.format), .default_text = "text",      \
     .argument = "text|json", .help = "how a line is written"},                                                        \
    {.name = "log-level", .reloads = again, .kind = SETTING_TEXT, .offset = offsetof(type, member.level),                                \
     .argument = "error|warning|info|debug", .help = "the least that is worth a line (default: none; info with -v)"},  \
    {.name = "verbose", .reloads = again, .letter = 'v', .kind = SETTING_FLAG, .offset = offsetof(type, member.verbose),                 \
     .help = "say what happens"}

/*
 * Opens the log and sets its level: log-level; else info where the log or -v was asked for; else `otherwise`. Before threads start.
 * 0; LOG_SETTINGS_WRONG and *err: what was said is no such thing; or an errno and *err: it cannot be opened.
 */
#define LOG_SETTINGS_WRONG (-1)
int log_settings_open(const struct log_settings *s, const char *program, enum log_level otherwise, struct config_error *err);
/* Whether all that is said of the log can be; the level that it means. False and *err. */
bool log_settings_check(const struct log_settings *s, enum log_level otherwise, enum log_level *level, struct config_error *err);
/* The level again, after a reload. Any thread. False and *err: it is none; nothing has changed then. */
bool log_settings_level(const struct log_settings *s, enum log_level otherwise, struct config_error *err);

/*
 * A level for the program as it runs, until its settings are read again: "none", or one that the setting may have. False and *err: it
 * is neither. Any thread.
 */
bool log_settings_tell(const char *level, struct config_error *err);
/*
 * The same through a control socket (base/control_socket.h). The line that asks for the level, or, unless `level` is NULL, changes it;
 * false and *err as above. And the answer to it, from the one who runs: the level that holds then, heap; NULL: it is no such line, or
 * there is no memory.
 */
#define LOG_SETTINGS_LINE_MAX 32
bool log_settings_line(const char *level, char out[static LOG_SETTINGS_LINE_MAX], struct config_error *err);
char *log_settings_answer(const char *line);

/* A log of lines of its own, as a setting (config->name) says; *out is NULL where `where` is. False and *err. */
bool log_settings_lines(const struct line_log_config *config, struct line_log **out, struct config_error *err);

#endif
