/* SPDX-License-Identifier: Apache-2.0 */
/* The file that says which ports were opened, for whoever started the program with port 0. */
#ifndef SERVER_PORTS_FILE_H
#define SERVER_PORTS_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "config/error.h"

/* Appears whole or not at all; `path` NULL: none is wanted. False and *err. */
bool ports_file_write(const char *path, uint16_t port, uint16_t client_port, struct config_error *err);

#endif
