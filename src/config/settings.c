/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a program's settings by its table: defaults, file, command line. */
#include "config/settings.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "config/json.h"
#include "config/setting_table.h"
#include "config/setting_value.h"
#include "config/settings_help.h"
#include "mdm-tunnel/limits.h"

/* Long options answer with this plus the row's index, short ones with their letter. */
#define LONG_FIRST           256
#define SETTINGS_MEMBERS_MAX 256

/* One option of the command line, in order. */
struct given {
    const struct setting *row;
    const char *text; /* of a secret: a word of the command line, which may be written to */
};

struct command_line {
    struct given *given;
    size_t count;
    bool again; /* secrets are stars already */
    char *letters;        /* for getopt_long() */
    struct option *longs; /* for getopt_long() */
};

static size_t rows_count(const struct settings_table *t)
{
    size_t n = 0;
    while (t->rows[n].name != NULL)
        n++;
    return n;
}

/* -- the command line ---------------------------------------------------------------------------------------------- */

static char *letter_add(char *at, char letter, const struct setting *row)
{
    if (letter == 0)
        return at;
    *at++ = letter;
    if (setting_has_argument(row))
        *at++ = ':';
    return at;
}

static struct option *long_add(struct option *at, const char *name, const struct setting *row, size_t index)
{
    if (name == NULL)
        return at;
    int argument = row->bare_text != NULL ? optional_argument : setting_has_argument(row) ? required_argument : no_argument;
    *at = (struct option){name, argument, NULL, (int)(LONG_FIRST + index)};
    return at + 1;
}

static void command_line_done(struct command_line *c)
{
    free(c->given);
    free(c->letters);
    free(c->longs);
}

static bool command_line_init(struct command_line *c, const struct settings_table *t, int argc, char **argv)
{
    size_t rows = rows_count(t), bytes = 0; /* an option has at least a byte of its own ("-vvv" are three) */
    for (int i = 0; i < argc; i++)
        bytes += strlen(argv[i]);
    *c = (struct command_line){
        .given = calloc(bytes + 1, sizeof(*c->given)),
        .letters = calloc(rows * 4 + 2, 1),
        .longs = calloc(rows * 2 + 1, sizeof(*c->longs)),
    };
    if (c->given == NULL || c->letters == NULL || c->longs == NULL) {
        command_line_done(c);
        return false;
    }
    char *letter = c->letters;
    struct option *option = c->longs;
    *letter++ = ':'; /* a missing argument answers ':' */
    for (size_t i = 0; i < rows; i++) {
        const struct setting *row = &t->rows[i];
        letter = letter_add(letter, row->letter, row);
        letter = letter_add(letter, row->alias_letter, row);
        option = long_add(option, row->name, row, i);
        option = long_add(option, row->alias, row, i);
    }
    return true;
}

static const struct setting *row_of(const struct settings_table *t, int answer)
{
    if (answer >= LONG_FIRST)
        return &t->rows[answer - LONG_FIRST];
    for (const struct setting *row = t->rows; row->name != NULL; row++)
        if (row->letter == answer || row->alias_letter == answer)
            return row;
    return NULL;
}

static void option_error(const struct settings_table *t, int answer, const char *word, struct config_error *err)
{
    const struct setting *row = optopt != 0 ? row_of(t, optopt) : NULL;
    if (answer == ':' && row != NULL)
        config_error_set(err, "--%s: %s is missing", row->name, row->argument != NULL ? row->argument : "an argument");
    else if (optopt >= LONG_FIRST)
        config_error_set(err, "--%s: takes no argument", row->name);
    else if (optopt != 0)
        config_error_set(err, "unknown option -%c (--help shows all)", optopt);
    else
        config_error_set(err, "unknown option %.128s (--help shows all)", word);
}

/* The argument of an option that may stand alone. */
static const char *argument_or_bare(const struct setting *row, int argc, char **argv)
{
    const char *next = optind < argc ? argv[optind] : "";
    if (optarg != NULL)
        return optarg;
    if ((!isdigit((unsigned char)next[0]) && next[0] != '[') || strchr(next, '=') != NULL)
        return row->bare_text;
    optind++;
    return next;
}

