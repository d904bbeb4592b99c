/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes over a sock, with frames of a WebSocket around them or not. */
#include "gate/transport.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/object.h"
#include "base/table.h"
#include "gate/internal.h"

/* -- what the socket tells ------------------------------------------------------------------------------------------- */

static void sock_is_readable(void *ctx)
{
    struct transport *t = ctx;
    if (t->websocket == NULL || t->websocket->open || t->websocket->why != NULL)
        t->events->readable(t->ctx);
    else if (t->target != NULL)
        websocket_answer_readable(t);
    else
        websocket_request_readable(t);
}

static struct vetter *transport_vetter(const struct transport *t)
{
    return t->target != NULL ? t->target->vetter : t->kind->vetter;
}

static void transport_is_vetted(void *ctx, bool good, const char *why)
{
    struct transport *t = ctx;
    if (!good) {
        t->events->failed(t->ctx, why);
        return;
    }
    if (t->target == NULL || t->websocket != NULL)
        return;
    transport_reading(t, false);
    if (t->events->opened != NULL)
        t->events->opened(t->ctx);
}

static void sock_is_established(void *ctx)
{
    struct transport *t = ctx;
    struct vetter *v = transport_vetter(t);
    char why[VETTING_WHY_BYTES] = "";
    enum vetted vetted = v == NULL ? VETTED_GOOD : v->begin(v, &t->vetting, &t->sock, transport_is_vetted, t, why);
    if (vetted == VETTED_BAD)
        sock_reading(&t->sock, false);
    if (vetted != VETTED_LATER)
        transport_is_vetted(t, vetted == VETTED_GOOD, why);
}

static void sock_is_writable(void *ctx)
{
    struct transport *t = ctx;
    t->events->writable(t->ctx);
}

static void sock_has_failed(void *ctx, const char *why)
{
    struct transport *t = ctx;
    t->events->failed(t->ctx, why);
}

static const struct sock_events sock_events = {
    .established = sock_is_established,
    .readable = sock_is_readable,
    .writable = sock_is_writable,
    .failed = sock_has_failed,
};

/* -- life ------------------------------------------------------------------------------------------------------------ */

static bool transport_failed(struct transport *t)
{
    transport_close(t);
    return false;
}

static bool websocket_begin(struct transport *t, bool wanted, uint64_t frame_max)
{
    if (!wanted)
        return true;
    t->websocket = calloc(1, sizeof(*t->websocket));
    if (t->websocket == NULL)
        return false;
    t->websocket->decoder.frame_max = frame_max;
    t->websocket->decoder.from_server = t->target != NULL;
    return true;
}

static bool transport_begin(struct transport *t, const struct transport_kind *kind, struct worker *w, int fd,
                            const struct transport_events *events, void *ctx)
{
    *t = (struct transport){.kind = kind, .events = events, .ctx = ctx};
    sock_init(&t->sock, w, fd, &sock_events, t);
    return websocket_begin(t, kind->path != NULL, kind->frame_max);
}

bool transport_init(struct transport *t, const struct transport_kind *kind, struct worker *w, int fd,
                    const struct transport_events *events, void *ctx)
{
    const char *protocol = kind->alpn != NULL ? kind->alpn : kind->path != NULL ? "http/1.1" : "mqtt";
    if (!transport_begin(t, kind, w, fd, events, ctx))
        return transport_failed(t);
    if (kind->tls != NULL && !sock_start_tls(&t->sock, tls_store_set(kind->tls, worker_index(w)), protocol))
        return transport_failed(t);
    return true;
}

bool transport_init_open(struct transport *t, const struct transport_kind *kind, struct worker *w, int fd,
                         const void *early, size_t len, const struct transport_events *events, void *ctx)
{
    if (!transport_begin(t, kind, w, fd, events, ctx) || !sock_unread(&t->sock, early, len))
        return transport_failed(t);
    t->websocket->open = true;
    return true;
}

