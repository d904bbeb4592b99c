/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audit: a line for each tunnel that a workstation had, and for each that it was refused, wherever it is to stand: a file that
 * is appended to (0600; beyond AUDIT_FILE_MAX it becomes FILE.1 and a new one begins), the system's log, or nowhere.
 * Any thread; a line is one write(2) to a local file.
 */
#ifndef CLIENT_AUDIT_H
#define CLIENT_AUDIT_H

#include <stdint.h>

#include "config/error.h"
#include "config/state.h"

#define AUDIT_FILE "audit.log"
#define AUDIT_SYSLOG "syslog"
#define AUDIT_NONE "none"

struct audit;

struct audit_line {
    const char *event;   /* "ended", "refused" */
    const char *who;     /* as authorized_peers calls it; "": nobody known */
    const char *key;     /* its fingerprint, or the pre-shared key's name */
    const char *kind;    /* "tcp", "udp", "listen", "back", "control" */
    const char *what;    /* the service, or host:port */
    const char *from;    /* as the workstation says: who connected there; "": not said */
    int64_t since_s;     /* when it was opened, since 1970 */
    double seconds;      /* how long it was open */
    unsigned long long bytes_to, bytes_from; /* the target */
    const char *why;     /* why it ended */
};

/* `where`: a path, AUDIT_SYSLOG, AUDIT_NONE, or NULL: AUDIT_FILE in the state directory. NULL and *err. */
struct audit *audit_create(const char *where, const struct state *state, struct config_error *err);
void audit_free(struct audit **a);
/* NULL: nothing is written. A file that cannot be written to is said once in the log. */
void audit_write(struct audit *a, const struct audit_line *line);
/* Opens the file again: somebody has moved it away. NULL is allowed. */
void audit_reopen(struct audit *a);

#endif
