/* SPDX-License-Identifier: Apache-2.0 */
/* A client's connection with the target's: accepted, dialled, what is done next, their times, their end. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/access.h"
#include "proxy/http.h"

#define LINGER_US (2 * US_PER_S)
/* A WebSocket may say nothing for hours: whether its ends are still there, the kernel finds out. */
#define KEEPALIVE_IDLE_S 60
#define KEEPALIVE_INTERVAL_S 15
#define KEEPALIVE_COUNT 4

/* -- times ------------------------------------------------------------------------------------------------------------ */

static uint64_t limit_of(const struct gateway *g)
{
    switch ((enum gateway_state)g->state) {
    case GATEWAY_HEAD:
        return g->served && g->client.len == 0 ? PROXY_HTTP_IDLE_US : g->post->common->connect_us;
    case GATEWAY_PASSING:
        return g->post->common->answer_us;
    case GATEWAY_CLOSING:
        return LINGER_US;
    default:
        return g->post->common->connect_us;
    }
}

/* When the time is up. */
static uint64_t due_of(const struct gateway *g)
{
    if (g->state == GATEWAY_PASSING && g->q != NULL)
        return g->asked_us + g->post->common->connect_us;
    return g->state == GATEWAY_FRAMES ? gateway_frames_due(g) : g->last_us + limit_of(g);
}

static void timer_set(struct gateway *g, uint64_t us)
{
    struct timeval tv = {.tv_sec = (time_t)(us / US_PER_S), .tv_usec = (suseconds_t)(us % US_PER_S)};
    event_add(&g->timer, &tv);
}

void gateway_watch(struct gateway *g)
{
    uint64_t now = worker_now_us(g->post->worker), due = due_of(g);
    timer_set(g, due > now ? due - now : 0);
}

void gateway_state_set(struct gateway *g, enum gateway_state state)
{
    if (g->state == GATEWAY_ENDED)
        return; /* without memory on the way here */
    g->served |= state == GATEWAY_PASSING;
    g->state = (uint8_t)state;
    g->last_us = worker_now_us(g->post->worker);
    gateway_watch(g);
}

void gateway_moved(struct gateway *g)
{
    g->last_us = worker_now_us(g->post->worker);
    if (g->state == GATEWAY_HEAD)
        gateway_watch(g);
}

static void time_is_up(struct gateway *g)
{
    bool idle = g->state == GATEWAY_HEAD && g->served && g->client.len == 0;
    if (g->state < GATEWAY_CLOSING && !idle)
        counter_add(counters_self(), COUNTER_proxy_timeouts, 1);
    switch ((enum gateway_state)g->state) {
    case GATEWAY_HEAD:
        if (g->client.len > 0)
            g->last = true, gateway_reply(g, 408, "no request in time");
        else
            gateway_over(g, idle ? "idle" : g->client.way.sock.handshaking ? "no TLS handshake in time" : "no request in time");
        break;
    case GATEWAY_ASKING:
        question_forget(&g->q);
        gateway_reply(g, 503, "no answer from a hook in time");
        break;
    case GATEWAY_BODY:
        gateway_reply(g, 408, "no body in time");
        break;
    case GATEWAY_DIALLING:
        dial_cancel(&g->dial);
        gateway_server_close(g);
        gateway_reply(g, 504, "no connection to the target in time");
        break;
    case GATEWAY_PASSING:
        gateway_server_close(g);
        if (g->q != NULL)
            question_forget(&g->q), gateway_reply(g, 503, "no answer from a hook in time");
        else if (g->answered)
            gateway_over(g, "nothing came for too long");
        else
            gateway_reply(g, 504, "no answer from the target in time");
        break;
    case GATEWAY_FRAMES:
        gateway_frames_late(g);
        break;
    case GATEWAY_CLOSING:
    case GATEWAY_ENDED:
        gateway_over(g, "closed");
        break;
    }
}

static void timer_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct gateway *g = arg;
    CHECK_OBJECT(g, GATEWAY_MAGIC);
    if (worker_now_us(g->post->worker) < due_of(g)) {
        gateway_watch(g);
        return;
    }
    time_is_up(g);
    gateway_run(g);
}

