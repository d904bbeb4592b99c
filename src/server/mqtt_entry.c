/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to the broker. */
#include "server/mqtt_entry.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "broker/broker.h"
#include "server/exchange.h"
#include "server/front.h"
#include "server/visitor.h"
#include "wire/websocket.h"

static bool path_is(struct http_text target, const char *path)
{
    size_t len = strlen(path);

    return target.len >= len && memcmp(target.at, path, len) == 0 && (target.len == len || target.at[len] == '?');
}

void mqtt_entry_read(struct exchange *ex, const struct http_request *r, const struct http_request_facts *facts)
{
    struct mqtt_entry *e = &ex->request.mqtt;
    struct websocket_offer offer;
    const char *why = "out of memory";

    if (ex->front->config.broker == NULL || !websocket_wanted(r, facts, "mqtt") ||
        !path_is(facts->target.path, ex->front->config.settings->client_path))
        return;
    e->wanted = true;
    if (websocket_offer_check(r, facts, "mqtt", &offer, &why) != 0 || !websocket_accept_key(offer.key, e->accept))
        e->why = why;
}

/* The server's own name: its domain; without `domain`, one that is no client's (example.com looks like one). */
static bool name_is_ours(const struct exchange *ex)
{
    struct front *f = ex->front;

    if (ex->route.kind != ROUTE_CLIENT)
        return ex->route.kind == ROUTE_STATUS;
    return f->config.settings->domain == NULL && hub_presence(f->shard, ex->route.client) == HUB_UNKNOWN &&
           !known_has(&f->known, ex->route.client);
}

/* -- the upgrade --------------------------------------------------------------------------------------------------- */

static void address_of(const struct visitor *v, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    memset(out, 0, sizeof(*out));
    if (v->address.v6) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(v->address.port);
        inet_pton(AF_INET6, v->address.ip, &v6->sin6_addr);
    } else {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(v->address.port);
        inet_pton(AF_INET, v->address.ip, &v4->sin_addr);
    }
}

/* libmicrohttpd's upgrade handler. The broker gets a duplicate, so that libmicrohttpd can free all it had. */
static void entry_start(void *ctx, struct MHD_Connection *c, void *exchange, const char *early, size_t early_len,
                        MHD_socket socket, struct MHD_UpgradeResponseHandle *handle)
{
    struct exchange *ex = ctx;
    struct front *f = ex->front;
    struct visitor *v = ex->visitor;
    struct sockaddr_storage peer;

    (void)c, (void)exchange;
    CHECK_OBJECT(ex, EXCHANGE_MAGIC);
    int fd = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0) {
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        hangup_stop(&f->hangups, &v->hangup);
        v->fd = -1; /* no more libmicrohttpd's to shut down */
        bridge_give_to_client(&v->end);
        address_of(v, &peer);
        broker_adopt(f->config.broker, fd, (const struct sockaddr *)&peer, early, early_len);
    }
    MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
    front_due(f);
}

static bool response_make(struct exchange *ex)
{
    ex->response = MHD_create_response_for_upgrade(entry_start, ex);
    return ex->response != NULL && MHD_add_response_header(ex->response, "Upgrade", "websocket") == MHD_YES &&
           MHD_add_response_header(ex->response, "Sec-WebSocket-Accept", ex->request.mqtt.accept) == MHD_YES &&
           MHD_add_response_header(ex->response, "Sec-WebSocket-Protocol", "mqtt") == MHD_YES;
}

bool mqtt_entry_answers(struct exchange *ex)
{
    const struct mqtt_entry *e = &ex->request.mqtt;

    if (!e->wanted || !name_is_ours(ex))
        return false;
    if (e->why != NULL) {
        exchange_fail(ex, &error_bad_request, e->why);
    } else if (ex->front->draining) {
        exchange_fail(ex, &error_shutting_down, NULL);
    } else if (response_make(ex)) {
        ex->status = MHD_HTTP_SWITCHING_PROTOCOLS;
        ex->answer = ANSWER_PAGE;
    } else {
        exchange_fail(ex, &error_no_memory, NULL);
    }
    return true;
}
