/* SPDX-License-Identifier: Apache-2.0 */
/* A client's connection with the target's: accepted, dialled, their bytes, their times, their end. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/http.h"

#define OUTPUT_VECTORS 64
#define LINGER_US (2 * US_PER_S)

static bool is_client(const struct web_end *e) { return e == &e->web->client; }

/* -- times ------------------------------------------------------------------------------------------------------------ */

static uint64_t limit_of(const struct web *w)
{
    switch ((enum web_state)w->state) {
    case WEB_HEAD:
        return w->served && w->client.len == 0 ? PROXY_HTTP_IDLE_US : w->post->common->connect_us;
    case WEB_PASSING:
        return PROXY_HTTP_ANSWER_US;
    case WEB_CLOSING:
        return LINGER_US;
    default:
        return w->post->common->connect_us;
    }
}

static void timer_set(struct web *w, uint64_t us)
{
    struct timeval tv = {.tv_sec = (time_t)(us / US_PER_S), .tv_usec = (suseconds_t)(us % US_PER_S)};
    event_add(&w->timer, &tv);
}

void web_state_set(struct web *w, enum web_state state)
{
    if (w->state == WEB_ENDED)
        return; /* without memory on the way here */
    w->served |= state == WEB_PASSING;
    w->state = (uint8_t)state;
    w->last_us = worker_now_us(w->post->worker);
    timer_set(w, limit_of(w));
}

static void time_is_up(struct web *w)
{
    switch ((enum web_state)w->state) {
    case WEB_HEAD:
        if (w->client.len > 0)
            w->last = true, web_reply(w, 408, "no request in time");
        else
            web_end(w, "idle");
        break;
    case WEB_ASKING:
        question_forget(&w->q);
        web_reply(w, 503, "no answer from a hook in time");
        break;
    case WEB_BODY:
        web_reply(w, 408, "no body in time");
        break;
    case WEB_DIALLING:
        dial_cancel(&w->dial);
        web_server_close(w);
        web_reply(w, 504, "no connection to the target in time");
        break;
    case WEB_PASSING:
        web_server_close(w);
        if (w->answered)
            web_end(w, "nothing came for too long");
        else
            web_reply(w, 504, "no answer from the target in time");
        break;
    case WEB_CLOSING:
    case WEB_ENDED:
        web_end(w, "closed");
        break;
    }
}

static void timer_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct web *w = arg;
    CHECK_OBJECT(w, WEB_MAGIC);
    uint64_t now = worker_now_us(w->post->worker), due = w->last_us + limit_of(w);
    if (now < due) {
        timer_set(w, due - now);
        return;
    }
    time_is_up(w);
    web_run(w);
}

/* -- bytes ------------------------------------------------------------------------------------------------------------ */

void web_skip(struct web_end *e, size_t len)
{
    e->at += len;
    e->len -= len;
    if (e->len == 0)
        e->at = 0;
}

static void end_update(struct web_end *e)
{
    if (e->len == 0) {
        free(e->in);
        e->in = NULL;
    }
    if (!e->closed && e->open)
        transport_reading(&e->way, !e->over && (e->web->state == WEB_CLOSING || e->len < PROXY_HTTP_INPUT));
}

static bool end_read(struct web_end *e)
{
    if (e->in == NULL && (e->in = malloc(PROXY_HTTP_INPUT)) == NULL)
        return false;
    if (e->web->state == WEB_CLOSING)
        e->len = 0;
    if (e->len == 0)
        e->at = 0;
    if (e->at > 0) {
        memmove(e->in, e->in + e->at, e->len);
        e->at = 0;
    }
    const struct iovec room = {e->in + e->len, PROXY_HTTP_INPUT - e->len};
    ssize_t got = transport_readv(&e->way, &room, 1);
    if (got > 0) {
        struct web *w = e->web;
        if (w->state != WEB_HEAD || (is_client(e) && e->len == 0))
            w->last_us = worker_now_us(w->post->worker);
        e->len += (size_t)got;
        if (w->state == WEB_HEAD)
            timer_set(w, limit_of(w));
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        e->over = true;
        e->clean = got == 0;
    }
    return true;
}

static void way_readable(void *ctx)
{
    struct web_end *e = ctx;
    CHECK_OBJECT(e->web, WEB_MAGIC);
    if (!end_read(e))
        web_end(e->web, "out of memory");
    web_run(e->web);
}

