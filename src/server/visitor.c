/* SPDX-License-Identifier: Apache-2.0 */
/* A visitor's connection: suspended and resumed, watched while suspended, cut when it takes too long. */
#include "server/visitor.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/counters.h"
#include "server/exchange.h"
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

void visitor_expired(struct deadline *d)
{
    struct visitor *v = CONTAINER_OF(d, struct visitor, deadline);

    CHECK_OBJECT(v, VISITOR_MAGIC);
    visitor_cut(v);
}

void visitor_text(const struct visitor *v, char out[static 64]) { address_text(&v->address, out); }
