/* SPDX-License-Identifier: Apache-2.0 */
/* --help, written from the table: two aligned columns, the right one wrapped. */
#include "config/settings_help.h"

#include <stdarg.h>
#include <string.h>

#include "config/setting_value.h"

/* Columns of a terminal; an entry on the left that is longer than LEFT_MAX has a line of its own. */
#define LINE_WIDTH 80
#define LEFT_MAX   30

struct text {
    char bytes[512];
    size_t len;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->bytes + t->len, sizeof(t->bytes) - t->len, format, args);
    va_end(args);
    if (n > 0)
        t->len += (size_t)n < sizeof(t->bytes) - t->len ? (size_t)n : sizeof(t->bytes) - t->len - 1;
}

/* "-p, --port PORT" */
static struct text names_of(const struct setting *row)
{
    struct text t = {.len = 0};
    if (row->letter != 0)
        add(&t, "-%c, ", row->letter);
    if (row->alias_letter != 0)
        add(&t, "-%c, ", row->alias_letter);
    add(&t, "--%s", row->name);
    if (row->alias != NULL)
        add(&t, ", --%s", row->alias);
    if (setting_has_argument(row) && row->argument != NULL)
        add(&t, " %s", row->argument);
    return t;
}

static struct text help_of(const struct setting *row)
{
    struct text t = {.len = 0};
    add(&t, "%s", row->help);
    if (row->default_text != NULL && row->kind != SETTING_FLAG)
        add(&t, " (default: %s)", row->default_text);
    if (row->reloads)
        add(&t, " [reloads]");
    return t;
}

static size_t left_width(const struct settings_table *t)
{
    size_t width = 0;
    for (const struct setting *row = t->rows; row->name != NULL; row++) {
        size_t len = names_of(row).len;
        if (len > width && len <= LEFT_MAX)
            width = len;
    }
    return width;
}

/* The bytes of `text` that go on a line of `width`: up to the last space that fits, or one long word. */
static size_t line_length(const char *text, size_t width)
{
    size_t len = strlen(text);
    if (len <= width)
        return len;
    for (size_t i = width; i > 0; i--)
        if (text[i] == ' ')
            return i;
    return strcspn(text, " ");
}

static void write_row(const struct setting *row, size_t left, FILE *out)
{
    struct text names = names_of(row), help = help_of(row);
    const char *rest = help.bytes;
    fprintf(out, "  %-*s", (int)left, names.bytes);
    if (names.len > left)
        fprintf(out, "\n  %-*s", (int)left, "");
    for (bool first = true; *rest != '\0'; first = false) {
        size_t len = line_length(rest, LINE_WIDTH - left - 4);
        if (!first)
            fprintf(out, "  %-*s", (int)left, "");
        fprintf(out, "  %.*s\n", (int)len, rest);
        rest += len + (rest[len] == ' ');
    }
}

void settings_help(const struct settings_table *t, FILE *out)
{
    size_t left = left_width(t);
    fprintf(out, "Usage: %s %s\n%s\n\nOptions:\n", t->program, t->usage, t->summary);
    for (const struct setting *row = t->rows; row->name != NULL; row++)
        write_row(row, left, out);
    for (const struct setting *row = t->rows; row->name != NULL; row++) {
        if (!row->reloads)
            continue;
        fprintf(out, "\n[reloads]: SIGHUP takes it from the settings file again; the others wait for a new start.\n");
        break;
    }
}