/* -- going on --------------------------------------------------------------------------------------------------------- */

static bool step(struct gateway *g)
{
    switch ((enum gateway_state)g->state) {
    case GATEWAY_HEAD:
        return g->client.out.bytes < PROXY_OUTPUT_HIGH && gateway_head_step(g);
    case GATEWAY_BODY:
        return gateway_collect_step(g);
    case GATEWAY_PASSING: {
        bool up = gateway_up_step(g);
        return (g->state == GATEWAY_PASSING && gateway_down_step(g)) || up;
    }
    case GATEWAY_FRAMES: {
        bool up = gateway_frames_up_step(g);
        return (g->state == GATEWAY_FRAMES && gateway_frames_down_step(g)) || up;
    }
    default:
        return false;
    }
}

/* What has ended, when all that came before was taken. True: there may be more to do. */
static bool ends_look(struct gateway *g)
{
    if (g->state >= GATEWAY_CLOSING)
        return false;
    if (g->client.over && g->state == GATEWAY_FRAMES) {
        if (!gateway_frames_asking(g, true) && g->server.out.bytes < PROXY_OUTPUT_HIGH) /* its last messages have gone on */
            gateway_close(g, "the client closed the connection");
        return false;
    }
    if (g->client.over) {
        if (g->state == GATEWAY_HEAD && g->client.out.bytes > 0)
            gateway_close(g, "the client closed the connection");
        else
            gateway_over(g, "the client closed the connection");
        return false;
    }
    if (!g->server.over || g->server.closed || g->client.out.bytes >= PROXY_OUTPUT_HIGH)
        return false;
    if ((g->state == GATEWAY_PASSING && g->q != NULL) || (g->state == GATEWAY_FRAMES && gateway_frames_asking(g, false)))
        return false; /* what it has said last has not gone on */
    if (g->state == GATEWAY_PASSING)
        gateway_server_ended(g, g->server.clean);
    else if (g->state == GATEWAY_FRAMES)
        gateway_server_close(g), gateway_close(g, "the target closed the connection");
    else
        gateway_server_close(g);
    return true;
}

/* FIN behind what is queued. True: nothing has to be waited for any more. */
static bool end_finish(struct gateway_end *e)
{
    if (!e->closed && e->out.count == 0 && !e->finished) {
        e->finished = true;
        transport_finish(&e->way);
    }
    return e->closed || (e->finished && e->over);
}

static void closing_look(struct gateway *g)
{
    bool client = end_finish(&g->client), server = end_finish(&g->server);
    if (client && server)
        gateway_over(g, "closed");
}

void gateway_run(struct gateway *g)
{
    do
        while (step(g))
            ;
    while (ends_look(g));
    if (g->state == GATEWAY_CLOSING)
        closing_look(g);
    gateway_end_update(&g->client);
    gateway_end_update(&g->server);
}

/* -- the target's end ------------------------------------------------------------------------------------------------- */