static void end_flush(struct turn *t)
{
    struct web_end *e = CONTAINER_OF(t, struct web_end, flush);
    struct web *w = e->web;
    CHECK_OBJECT(w, WEB_MAGIC);
    while (!e->closed && e->out.count > 0) {
        struct iovec iov[OUTPUT_VECTORS];
        ssize_t sent = transport_writev(&e->way, iov, slice_queue_iovec(&e->out, iov, OUTPUT_VECTORS));
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0 && errno != EINTR) {
            if (is_client(e)) {
                web_end(w, "the client closed the connection");
                return;
            }
            slice_queue_skip(&e->out, e->out.bytes); /* its answer may be there, or how it ended: that is read */
            break;
        }
        w->last_us = worker_now_us(w->post->worker);
        slice_queue_skip(&e->out, sent > 0 ? (size_t)sent : 0);
    }
    web_run(w);
}

static void way_writable(void *ctx)
{
    struct web_end *e = ctx;
    end_flush(&e->flush);
}

void web_push(struct web_end *e, struct slice piece)
{
    struct web *w = e->web;
    if (e->closed || w->state == WEB_ENDED) {
        slice_done(&piece);
        return;
    }
    if (piece.data == NULL || !slice_queue_push(&e->out, piece)) {
        slice_done(&piece);
        web_end(w, "out of memory, or of room for what waits");
        return;
    }
    if (!e->way.sock.blocked)
        worker_at_turn(w->post->worker, TURN_WRITE, &e->flush);
}

void web_push_copy(struct web_end *e, const void *bytes, size_t len) { web_push(e, slice_copy(bytes, len)); }

static void way_say(void *ctx, const void *bytes, size_t len) { web_push_copy(ctx, bytes, len); }

/* -- going on --------------------------------------------------------------------------------------------------------- */

static bool step(struct web *w)
{
    switch ((enum web_state)w->state) {
    case WEB_HEAD:
        return w->client.out.bytes < PROXY_OUTPUT_HIGH && web_head_step(w);
    case WEB_BODY:
        return web_collect_step(w);
    case WEB_PASSING: {
        bool up = web_up_step(w);
        return (w->state == WEB_PASSING && web_down_step(w)) || up;
    }
    default:
        return false;
    }
}

/* What has ended, when all that came before was taken. True: there may be more to do. */
static bool ends_look(struct web *w)
{
    if (w->state >= WEB_CLOSING)
        return false;
    if (w->client.over) {
        if (w->state == WEB_HEAD && w->client.out.bytes > 0)
            web_close(w, "the client closed the connection");
        else
            web_end(w, "the client closed the connection");
        return false;
    }
    if (!w->server.over || w->server.closed || w->client.out.bytes >= PROXY_OUTPUT_HIGH)
        return false;
    if (w->state == WEB_PASSING)
        web_server_ended(w, w->server.clean);
    else
        web_server_close(w);
    return true;
}

static void closing_look(struct web *w)
{
    if (w->client.out.count > 0 || w->client.closed)
        return;
    if (!w->finished) {
        w->finished = true;
        transport_finish(&w->client.way);
    }
    if (w->client.over)
        web_end(w, "closed");
}

void web_run(struct web *w)
{
    do
        while (step(w))
            ;
    while (ends_look(w));
    if (w->state == WEB_CLOSING)
        closing_look(w);
    end_update(&w->client);
    end_update(&w->server);
}

/* -- the target's end ------------------------------------------------------------------------------------------------- */

