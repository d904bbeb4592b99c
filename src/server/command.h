/* SPDX-License-Identifier: Apache-2.0 */
/* Commands: those that manage the files of a server, running or not, and questions to the running one. */
#ifndef SERVER_COMMAND_H
#define SERVER_COMMAND_H

#include "server/server_settings.h"

/* `words`: the command and its arguments, `count` > 0. Prints its answer or what is wrong; the exit status. */
int command_run(const struct server_settings *settings, char *const *words, int count);
/* Whether the file is one of settings that the server would start with: says what is wrong with it on stderr. The exit status. */
int command_check(char *file);

#endif
