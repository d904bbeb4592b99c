/* SPDX-License-Identifier: Apache-2.0 */
/* A visitor's connection: suspended and resumed, watched while suspended, cut when it takes too long. */
#include "server/visitor.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "server/exchange.h"
#include "server/farewell.h"
#include "server/front.h"

bool visitor_cannot_finish(const struct visitor *v)
{
    const struct exchange *ex = v->exchange;
    const struct request *r = &ex->request;
    int waiting = 0;

    return v->finished && r->framing == HTTP_FRAMING_LENGTH && ioctl(v->fd, SIOCINQ, &waiting) == 0 &&
           (uint64_t)waiting < r->content_length - ex->received;
}

/* libmicrohttpd waits for the next edge after a short read, and this one has been. A resume makes it read again. */
static void visitor_nudge(struct visitor *v)
{
    if (v->suspended)
        return;
    visitor_suspend(v);
    visitor_resume(v);
}

/* The visitor has finished sending: it left, or it waits for the answer (`nc -N`). */
static void visitor_finished(struct visitor *v)
{
    struct exchange *ex = v->exchange;
    enum exchange_state state = ex == NULL ? EXCHANGE_HEAD : ex->state;

    v->finished = true;
    v->left = state == EXCHANGE_ANSWER;
    bool lost = state == EXCHANGE_BODY && v->suspended && visitor_cannot_finish(v);
    if (state == EXCHANGE_CONTINUE || (v->left && v->suspended) || lost)
        exchange_abort(ex, &error_visitor_gone);
    else if (state == EXCHANGE_HEAD || state == EXCHANGE_BODY)
        visitor_nudge(v);
}

static void visitor_news(struct hangup *w, enum hangup_news news)
{
    struct visitor *v = CONTAINER_OF(w, struct visitor, hangup);

    CHECK_OBJECT(v, VISITOR_MAGIC);
    if (news == HANGUP_FINISHED)
        visitor_finished(v);
    else if (v->exchange != NULL)
        exchange_abort(v->exchange, &error_visitor_gone);
}

struct visitor *visitor_create(struct front *f, struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *address = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct visitor *v;

    ALLOC_OBJECT(v, VISITOR_MAGIC);
    if (v == NULL)
        return NULL;
    v->front = f;
    v->connection = c;
    v->fd = fd->connect_fd;
    v->hangup = (struct hangup){.fd = -1, .news = visitor_news};
    address_read(address->client_addr, &v->address);
    v->trusted = cidr_list_has(&f->config.settings->trusted_proxies, v->address.bytes);
    v->secure = f->arriving != NULL;
    if (v->secure)
        bridge_attach(f->arriving, &v->end);
    list_append(&f->visitors, &v->node);
    f->visitor_count++;
    counter_add(counters_self(), COUNTER_visitors, 1);
    v->place = f->arriving_place;
    f->arriving_place = 0;
    v->quiet_us = worker_now_us(f->worker) - 1; /* what comes in this very moment counts */
    v->hurried = true;
    deadline_init(&v->deadline);
    deadline_set(&f->deadlines, DEADLINE_HEAD, &v->deadline);
    /* Without a watch it works, too: a visitor that leaves is noticed when its answer is written. */
    hangup_start(&f->hangups, &v->hangup, v->fd);
    return v;
}

void visitor_free(struct visitor **vp)
{
    struct visitor *v;

    TAKE_OBJECT(v, vp, VISITOR_MAGIC);
    struct front *f = v->front;
    bridge_end_detach(&v->end);
    v->hangup.fd = -1; /* libmicrohttpd closes the socket next, that ends the watch */
    deadline_clear(&v->deadline);
    list_remove(&v->node);
    front_leave(f, &v->place);
    f->visitor_count--;
    counter_sub(counters_self(), COUNTER_visitors, 1);
    FREE_OBJECT(v);
    front_check_drained(f);
}