static enum settings_result options_collect(const struct settings_table *t, struct command_line *c, int argc,
                                            char **argv, FILE *out, struct config_error *err)
{
    optind = 0; /* start over, also after another table */
    opterr = 0;
    for (int answer; (answer = getopt_long(argc, argv, c->letters, c->longs, NULL)) != -1;) {
        const struct setting *row = answer != '?' && answer != ':' ? row_of(t, answer) : NULL;
        if (row == NULL) {
            option_error(t, answer, argv[optind - 1], err);
            return SETTINGS_BAD;
        }
        if (row->kind == SETTING_HELP) {
            settings_help(t, out);
            return SETTINGS_SHOWN;
        }
        if (row->kind == SETTING_VERSION) {
            fprintf(out, "%s %s\n", t->program, PACKAGE_VERSION);
            return SETTINGS_SHOWN;
        }
        const char *text = row->bare_text != NULL ? argument_or_bare(row, argc, argv) : optarg;
        c->given[c->count++] = (struct given){row, setting_has_argument(row) ? text : "true"};
    }
    if (optind < argc && !t->positionals) {
        config_error_set(err, "unexpected argument %.128s", argv[optind]);
        return SETTINGS_BAD;
    }
    return SETTINGS_RUN;
}

static bool option_apply(const struct given *g, void *values, struct config_error *err)
{
    struct config_error reason;
    if (setting_set_text(g->row, values, g->text, &reason) == 0)
        return true;
    config_error_set(err, "--%s: %s", g->row->name, reason.text);
    return false;
}

/* Other users of the machine can read the command line for as long as it stands there. */
static void secrets_wipe(const struct command_line *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->given[i].row->kind == SETTING_SECRET)
            memset((char *)c->given[i].text, '*', strlen(c->given[i].text));
}

/* Those that name the settings file, or all others. */
static bool options_apply(const struct command_line *c, bool file, void *values, struct config_error *err)
{
    for (size_t i = 0; i < c->count; i++)
        if (!(c->again && c->given[i].row->kind == SETTING_SECRET) && (c->given[i].row->kind == SETTING_FILE) == file && !option_apply(&c->given[i], values, err))
            return false;
    return true;
}

/* -- defaults and the file ----------------------------------------------------------------------------------------- */

static bool defaults_apply(const struct settings_table *t, void *values, struct config_error *err)
{
    for (const struct setting *row = t->rows; row->name != NULL; row++) {
        struct given g = {row, row->default_text};
        if (setting_has_value(row) && g.text != NULL && !option_apply(&g, values, err))
            return false;
    }
    return true;
}

static const struct setting *row_by_key(const struct settings_table *t, const char *key)
{
    for (const struct setting *row = t->rows; row->name != NULL; row++)
        if (setting_key_names(row->name, key))
            return row;
    return NULL;
}

static bool members_apply(const struct settings_table *t, const cJSON *root, const char *file, void *values,
                          struct config_error *err)
{
    for (const cJSON *m = root->child; m != NULL; m = m->next) {
        struct config_error reason;
        const struct setting *row = row_by_key(t, m->string);
        if (row == NULL)
            config_error_set(&reason, "unknown key");
        else if (setting_set_json(row, values, m, &reason) == 0)
            continue;
        config_error_set(err, "%.256s: %.64s%s%s", file, m->string, reason.text[0] == '[' ? "" : ": ", reason.text);
        return false;
    }
    return true;
}

static bool file_apply(const struct settings_table *t, const char *path, bool may_be_missing, void *values,
                       struct config_error *err)
{
    size_t len = 0;
    char *text = json_load_text(path, &len, err);
    if (text == NULL)
        return may_be_missing && errno == ENOENT;
    cJSON *root = json_parse(text, len, path, SETTINGS_MEMBERS_MAX, err);
    free(text);
    bool ok = root != NULL && members_apply(t, root, path, values, err);
    cJSON_Delete(root);
    return ok;
}

static bool files_apply(const struct settings_table *t, const struct command_line *c, void *values,
                        struct config_error *err)
{
    for (const struct setting *row = t->rows; row->name != NULL; row++) {
        if (row->kind != SETTING_FILE)
            continue;
        bool given = false;
        for (size_t i = 0; i < c->count; i++)
            given |= c->given[i].row == row;
        const char *path = *(char **)(void *)((char *)values + row->offset);
        if (path != NULL && !file_apply(t, path, !given, values, err))
            return false;
    }
    return true;
}

