/* SPDX-License-Identifier: Apache-2.0 */
/* Where the server listens, said to whoever started it. */
#ifndef SERVER_PORTS_H
#define SERVER_PORTS_H

#include "server/server_settings.h"

struct ports {
    uint16_t http, tls, client, admin; /* 0: none */
    uint16_t more_clients[CLIENT_LISTENERS_MAX]; /* in the order of client-listen */
};

/* One line in the log. */
void ports_log(const struct ports *p, const struct server_settings *settings, unsigned workers);
/* {"port":8000,"client_port":8001,"client_ports":[8883]} for scripts, atomically. Nothing without --ports-file. */
bool ports_write(const struct ports *p, const struct server_settings *settings, struct config_error *err);

#endif