static void plainly_opened(struct turn *turn)
{
    struct transport *t = CONTAINER_OF(turn, struct transport, begin);
    sock_is_established(t);
}

bool transport_connect(struct transport *t, const struct transport_target *target, struct worker *w, int fd,
                       const struct transport_events *events, void *ctx)
{
    *t = (struct transport){.target = target, .events = events, .ctx = ctx};
    sock_init(&t->sock, w, fd, &sock_events, t);
    turn_init(&t->begin, plainly_opened);
    if (!websocket_begin(t, target->path != NULL, target->frame_max) ||
        (target->tls != NULL && !sock_connect_tls(&t->sock, target->tls, target->host)) ||
        (t->websocket != NULL && !websocket_ask(t)))
        return transport_failed(t);
    transport_reading(t, true);
    if (target->tls == NULL && t->websocket == NULL)
        worker_at_turn(w, TURN_WORK, &t->begin);
    return true;
}

void transport_close(struct transport *t)
{
    if (t->target != NULL)
        turn_cancel(&t->begin);
    if (t->vetting != NULL)
        transport_vetter(t)->cancel(&t->vetting);
    sock_close(&t->sock);
    if (t->websocket != NULL)
        free(t->websocket->head);
    free(t->websocket);
    t->websocket = NULL;
}

void transport_reading(struct transport *t, bool on) { sock_reading(&t->sock, on); }

void transport_finish(struct transport *t) { sock_finish(&t->sock); }

const char *transport_why(const struct transport *t)
{
    return t->websocket != NULL && t->websocket->why != NULL ? t->websocket->why : "bytes that are not TLS";
}

/* -- out ------------------------------------------------------------------------------------------------------------- */

ssize_t transport_writev(struct transport *t, const struct iovec *iov, int count)
{
    return sock_writev(&t->sock, iov, count);
}

size_t transport_head_size(const struct transport *t, size_t len)
{
    return t->websocket != NULL ? websocket_head_size(len) : 0;
}

size_t transport_head_write(const struct transport *t, size_t len, uint8_t out[static WEBSOCKET_HEAD_OURS_MAX])
{
    return t->websocket != NULL ? websocket_head_write(out, WEBSOCKET_BINARY, len) : 0;
}

bool transport_is_masked(const struct transport *t) { return t->target != NULL && t->websocket != NULL; }

size_t transport_frame_size(const struct transport *t, size_t len)
{
    return len + (t->websocket != NULL ? websocket_head_size(len) : 0) + (transport_is_masked(t) ? 4 : 0);
}

/* A mask that nobody can foresee (RFC 6455 10.3). */
static size_t masked_frame_write(struct websocket_end *w, enum websocket_opcode opcode, const void *bytes, size_t len,
                                 uint8_t *out)
{
    uint64_t mask = table_hash(w->mask_key, &w->mask_count, sizeof(w->mask_count));
    uint8_t mask_bytes[4] = {(uint8_t)mask, (uint8_t)(mask >> 8), (uint8_t)(mask >> 16), (uint8_t)(mask >> 24)};
    w->mask_count++;
    size_t head = websocket_head_masked_write(out, opcode, len, mask_bytes);
    websocket_mask(mask_bytes, bytes, len, out + head);
    return head + len;
}

void transport_frame_write(struct transport *t, const void *bytes, size_t len, uint8_t *out)
{
    if (transport_is_masked(t)) {
        masked_frame_write(t->websocket, WEBSOCKET_BINARY, bytes, len, out);
        return;
    }
    size_t head = transport_head_write(t, len, out);
    memcpy(out + head, bytes, len);
}

