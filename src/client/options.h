/* SPDX-License-Identifier: Apache-2.0 */
/* What the command line of mdm-tunnel-client says (mdm-tunnel-client(1)). */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/credentials.h"
#include "config/log_settings.h"
#include "config/services.h"
#include "config/settings.h"
#include "relay/way_settings.h"

struct files;

struct options {
    char *id; /* NULL: as the last time */
    struct way_settings way;
    char *services_file; /* NULL: the default one, unless services are named on the command line */
    unsigned max_attempts;
    unsigned weight;
    char *state_dir;
    char *server_keys; /* fingerprints; NULL: as known_servers says */
    struct credential_settings credentials;
    char *server_name; /* in the server's certificate; NULL: the host */
    char *allow_ports, *allow_listen; /* NULL: none */
    char *audit;                      /* as audit_create() takes it */
    char *inspect;                    /* where the inspector listens; NULL: there is none */
    bool inspect_secrets;
    bool tui;       /* a live screen, where there is a terminal */
    bool qr;        /* the URL is shown as a QR code, too */
    bool dot_files; /* are served with a folder */
    bool no_encryption;
    uint64_t drain_us;
    unsigned workers;
    bool json;
    struct files *files; /* the folder's service ("file FOLDER [NAME]"): the caller frees it; NULL: none */
    bool announced; /* there is one service, of the command line ("http TARGET [NAME]"), whose URL is wanted; not a setting */
    struct log_settings log;
    int argc; /* as they were read, to be read again; not settings */
    char **argv;
    char *settings_file;
};

extern const struct settings_table options_table;

/* How the program ends: what went wrong while it ran, and what was wrong with how it was called. */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* What settings mean for others: before they are used, each time they were read. */
void options_imply(struct options *o);
/* After that: whether they fit together, and where the client connects to: the broker's URL, or host and
 * port. 0, or EXIT_USAGE and *err. */
int options_finish(struct options *o, struct config_error *err);

/* Whether a live screen is wanted: that was said, or -v and nothing of a log or a QR code, which want lines. */
bool options_tui(const struct options *o);

/*
 * The settings file is read again: what reloads is taken into *o, `later` gets the names of what has changed and does not. False and
 * *err: something is wrong with it, and nothing has changed.
 */
bool options_reload(struct options *o, char *later, size_t size, struct config_error *err);

/*
 * The services: from `count` positionals, or else from the file, whose name is in o->services_file afterwards (NULL:
 * not from a file). 0, or EXIT_FAILED or EXIT_USAGE and *err.
 */
int options_services(struct options *o, char *const *positionals, int count, struct services *out,
                     struct config_error *err);

/*
 * The client id (heap) in *out: o->id, which is remembered for the next time, or else the one remembered. 0, or
 * EXIT_FAILED or EXIT_USAGE and *err. That an id could not be remembered is only logged.
 */
int options_id(const struct options *o, char **out, struct config_error *err);

#endif
