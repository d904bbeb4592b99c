/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's file of servers' keys, one a line: "ADDRESS FINGERPRINT". The address is what the client connects to,
 * "host:port", of a server or of a broker with several servers behind it; several keys of one address stand on several
 * lines. Empty lines, and comments from '#' on, are skipped. Pure: text to text.
 */
#ifndef CONFIG_KNOWN_SERVERS_H
#define CONFIG_KNOWN_SERVERS_H

#include "base/fingerprint.h"
#include "config/error.h"

enum known_servers_answer {
    KNOWN_SERVERS_NEW,   /* no line for the address */
    KNOWN_SERVERS_SAME,  /* this key */
    KNOWN_SERVERS_OTHER, /* another key; *line says where, from 1 */
};

/* 0, or -1 and *err ("line 3: not a fingerprint"). `address` has no spaces. */
int known_servers_find(const char *text, const char *address, const struct fingerprint *key,
                       enum known_servers_answer *answer, unsigned *line, struct config_error *err);
/* The text with a line more, heap; NULL without memory. */
char *known_servers_add(const char *text, const char *address, const struct fingerprint *key);

#endif