void visitor_suspend(struct visitor *v)
{
    if (v->suspended)
        return;
    v->suspended = true;
    MHD_suspend_connection(v->connection);
}

void visitor_resume(struct visitor *v)
{
    if (!v->suspended)
        return;
    v->suspended = false;
    MHD_resume_connection(v->connection);
    front_due(v->front);
}

void visitor_cut(struct visitor *v)
{
    shutdown(v->fd, SHUT_RDWR);
    visitor_resume(v);
}

void visitor_reset_at_close(struct visitor *v)
{
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    bridge_cut(&v->end);
    setsockopt(v->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

/* Connections with a timeout of their own are all looked at in each run, and one that is closed is freed then. */
void visitor_closing(struct visitor *v)
{
    MHD_set_connection_option(v->connection, MHD_CONNECTION_OPTION_TIMEOUT, 1u);
    front_due(v->front);
}

/* -- time ---------------------------------------------------------------------------------------------------------- */

/*
 * Whether bytes of a request have come that libmicrohttpd says nothing about yet. What the request before was made of came
 * before its answer was complete; the kernel tells in ticks when the last byte came.
 */
static bool visitor_has_begun(const struct visitor *v)
{
    static const uint64_t tick_us = 20 * US_PER_MS;
    uint64_t now = worker_now_us(v->front->worker);
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);

    if (v->exchange != NULL)
        return true;
    if (v->secure)
        return bridge_heard_us(&v->end) > v->quiet_us;
    if (getsockopt(v->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return false;
    if (v->requests == 0)
        return info.tcpi_bytes_received > 0;
    return info.tcpi_last_data_recv * US_PER_MS + tick_us < now - v->quiet_us;
}

void visitor_hurry(struct visitor *v)
{
    if (v->hurried)
        return; /* its time runs since the first byte, not since the first line */
    v->hurried = true;
    deadline_set(&v->front->deadlines, DEADLINE_HEAD, &v->deadline);
}

void visitor_asks(struct visitor *v)
{
    deadline_clear(&v->deadline);
    v->hurried = false;
    v->requests++;
    if (visitor_used_up(v))
        counter_add(counters_self(), COUNTER_visitors_used_up, 1);
}

bool visitor_used_up(const struct visitor *v)
{
    unsigned max = v->front->config.settings->limits.requests;

    return max > 0 && v->requests >= max;
}

void visitor_rests(struct visitor *v)
{
    v->quiet_us = worker_now_us(v->front->worker);
    v->hurried = false;
    v->rests = v->front->rests;
    deadline_set(&v->front->deadlines, DEADLINE_IDLE, &v->deadline);
}

void visitor_turn_out(struct visitor *v, const struct error *why, enum page_format format)
{
    char subject[64];

    visitor_text(v, subject);
    log_info(subject, "%s", why->text);
    v->told = true;
    farewell_say(v->fd, why, format);
    visitor_cut(v);
}

/* Nothing was asked, or a head has begun to come: it gets the time that a head may take, once. */
void visitor_expired(struct deadline *d)
{
    struct visitor *v = CONTAINER_OF(d, struct visitor, deadline);
    struct deadlines *deadlines = &v->front->deadlines;

    CHECK_OBJECT(v, VISITOR_MAGIC);
    bool begun = visitor_has_begun(v);
    if (begun && !v->hurried) {
        visitor_hurry(v);
    } else if (begun) {
        counter_add(counters_self(), COUNTER_heads_late, 1);
        visitor_turn_out(v, &error_request_timeout, PAGE_TEXT);
    } else if (!v->hurried && v->rests > 1) {
        v->rests--;
        deadline_set(deadlines, DEADLINE_IDLE, &v->deadline);
    } else {
        counter_add(counters_self(), COUNTER_visitors_idle, 1);
        visitor_cut(v);
    }
}

void visitor_text(const struct visitor *v, char out[static 64]) { address_text(&v->address, out); }
