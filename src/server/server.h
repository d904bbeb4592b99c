/* SPDX-License-Identifier: Apache-2.0 */
/* The server as a whole: workers, embedded broker, hub, fronts; and its life from start to drain. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "server/server_settings.h"

struct server;

/* Opens the ports and makes everything; nothing runs yet. NULL and *err. `settings` outlives the server, which reloads them. */
struct shelf;
struct predecessor;
/* `shelf` and `p` are what was passed to this process; they outlive the server, too. */
struct server *server_create(struct server_settings *settings, struct shelf *shelf, struct predecessor *p, struct config_error *err);
/*
 * Runs until SIGTERM or SIGINT (SIGUSR1: the log is opened again; SIGHUP: certificates are read again, too), then takes nothing
 * new and finishes what is in flight, `drain` at most. A second signal ends the program at once with exit status 1. SIGUSR2: a new
 * process is started with the words `argv`, and when it has taken over, this one ends in the same way. Called from main() with no
 * other thread running. The exit status.
 */
int server_run(struct server *s, char *const argv[], struct config_error *err);
void server_free(struct server **s);

#endif
