/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server allows one client beyond letting it in: the options of its line in authorized_clients.
 *
 *     services=PATTERN,...  streams=N  bandwidth=BYTES  rate=N  ports=PORT[-PORT],...  expires=YYYY-MM-DD
 *
 * Pure: words to a struct and text.
 */
#ifndef CONFIG_CLIENT_GRANT_H
#define CONFIG_CLIENT_GRANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mdm-tunnel/limits.h"

struct client_grant {
    int64_t expires;    /* seconds since 1970: from then on the key is not admitted; INT64_MAX: never */
    unsigned streams;   /* at one time, of all its services; 0: not said */
    uint64_t bandwidth; /* bytes a second each way, of all its services; 0: not said */
    unsigned rate;      /* requests a second from one address to a service; 0: not said */
    char services[GRANT_SERVICES_MAX + 1]; /* patterns with ',' between; "": any */
    char ports[GRANT_PORTS_MAX + 1]; /* public TCP ports that it may have (config/port_list.h), or "none"; "": any */
};

#define CLIENT_GRANT_NONE ((struct client_grant){.expires = INT64_MAX})

/* Takes one option, `len` bytes of text. NULL, or what is wrong with it (a constant). */
const char *client_grant_option(struct client_grant *g, const char *text, size_t len);
/* The options as they stand in a line, each with a space before it. */
void client_grant_text(const struct client_grant *g, char *out, size_t size);
#define CLIENT_GRANT_TEXT_MAX (GRANT_SERVICES_MAX + GRANT_PORTS_MAX + 128)

bool client_grant_service(const struct client_grant *g, const char *name);
bool client_grant_port(const struct client_grant *g, uint16_t port);

#endif
