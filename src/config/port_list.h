/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of ports that may be reached: "22,8000-8100,printer:631,[fd00::1]:80-90,*:443,53/udp". An item without a host means
 * this machine ("localhost"), '*' any host; without "/udp" TCP is meant. A list is a text that was found valid once; asking walks it. Pure.
 */
#ifndef CONFIG_PORT_LIST_H
#define CONFIG_PORT_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/error.h"

enum port_protocol { PORT_TCP, PORT_UDP };

/* 0, or -1 and *err ("8100-8000 is no range of ports"). */
int port_list_check(const char *text, size_t len, struct config_error *err);
/* Whether HOST:PORT is in the list. "localhost", 127.0.0.1 and ::1 are one host here. */
bool port_list_has(const char *text, size_t len, const char *host, uint16_t port, enum port_protocol protocol);

#endif
