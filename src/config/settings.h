/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings as rows of a table: one row gives the command-line option, the key in the settings file (JSON), the bounds,
 * the default and the line in --help. A program has a struct of values and a table that points into it.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "config/error.h"

enum setting_kind {
    SETTING_FLAG,    /* bool; no argument; the file takes true and false; giving it twice changes nothing */
    SETTING_NUMBER,  /* unsigned, min..max */
    SETTING_PORT,    /* unsigned, 0 (the kernel chooses) .. 65535 */
    SETTING_SECONDS, /* uint64_t microseconds, min..max seconds; decimal fractions are allowed ("0.5") */
    SETTING_TEXT,    /* char *, heap */
    SETTING_SECRET,  /* as TEXT; wiped from the command line and from memory */
    SETTING_LIST,    /* char *, heap; may be said again: one line (ending in '\n') for each time */
    SETTING_NAME,    /* char *, heap; one DNS label, normalised */
    SETTING_PATH,    /* char *, heap; a leading ~/ is the home directory */
    SETTING_TABLE,   /* struct setting_table: objects with keys of their own (`columns`); "KEY=VALUE KEY=VALUE ..." on the
                        command line, where it may be said again */
    SETTING_HELP, SETTING_VERSION, /* the command line only */
    SETTING_FILE,    /* as PATH; the settings file, read before the command line is applied; the command line only, and a
                        default (which may be missing) */
};

/* The rows of a SETTING_TABLE: `count` structs, heap. */
struct setting_table {
    void *list;
    unsigned count;
};

struct setting {
    const char *name;    /* long option, and key in the file */
    char letter;         /* short option, 0: none */
    const char *alias;   /* another long option with the same meaning, NULL: none */
    char alias_letter;
    enum setting_kind kind;
    size_t offset;       /* of the value in the program's struct */
    unsigned min, max;   /* SETTING_NUMBER, SETTING_SECONDS; max 0: no maximum but the type's (seconds: ten years) */
    const char *default_text; /* parsed as if given; NULL: zero */
    const char *bare_text;    /* the value where the option stands alone (and of true, in the file, where false is none); the next word is taken as
                                 its argument when it begins with a digit or '[' and has no '='. NULL: the argument is needed */
    const char *environment;  /* variable that says it, where the command line does not; NULL: none */
    const char *instead;      /* variables, with ' ' between them, that say the same in another way: where one is set, what the
                                 file says does not count; NULL: none */
    const char *argument;     /* "PORT" in --help */
    bool reloads;             /* SIGHUP takes it from the settings file again; --help says so */
    const char *help;
    /* SETTING_TABLE: what a row has (ends with name NULL; none with a default), and the struct's size; `max` rows at most */
    const struct setting *columns;
    size_t size;
};

enum settings_result { SETTINGS_RUN, SETTINGS_SHOWN /* --help or --version was printed: exit 0 */, SETTINGS_BAD /* exit 2 */ };

struct settings_table {
    const char *program; /* "mdm-tunnel-server" */
    const char *usage;   /* "[options] [NAME=TARGET ...]" */
    const char *summary;
    const struct setting *rows; /* ends with name NULL */
    bool positionals;    /* may there be any */
};

/*
 * Defaults, then the settings file, then the environment, then the command line, into `values` (zeroed by the caller). Positionals move to the
 * end of argv, *first is the index of the first. SETTINGS_BAD: *err has the text to print ("--port: 70000 is above
 * 65535"). `out` gets --help and --version. Only after SETTINGS_RUN do `values` hold anything. One thread at a time
 * (getopt_long(3)).
 */
enum settings_result settings_read(const struct settings_table *t, int argc, char **argv, void *values, int *first,
                                   FILE *out, struct config_error *err);
/* Whether most keys of this file are settings', so that it is one of settings and not of services. False, too, when it cannot be read. */
bool settings_recognise(const struct settings_table *t, const char *path);
/*
 * The same once more, to see what has changed: `values` are zeroed or as they were before settings_read(). Secrets of the command line
 * were wiped and count as not given.
 */
enum settings_result settings_read_again(const struct settings_table *t, int argc, char **argv, void *values,
                                         struct config_error *err);
/*
 * Moves what reloads from `fresh` into `values`, which have both been read and checked. The names of other settings that differ go to
 * `later` ("domain, workers"; cut; "": none): they wait for a new start.
 */
void settings_adopt(const struct settings_table *t, void *values, void *fresh, char *later, size_t size);
/*
 * `values` are a copy, byte by byte, of others: texts that reload become the copy's own, the rest stays with the others, which outlive it.
 * False without memory. settings_disown() frees them, in either case.
 */
bool settings_own(const struct settings_table *t, void *values);
void settings_disown(const struct settings_table *t, void *values);
void settings_done(const struct settings_table *t, void *values);
/* Adds an empty row to a table; NULL: no memory, or `row->max` are there. */
void *settings_add_row(const struct setting *row, void *values);
/* Sets a column of such a row, named as on the command line. 0, or -1 and *err. */
int settings_set_column(const struct setting *row, void *at, const char *name, const char *text, struct config_error *err);

#endif