static void control_say(struct transport *t, enum websocket_opcode opcode, const void *payload, size_t len)
{
    uint8_t frame[WEBSOCKET_HEAD_MASKED_MAX + WEBSOCKET_CONTROL_MAX];
    size_t size;
    if (transport_is_masked(t)) {
        size = masked_frame_write(t->websocket, opcode, payload, len, frame);
    } else {
        size = websocket_head_write(frame, opcode, len);
        memcpy(frame + size, payload, len);
        size += len;
    }
    t->events->say(t->ctx, frame, size);
}

static void close_say(struct transport *t, unsigned status)
{
    const uint8_t payload[2] = {(uint8_t)(status >> 8), (uint8_t)status};
    if (t->websocket->said_close || !t->websocket->open)
        return;
    t->websocket->said_close = true;
    control_say(t, WEBSOCKET_CLOSE, payload, sizeof(payload));
}

void transport_goodbye(struct transport *t)
{
    if (t->websocket != NULL)
        close_say(t, WEBSOCKET_NORMAL);
}

char *transport_take_request(struct transport *t, size_t *len)
{
    char *head = t->websocket != NULL && t->websocket->open ? t->websocket->head : NULL;
    if (head == NULL)
        return NULL;
    *len = t->websocket->head_len;
    t->websocket->head = NULL;
    char *fitting = realloc(head, *len);
    return fitting != NULL ? fitting : head;
}

/* -- in -------------------------------------------------------------------------------------------------------------- */

static void control_heard(struct transport *t)
{
    struct websocket_end *w = t->websocket;
    const struct websocket_decoder *d = &w->decoder;
    if (d->opcode == WEBSOCKET_CLOSE) {
        unsigned status = websocket_close_status(d);
        w->heard_close = true;
        close_say(t, status == 1005 ? WEBSOCKET_NORMAL : status);
        sock_again(&t->sock); /* the user hears of the end by its next read */
    } else if (d->opcode == WEBSOCKET_PING && !t->sock.blocked && !w->said_close) {
        /* Who does not read gets no more pongs: the latest would do (RFC 6455 5.5.3). */
        control_say(t, WEBSOCKET_PONG, d->control, d->control_len);
    }
}

/* Where the next bytes of messages go to. */
struct place {
    const struct iovec *iov;
    int count;
    size_t at;
};

static void place_advance(struct place *p, size_t n)
{
    for (p->at += n; p->count > 1 && p->at >= p->iov->iov_len; p->iov++, p->count--)
        p->at -= p->iov->iov_len;
}

/* Takes `len` raw bytes, which are in the last entry. */
static ssize_t frames_take(struct transport *t, const uint8_t *in, size_t len, struct place *to)
{
    struct websocket_end *w = t->websocket;
    size_t total = 0, used, written;
    while (len > 0 && !w->heard_close && w->why == NULL) {
        size_t room = to->iov->iov_len - to->at, part = len < room ? len : room;
        enum websocket_event event =
            websocket_decode(&w->decoder, in, part, &used, (uint8_t *)to->iov->iov_base + to->at, &written);
        place_advance(to, written);
        in += used;
        len -= used;
        total += written;
        if (event == WEBSOCKET_CONTROL) {
            control_heard(t);
        } else if (event == WEBSOCKET_BAD) {
            w->why = w->decoder.why;
            close_say(t, w->decoder.status);
            sock_again(&t->sock);
        }
    }
    if (total > 0)
        return (ssize_t)total;
    errno = EAGAIN;
    return -1;
}

ssize_t transport_readv(struct transport *t, const struct iovec *iov, int count)
{
    struct websocket_end *w = t->websocket;
    if (w == NULL)
        return sock_readv(&t->sock, iov, count);
    if ((w->heard_close || w->why != NULL) && !w->told) {
        w->told = true;
        errno = EPROTO;
        return w->heard_close ? 0 : -1;
    }
    const struct iovec *raw = &iov[count - 1];
    ssize_t got = sock_readv(&t->sock, raw, 1);
    return got > 0 && !w->told ? frames_take(t, raw->iov_base, (size_t)got, &(struct place){iov, count, 0}) : got;
}
