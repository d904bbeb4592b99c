/* SPDX-License-Identifier: Apache-2.0 */
/* TCP port: the public port of a service of kind tcp on one worker. port_keeper.h says when there is one. The worker's own. */
#ifndef SERVER_TCP_PORT_H
#define SERVER_TCP_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "gate/shelf.h"
#include "server/route.h"

struct front;

/* Takes the listening descriptor; connections go to `route` (ROUTE_SERVICE). While the front drains it is closed at once. */
void tcp_port_open(struct front *f, int fd, uint16_t port, const struct route *route);
/* One more socket of a port of all visitors (HTTP, or with `tls` HTTPS): there were more of them than there are workers. */
void tcp_port_join(struct front *f, int fd, bool tls);
/* Lets in who waits, and closes; connections go on. */
void tcp_port_close(struct front *f, uint16_t port);
void tcp_ports_close(struct front *f);
/* Shows their sockets, by name those of all visitors. */
void tcp_ports_show(struct front *f, shelf_show_fn *show, void *ctx);

#endif