static void socket_prepare(int fd)
{
    static const int on = 1, idle = KEEPALIVE_IDLE_S, interval = KEEPALIVE_INTERVAL_S, count = KEEPALIVE_COUNT;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

void gateway_server_close(struct gateway *g)
{
    gateway_end_close(&g->server);
    gateway_end_init(&g->server, g);
    g->server.over = g->server.clean = g->server.finished = false;
    g->reused = false;
}

static void dialled(void *ctx, int fd, const struct error *error, const char *why)
{
    struct gateway *g = ctx;
    CHECK_OBJECT(g, GATEWAY_MAGIC);
    if (fd < 0) {
        counter_add(counters_self(), COUNTER_proxy_unreachable, 1);
        log_info(g->address, "no connection to the target: %s", why);
        gateway_reply(g, error->http_status == 504 ? 504 : 502, "no connection to the target");
        gateway_run(g);
        return;
    }
    socket_prepare(fd);
    if (!transport_connect(&g->server.way, &g->door->way, g->post->worker, fd, &gateway_end_events, &g->server))
        gateway_over(g, "out of memory");
    else
        g->server.closed = false;
}

void gateway_dial(struct gateway *g)
{
    if (g->state == GATEWAY_ENDED)
        return;
    gateway_state_set(g, GATEWAY_DIALLING);
    gateway_server_close(g);
    dial_start(&g->dial, g->post->worker, g->post->common->lookups, &g->door->target, dialled, g);
}

/* -- life ------------------------------------------------------------------------------------------------------------- */

void gateway_accept(struct proxy_post *post, const struct proxy_door *door, int fd, const struct sockaddr *peer)
{
    struct gateway *g = NULL;
    uint32_t place = crowd_enter(post->common->clients, peer);
    if (place == 0)
        counter_add(counters_self(), COUNTER_proxy_refused, 1);
    else
        ALLOC_OBJECT(g, GATEWAY_MAGIC);
    if (g == NULL) {
        crowd_leave(post->common->clients, &place);
        close(fd);
        return;
    }
    g->post = post;
    g->door = door;
    g->place = place;
    tcp_address_text(peer, g->address, sizeof(g->address));
    gateway_end_init(&g->client, g);
    gateway_end_init(&g->server, g);
    list_append(&post->gateways, &g->at_post);
    event_assign(&g->timer, worker_events(post->worker), -1, 0, timer_due, g);
    counter_add(counters_self(), COUNTER_proxy_clients, 1);
    socket_prepare(fd);
    gateway_state_set(g, GATEWAY_HEAD);
    if (!transport_init(&g->client.way, &door->kind, post->worker, fd, &gateway_end_events, &g->client)) {
        gateway_over(g, "out of memory");
        return;
    }
    g->client.closed = false;
    g->client.open = true;
    gateway_end_update(&g->client);
}

/* A WebSocket, if it is one, is over: its line, and hooks hear of it. */
static void frames_end(struct gateway *g, const char *why)
{
    if (g->frames == NULL)
        return;
    access_request(g, 101, why);
    gateway_frames_forget(g, why);
}

void gateway_over(struct gateway *g, const char *why)
{
    if (g->state == GATEWAY_ENDED)
        return;
    struct proxy_post *post = g->post;
    log_debug(g->address, "ends: %s", why);
    if (g->frames == NULL && g->request != NULL && !g->told)
        access_request(g, g->answered ? g->status : 0, why);
    g->state = GATEWAY_ENDED;
    event_del(&g->timer);
    dial_cancel(&g->dial);
    question_forget(&g->q);
    frames_end(g, why);
    gateway_end_close(&g->client);
    gateway_end_close(&g->server);
    crowd_leave(post->common->clients, &g->place);
    counter_sub(counters_self(), COUNTER_proxy_clients, 1);
    list_remove(&g->at_post);
    list_append(&post->ended_gateways, &g->at_post);
    worker_at_turn(post->worker, TURN_WRITE, &post->sweep);
}

void gateway_close(struct gateway *g, const char *why)
{
    if (g->state >= GATEWAY_CLOSING)
        return;
    log_debug(g->address, "closes: %s", why);
    dial_cancel(&g->dial);
    question_forget(&g->q);
    if (g->frames == NULL) /* the target, too, gets what was on its way */
        gateway_server_close(g);
    frames_end(g, why);
    gateway_state_set(g, GATEWAY_CLOSING);
}

void gateway_drain(struct gateway *g)
{
    g->last = true;
    if (g->state == GATEWAY_FRAMES)
        gateway_frames_close(g, WEBSOCKET_GOING_AWAY, "the proxy ends");
    else if (g->state != GATEWAY_HEAD)
        return;
    else if (g->client.way.sock.handshaking)
        gateway_over(g, "the proxy ends");
    else
        gateway_close(g, "the proxy ends");
    gateway_run(g);
}

void gateway_free(struct gateway *g)
{
    CHECK_OBJECT(g, GATEWAY_MAGIC);
    gateway_frames_forget(g, "the proxy ends");
    gateway_forget(g);
    dial_cancel(&g->dial);
    event_del(&g->timer);
    gateway_end_close(&g->client);
    gateway_end_close(&g->server);
    FREE_OBJECT(g);
}
