/* SPDX-License-Identifier: Apache-2.0 */
/* Acceptors of services. */
#include "server/tcp_port.h"

#include <unistd.h>

#include "base/counters.h"
#include "base/log.h"
#include "base/object.h"
#include "server/acceptor.h"
#include "server/front.h"

struct tcp_port {
    OBJECT_MAGIC;
    struct list node; /* front->ports */
    struct acceptor acceptor;
    struct route route;
    uint16_t port; /* 0: not a service's */
};
#define TCP_PORT_MAGIC 0x74637070

static void port_free(struct tcp_port *p)
{
    CHECK_OBJECT(p, TCP_PORT_MAGIC);
    acceptor_close(&p->acceptor);
    list_remove(&p->node);
    FREE_OBJECT(p);
}

/* `route` NULL: the visitors say where they want to go. */
static void port_open(struct front *f, int fd, uint16_t port, bool tls, const struct route *route)
{
    struct tcp_port *p = NULL;

    if (!f->draining)
        ALLOC_OBJECT(p, TCP_PORT_MAGIC);
    if (p == NULL) {
        close(fd);
        return;
    }
    p->port = port;
    if (route != NULL)
        p->route = *route;
    list_append(&f->ports, &p->node);
    acceptor_init(&p->acceptor, f, fd, tls, route != NULL ? &p->route : NULL);
    if (acceptor_start(&p->acceptor) == 0)
        return;
    log_warning(route != NULL ? route->client : "server", "no memory for the port of %s on one worker",
                route != NULL ? route->service : "visitors");
    port_free(p);
}

void tcp_port_open(struct front *f, int fd, uint16_t port, const struct route *route) { port_open(f, fd, port, false, route); }
void tcp_port_join(struct front *f, int fd, bool tls) { port_open(f, fd, 0, tls, NULL); }

void tcp_port_close(struct front *f, uint16_t port)
{
    LIST_FOREACH_SAFE(node, next, &f->ports) {
        struct tcp_port *p = CONTAINER_OF(node, struct tcp_port, node);
        if (p->port == port)
            port_free(p);
    }
}

void tcp_ports_close(struct front *f)
{
    LIST_FOREACH_SAFE(node, next, &f->ports)
        port_free(CONTAINER_OF(node, struct tcp_port, node));
}

void tcp_ports_show(struct front *f, shelf_show_fn *show, void *ctx)
{
    LIST_FOREACH(node, &f->ports) {
        const struct tcp_port *p = CONTAINER_OF(node, struct tcp_port, node);
        show(ctx, p->port != 0 ? "" : p->acceptor.tls ? SHELF_HTTPS : SHELF_HTTP, p->acceptor.fd);
    }
}