/* -- the environment ----------------------------------------------------------------------------------------------- */

/* Whether one of `names` is set. */
static bool environment_has(const char *names)
{
    char name[64];
    for (size_t len; *names != '\0'; names += len + (names[len] == ' ')) {
        len = strcspn(names, " ");
        snprintf(name, sizeof(name), "%.*s", (int)len, names);
        const char *text = getenv(name);
        if (text != NULL && text[0] != '\0')
            return true;
    }
    return false;
}

static bool environment_apply(const struct settings_table *t, void *values, struct config_error *err)
{
    struct config_error reason;
    for (const struct setting *row = t->rows; row->name != NULL; row++) {
        if (row->instead != NULL && environment_has(row->instead))
            setting_clear(row, values);
        const char *text = row->environment != NULL ? getenv(row->environment) : NULL;
        if (text == NULL || text[0] == '\0' || setting_set_text(row, values, text, &reason) == 0)
            continue;
        config_error_set(err, "%s: %s", row->environment, reason.text);
        return false;
    }
    return true;
}

/* -- all of it ----------------------------------------------------------------------------------------------------- */

static enum settings_result read_all(const struct settings_table *t, int argc, char **argv, bool again, void *values, int *first,
                                     FILE *out, struct config_error *err)
{
    struct command_line c;
    if (!command_line_init(&c, t, argc, argv)) {
        config_error_set(err, "out of memory");
        return SETTINGS_BAD;
    }
    c.again = again;
    enum settings_result result = options_collect(t, &c, argc, argv, out, err);
    *first = optind;
    if (result == SETTINGS_RUN && !(defaults_apply(t, values, err) && options_apply(&c, true, values, err) &&
                                    files_apply(t, &c, values, err) && environment_apply(t, values, err) &&
                                    options_apply(&c, false, values, err)))
        result = SETTINGS_BAD;
    if (result != SETTINGS_RUN)
        settings_done(t, values);
    secrets_wipe(&c);
    command_line_done(&c);
    return result;
}

bool settings_recognise(const struct settings_table *t, const char *path)
{
    struct config_error ignored;
    size_t len = 0, known = 0, all = 0;
    char *text = json_load_text(path, &len, &ignored);
    cJSON *root = text != NULL ? json_parse(text, len, path, SERVICES_MAX, &ignored) : NULL;
    for (const cJSON *m = root != NULL ? root->child : NULL; m != NULL; m = m->next) {
        all++;
        known += row_by_key(t, m->string) != NULL;
    }
    cJSON_Delete(root);
    free(text);
    return 2 * known > all;
}

enum settings_result settings_read(const struct settings_table *t, int argc, char **argv, void *values, int *first, FILE *out,
                                   struct config_error *err)
{
    return read_all(t, argc, argv, false, values, first, out, err);
}

enum settings_result settings_read_again(const struct settings_table *t, int argc, char **argv, void *values,
                                         struct config_error *err)
{
    int first;
    return read_all(t, argc, argv, true, values, &first, stdout, err);
}

void settings_adopt(const struct settings_table *t, void *values, void *fresh, char *later, size_t size)
{
    size_t len = 0;
    later[0] = '\0';
    for (const struct setting *row = t->rows; row->name != NULL; row++) {
        if (!setting_has_value(row) || row->kind == SETTING_SECRET || setting_same(row, values, fresh))
            continue;
        if (row->reloads)
            setting_swap(row, values, fresh);
        else if (len < size)
            len += (size_t)snprintf(later + len, size - len, "%s%s", len > 0 ? ", " : "", row->name);
    }
}

bool settings_own(const struct settings_table *t, void *values)
{
    bool all = true;
    for (const struct setting *row = t->rows; row->name != NULL; row++)
        if (row->reloads)
            all &= setting_own(row, values);
    return all;
}

void settings_disown(const struct settings_table *t, void *values)
{
    for (const struct setting *row = t->rows; row->name != NULL; row++)
        if (row->reloads)
            setting_clear(row, values);
}

void settings_done(const struct settings_table *t, void *values)
{
    for (const struct setting *row = t->rows; row->name != NULL; row++)
        setting_clear(row, values);
}
