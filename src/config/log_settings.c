/* SPDX-License-Identifier: Apache-2.0 */
/* The log as settings say. */
#include "config/log_settings.h"

#include <stdio.h>
#include <string.h>

static const char command[] = "log-level";

static bool level_of(const struct log_settings *s, enum log_level otherwise, enum log_level *out, struct config_error *err)
{
    *out = s->verbose || s->where != NULL ? LOG_LEVEL_INFO : otherwise;
    if (s->level == NULL || log_level_parse(s->level, out))
        return true;
    config_error_set(err, "log-level: '%.64s' is none of error, warning, info and debug", s->level);
    return false;
}

static bool format_of(const struct log_settings *s, enum log_format *out, struct config_error *err)
{
    *out = strcmp(s->format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
    if (*out == LOG_FORMAT_TEXT && strcmp(s->format, "text") != 0)
        config_error_set(err, "log-format: '%.64s' is neither text nor json", s->format);
    else if (*out == LOG_FORMAT_JSON && s->where != NULL && strcmp(s->where, LOG_TO_JOURNAL) == 0)
        config_error_set(err, "log-format: the journal has fields of its own");
    else
        return true;
    return false;
}

bool log_settings_check(const struct log_settings *s, enum log_level otherwise, enum log_level *level, struct config_error *err)
{
    enum log_format format;
    return level_of(s, otherwise, level, err) && format_of(s, &format, err);
}

int log_settings_open(const struct log_settings *s, const char *program, enum log_level otherwise, struct config_error *err)
{
    struct log_target target = {.program = program, .where = s->where != NULL ? s->where : LOG_TO_STDERR};
    enum log_level level;
    if (!level_of(s, otherwise, &level, err) || !format_of(s, &target.format, err))
        return LOG_SETTINGS_WRONG;
    int failure = log_open(&target);
    if (failure != 0) {
        config_error_set(err, "log: %.256s: %s", target.where, strerror(failure));
        return failure;
    }
    log_set_level(level);
    return 0;
}

bool log_settings_level(const struct log_settings *s, enum log_level otherwise, struct config_error *err)
{
    enum log_level level;
    if (!level_of(s, otherwise, &level, err))
        return false;
    log_set_level(level);
    return true;
}

/* -- while it runs ------------------------------------------------------------------------------------------------- */

static bool level_told(const char *text, enum log_level *out, struct config_error *err)
{
    *out = LOG_LEVEL_NONE;
    if (strcmp(text, log_level_name(LOG_LEVEL_NONE)) == 0 || log_level_parse(text, out))
        return true;
    config_error_set(err, "log-level: '%.64s' is none of none, error, warning, info and debug", text);
    return false;
}

bool log_settings_tell(const char *level, struct config_error *err)
{
    enum log_level told;
    if (!level_told(level, &told, err))
        return false;
    log_set_level(told);
    log_info("log", "the level is %s until the settings are read again", level);
    return true;
}

bool log_settings_line(const char *level, char out[static LOG_SETTINGS_LINE_MAX], struct config_error *err)
{
    enum log_level told;
    if (level != NULL && !level_told(level, &told, err))
        return false;
    snprintf(out, LOG_SETTINGS_LINE_MAX, "%s%s%s", command, level != NULL ? " " : "", level != NULL ? level : "");
    return true;
}

char *log_settings_answer(const char *line)
{
    struct config_error err;
    size_t len = sizeof(command) - 1;
    if (strncmp(line, command, len) != 0 || (line[len] != '\0' && line[len] != ' '))
        return NULL;
    if (line[len] == ' ' && !log_settings_tell(line + len + 1, &err))
        return NULL;
    char *answer = NULL;
    return asprintf(&answer, "%s\n", log_level_name(log_level_now())) < 0 ? NULL : answer;
}

/* -- logs of lines ------------------------------------------------------------------------------------------------- */

bool log_settings_lines(const struct line_log_config *config, struct line_log **out, struct config_error *err)
{
    int failure = 0;
    *out = config->where == NULL ? NULL : line_log_create(config, &failure);
    if (failure != 0)
        config_error_set(err, "%s: %.256s: %s", config->name, config->where, strerror(failure));
    return failure == 0;
}
