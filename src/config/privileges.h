/* SPDX-License-Identifier: Apache-2.0 */
/* What a program that opens public ports gives away, as its setting `user` says. Main thread, before there are others. */
#ifndef CONFIG_PRIVILEGES_H
#define CONFIG_PRIVILEGES_H

#include <stdbool.h>

#include "config/error.h"

/*
 * Becomes that user (NULL: stays who it is), and hardens the process in any case. Root's last deed is to make the user's state
 * directory: *state_dir becomes its path; NULL: there is none. False and *err.
 */
bool privileges_drop(const char *user, char **state_dir, struct config_error *err);
/* When ports are open and files are read: the end of what was kept for that. False and *err. */
bool privileges_settle(const char *user, struct config_error *err);

#endif