static void socket_prepare(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static void end_init(struct web_end *e, struct web *w)
{
    e->web = w;
    e->closed = true;
    turn_init(&e->flush, end_flush);
    slice_queue_init(&e->out, (size_t)w->post->common->packet_max + PROXY_OUTPUT_HIGH + 4 * PROXY_HTTP_INPUT);
}

static void end_close(struct web_end *e)
{
    turn_cancel(&e->flush);
    if (!e->closed)
        transport_close(&e->way);
    e->closed = true;
    e->open = false;
    slice_queue_done(&e->out);
    free(e->in);
    e->in = NULL;
    e->at = e->len = e->scanned = 0;
}

void web_server_close(struct web *w)
{
    end_close(&w->server);
    end_init(&w->server, w);
    w->server.over = w->server.clean = false;
    w->reused = false;
}

static void way_failed(void *ctx, const char *why)
{
    struct web_end *e = ctx;
    struct web *w = e->web;
    CHECK_OBJECT(w, WEB_MAGIC);
    log_info(w->address, "%s: %s", is_client(e) ? "the client" : "the target", why);
    if (is_client(e)) {
        web_end(w, why);
        return;
    }
    web_server_close(w);
    if (w->state == WEB_DIALLING)
        web_reply(w, 502, "no connection to the target");
    web_run(w);
}

static void way_opened(void *ctx)
{
    struct web_end *e = ctx;
    struct web *w = e->web;
    CHECK_OBJECT(w, WEB_MAGIC);
    e->open = true;
    if (w->state == WEB_DIALLING)
        web_request_send(w);
    web_run(w);
}

static const struct transport_events end_events = {
    .readable = way_readable, .writable = way_writable, .opened = way_opened, .say = way_say, .failed = way_failed};

static void dialled(void *ctx, int fd, const struct error *error, const char *why)
{
    struct web *w = ctx;
    CHECK_OBJECT(w, WEB_MAGIC);
    if (fd < 0) {
        counter_add(counters_self(), COUNTER_proxy_unreachable, 1);
        log_info(w->address, "no connection to the target: %s", why);
        web_reply(w, error->http_status == 504 ? 504 : 502, "no connection to the target");
        web_run(w);
        return;
    }
    socket_prepare(fd);
    if (!transport_connect(&w->server.way, &w->door->way, w->post->worker, fd, &end_events, &w->server))
        web_end(w, "out of memory");
    else
        w->server.closed = false;
}

void web_dial(struct web *w)
{
    if (w->state == WEB_ENDED)
        return;
    web_state_set(w, WEB_DIALLING);
    web_server_close(w);
    dial_start(&w->dial, w->post->worker, w->post->common->lookups, &w->door->target, dialled, w);
}

/* -- life ------------------------------------------------------------------------------------------------------------- */

void web_accept(struct proxy_post *post, const struct proxy_door *door, int fd, const struct sockaddr *peer)
{
    struct web *w = NULL;
    uint32_t place = crowd_enter(post->common->clients, peer);
    if (place == 0)
        counter_add(counters_self(), COUNTER_proxy_refused, 1);
    else
        ALLOC_OBJECT(w, WEB_MAGIC);
    if (w == NULL) {
        crowd_leave(post->common->clients, &place);
        close(fd);
        return;
    }
    w->post = post;
    w->door = door;
    w->place = place;
    tcp_address_text(peer, w->address, sizeof(w->address));
    end_init(&w->client, w);
    end_init(&w->server, w);
    list_append(&post->webs, &w->at_post);
    event_assign(&w->timer, worker_events(post->worker), -1, 0, timer_due, w);
    counter_add(counters_self(), COUNTER_proxy_clients, 1);
    socket_prepare(fd);
    web_state_set(w, WEB_HEAD);
    if (!transport_init(&w->client.way, &door->kind, post->worker, fd, &end_events, &w->client)) {
        web_end(w, "out of memory");
        return;
    }
    w->client.closed = false;
    w->client.open = true;
    end_update(&w->client);
}

void web_end(struct web *w, const char *why)
{
    if (w->state == WEB_ENDED)
        return;
    struct proxy_post *post = w->post;
    log_debug(w->address, "ends: %s", why);
    w->state = WEB_ENDED;
    event_del(&w->timer);
    dial_cancel(&w->dial);
    question_forget(&w->q);
    end_close(&w->client);
    end_close(&w->server);
    crowd_leave(post->common->clients, &w->place);
    counter_sub(counters_self(), COUNTER_proxy_clients, 1);
    list_remove(&w->at_post);
    list_append(&post->ended_webs, &w->at_post);
    worker_at_turn(post->worker, TURN_WRITE, &post->sweep);
}

void web_close(struct web *w, const char *why)
{
    if (w->state >= WEB_CLOSING)
        return;
    log_debug(w->address, "closes: %s", why);
    dial_cancel(&w->dial);
    question_forget(&w->q);
    web_server_close(w);
    web_state_set(w, WEB_CLOSING);
}

void web_drain(struct web *w)
{
    w->last = true;
    if (w->state != WEB_HEAD)
        return;
    if (w->client.way.sock.handshaking)
        web_end(w, "the proxy ends");
    else
        web_close(w, "the proxy ends");
    web_run(w);
}

void web_free(struct web *w)
{
    CHECK_OBJECT(w, WEB_MAGIC);
    web_forget(w);
    dial_cancel(&w->dial);
    event_del(&w->timer);
    end_close(&w->client);
    end_close(&w->server);
    FREE_OBJECT(w);
}
