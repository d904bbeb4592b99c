/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients at the public ports: MQTT over WebSocket at `client-path` of the server's own name, so that one open port
 * carries visitors and clients. From the 101 on the connection is the broker's. On the front's worker.
 */
#ifndef SERVER_MQTT_ENTRY_H
#define SERVER_MQTT_ENTRY_H

#include "wire/http_request.h"

struct exchange;

/* Notes what the request says about it. */
void mqtt_entry_read(struct exchange *ex, const struct http_request *r, const struct http_request_facts *facts);
/* Whether the request asks for it and is answered here. */
bool mqtt_entry_answers(struct exchange *ex);

#endif
