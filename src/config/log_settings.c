/* SPDX-License-Identifier: Apache-2.0 */
/* The log as settings say. */
#include "config/log_settings.h"

#include <string.h>

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

bool log_settings_lines(const struct line_log_config *config, struct line_log **out, struct config_error *err)
{
    int failure = 0;
    *out = config->where == NULL ? NULL : line_log_create(config, &failure);
    if (failure != 0)
        config_error_set(err, "%s: %.256s: %s", config->name, config->where, strerror(failure));
    return failure == 0;
}
