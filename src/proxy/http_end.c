/* SPDX-License-Identifier: Apache-2.0 */
/* An end of a gateway: its bytes in and out, and what its transport tells. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/log.h"
#include "proxy/http.h"

#define OUTPUT_VECTORS 64

static bool is_client(const struct gateway_end *e) { return e == &e->gateway->client; }

/* -- in --------------------------------------------------------------------------------------------------------------- */

void gateway_skip(struct gateway_end *e, size_t len)
{
    e->at += len;
    e->len -= len;
    if (e->len == 0)
        e->at = 0;
}

void gateway_end_update(struct gateway_end *e)
{
    if (e->len == 0) {
        free(e->in);
        e->in = NULL;
    }
    if (!e->closed && e->open)
        transport_reading(&e->way, !e->over && (e->gateway->state == GATEWAY_CLOSING || e->len < PROXY_HTTP_INPUT));
}

static bool end_read(struct gateway_end *e)
{
    if (e->in == NULL && (e->in = malloc(PROXY_HTTP_INPUT)) == NULL)
        return false;
    if (e->gateway->state == GATEWAY_CLOSING)
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
        bool first = is_client(e) && e->len == 0;
        e->len += (size_t)got;
        /* A head has to come in its time, however it trickles; and what is dropped moves nothing. */
        if (e->gateway->state != GATEWAY_CLOSING && (e->gateway->state != GATEWAY_HEAD || first))
            gateway_moved(e->gateway);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        e->over = true;
        e->clean = got == 0;
    }
    return true;
}

static void way_readable(void *ctx)
{
    struct gateway_end *e = ctx;
    CHECK_OBJECT(e->gateway, GATEWAY_MAGIC);
    if (!end_read(e))
        gateway_over(e->gateway, "out of memory");
    gateway_run(e->gateway);
}

/* -- out -------------------------------------------------------------------------------------------------------------- */

static void end_flush(struct turn *t)
{
    struct gateway_end *e = CONTAINER_OF(t, struct gateway_end, flush);
    struct gateway *g = e->gateway;
    CHECK_OBJECT(g, GATEWAY_MAGIC);
    while (!e->closed && e->out.count > 0) {
        struct iovec iov[OUTPUT_VECTORS];
        ssize_t sent = transport_writev(&e->way, iov, slice_queue_iovec(&e->out, iov, OUTPUT_VECTORS));
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0 && errno != EINTR) {
            if (is_client(e) && g->server.closed) {
                gateway_over(g, "the client closed the connection");
                return;
            }
            e->over |= is_client(e);
            slice_queue_skip(&e->out, e->out.bytes); /* its answer may be there, or how it ended: that is read */
            break;
        }
        gateway_moved(g);
        slice_queue_skip(&e->out, sent > 0 ? (size_t)sent : 0);
    }
    gateway_run(g);
}

static void way_writable(void *ctx)
{
    struct gateway_end *e = ctx;
    end_flush(&e->flush);
}

void gateway_push(struct gateway_end *e, struct slice piece)
{
    struct gateway *g = e->gateway;
    if (e->closed || g->state == GATEWAY_ENDED) {
        slice_done(&piece);
        return;
    }
    if (piece.data == NULL || !slice_queue_push(&e->out, piece)) {
        slice_done(&piece);
        gateway_over(g, "out of memory, or of room for what waits");
        return;
    }
    if (!e->way.sock.blocked)
        worker_at_turn(g->post->worker, TURN_WRITE, &e->flush);
}

void gateway_push_copy(struct gateway_end *e, const void *bytes, size_t len) { gateway_push(e, slice_copy(bytes, len)); }

static void way_say(void *ctx, const void *bytes, size_t len) { gateway_push_copy(ctx, bytes, len); }

/* -- what the transport tells ----------------------------------------------------------------------------------------- */

static void way_failed(void *ctx, const char *why)
{
    struct gateway_end *e = ctx;
    struct gateway *g = e->gateway;
    CHECK_OBJECT(g, GATEWAY_MAGIC);
    log_info(g->address, "%s: %s", is_client(e) ? "the client" : "the target", why);
    if (is_client(e)) {
        gateway_over(g, why);
        return;
    }
    gateway_server_close(g);
    if (g->state == GATEWAY_DIALLING)
        gateway_reply(g, 502, "no connection to the target");
    gateway_run(g);
}

static void way_opened(void *ctx)
{
    struct gateway_end *e = ctx;
    struct gateway *g = e->gateway;
    CHECK_OBJECT(g, GATEWAY_MAGIC);
    e->open = true;
    if (g->state == GATEWAY_DIALLING)
        gateway_request_send(g);
    gateway_run(g);
}

const struct transport_events gateway_end_events = {
    .readable = way_readable, .writable = way_writable, .opened = way_opened, .say = way_say, .failed = way_failed};

/* -- life ------------------------------------------------------------------------------------------------------------- */

void gateway_end_init(struct gateway_end *e, struct gateway *g)
{
    e->gateway = g;
    e->closed = true;
    turn_init(&e->flush, end_flush);
    slice_queue_init(&e->out, (size_t)g->post->common->packet_max + PROXY_OUTPUT_HIGH + 4 * PROXY_HTTP_INPUT);
}

void gateway_end_close(struct gateway_end *e)
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
