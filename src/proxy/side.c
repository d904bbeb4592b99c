/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A side's bytes. All sides of a worker are read into one chunk; packets that came whole are handled there, without a copy,
 * and go on as parts of it. The beginning of a packet is copied once into a chunk of the packet's size, and the rest is read
 * straight into that. An idle side keeps nothing.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "proxy/inner.h"
#include "proxy/packet_log.h"

/* Below this a new input chunk is begun. */
#define INPUT_MIN (16 * KIB)
#define OUTPUT_VECTORS 64
/* Ring entries of the output queue that an idle side may keep. */
#define OUTPUT_RING_KEPT 8

static struct side *other(const struct side *s) { return s == &s->pair->client ? &s->pair->broker : &s->pair->client; }
static bool is_client(const struct side *s) { return s == &s->pair->client; }

/* -- input ------------------------------------------------------------------------------------------------------------ */

static bool may_read(const struct side *s)
{
    const struct pair *p = s->pair;
    if (s->closed || s->over || !s->open)
        return false;
    if (p->state == PAIR_CLOSING)
        return true; /* and dropped */
    return !s->held && p->state != PAIR_ASKING && p->state != PAIR_DIALLING && !(is_client(s) && denials_full(p)) &&
           other(s)->out.bytes < PROXY_OUTPUT_HIGH && s->out.bytes < PROXY_ANSWERS_MAX;
}

void side_update(struct side *s)
{
    if (!s->closed && s->open)
        transport_reading(&s->way, may_read(s));
}

static bool input_prepare(struct proxy_post *post)
{
    if (post->input != NULL && atomic_load_explicit(&post->input->refs, memory_order_acquire) == 1)
        post->input_at = 0;
    if (post->input != NULL && post->input->size - post->input_at >= INPUT_MIN)
        return true;
    chunk_unref(post->input);
    post->input = chunk_create(PROXY_INPUT_CHUNK);
    post->input_at = 0;
    return post->input != NULL;
}

/* Keeps the beginning of a packet, or what is held. */
static void part_keep(struct side *s, const uint8_t *data, size_t len, size_t size)
{
    s->part = chunk_create(size);
    if (s->part == NULL) {
        pair_close(s->pair, "out of memory");
        return;
    }
    memcpy(s->part->data, data, len);
    s->part_len = (uint32_t)len;
}

/* Whether packets of this side are taken now. */
static bool takes_packets(const struct side *s)
{
    const struct pair *p = s->pair;
    if (s->held || s->closed)
        return false;
    return is_client(s) ? p->state == PAIR_OPENING || p->state == PAIR_WAITING || p->state == PAIR_OPEN
                        : p->state == PAIR_WAITING || p->state == PAIR_OPEN;
}

static bool header_check(struct side *s, const struct mqtt_header *h)
{
    struct pair *p = s->pair;
    bool opening = p->state == PAIR_OPENING;
    size_t size = (size_t)h->size + h->length;
    if (opening && h->type != MQTT_CONNECT)
        pair_fail(p, MQTT_PROTOCOL_ERROR, "the first packet is not CONNECT");
    else if (h->padded && p->version == MQTT_V5)
        pair_fail(p, MQTT_MALFORMED_PACKET, "the length is not in its shortest form");
    else if (size > (opening ? PROXY_CONNECT_MAX : p->post->common->packet_max))
        pair_fail(p, MQTT_PACKET_TOO_LARGE, is_client(s) ? "a packet is over the maximum" : "a packet of the broker is over the maximum");
    else
        return true;
    return false;
}

/* Before CONNACK a client has nothing to say but AUTH: it waits, so that hooks hear of things in their order. */
static bool has_to_wait(const struct side *s, const struct mqtt_header *h)
{
    return is_client(s) && s->pair->state == PAIR_WAITING && h->type != MQTT_AUTH && h->type != MQTT_DISCONNECT;
}

static void input_handle(struct side *s, struct chunk *chunk, size_t at, size_t len)
{
    struct mqtt_header h;
    while (len > 0 && takes_packets(s)) {
        enum mqtt_progress progress = mqtt_header_parse(chunk->data + at, len, &h);
        if (progress == MQTT_MORE) {
            memcpy(s->head, chunk->data + at, len);
            s->head_len = (uint8_t)len;
            return;
        }
        if (progress == MQTT_BAD) {
            pair_fail(s->pair, MQTT_MALFORMED_PACKET, "a fixed header is not valid");
            return;
        }
        if (!header_check(s, &h))
            return;
        size_t size = (size_t)h.size + h.length;
        if (size > len) {
            part_keep(s, chunk->data + at, len, size);
            return;
        }
        if (has_to_wait(s, &h)) {
            s->held = true;
            break;
        }
        packet_arrived(s, chunk, at, &h);
        at += size;
        len -= size;
    }
    if (len > 0 && s->pair->state < PAIR_CLOSING)
        part_keep(s, chunk->data + at, len, len);
}

static void input_take(struct side *s, struct chunk *chunk, size_t at, size_t len)
{
    input_handle(s, chunk, at, len);
    side_pass_done(s);
}

static void part_handle(struct side *s)
{
    struct chunk *part = s->part;
    size_t len = s->part_len;
    s->part = NULL;
    s->part_len = 0;
    input_take(s, part, 0, len);
    chunk_unref(part);
}

void side_resume(struct side *s)
{
    s->held = false;
    if (s->part != NULL && s->part_len == s->part->size && takes_packets(s))
        part_handle(s);
    side_update(s);
}

/* One read: first what the packet begun still needs, then into the worker's chunk. */
static ssize_t input_read(struct side *s, uint8_t *into, size_t room)
{
    struct iovec iov[2];
    int n = 0, on = 1;
    if (s->part != NULL)
        iov[n++] = (struct iovec){s->part->data + s->part_len, s->part->size - s->part_len};
    iov[n++] = (struct iovec){into, room};
    ssize_t got = transport_readv(&s->way, iov, n);
    if (got > 0)
        setsockopt(s->way.sock.fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
    return got;
}

static void input_ended(struct side *s, ssize_t got)
{
    struct pair *p = s->pair;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    s->over = true;
    side_update(s);
    if (got < 0 && errno != EPROTO)
        side_close(s);
    else if (s->finished)
        side_close(s);
    if (p->state == PAIR_CLOSING)
        pair_side_closed(p);
    else if (is_client(s))
        pair_close(p, got < 0 && errno == EPROTO ? transport_why(&s->way) : "the client closed the connection");
    else
        pair_fail(p, MQTT_UNSPECIFIED, "the broker closed the connection");
}

static void input_split(struct side *s, size_t got, size_t start)
{
    struct proxy_post *post = s->pair->post;
    if (s->part != NULL) {
        size_t need = s->part->size - s->part_len, n = got < need ? got : need;
        s->part_len += (uint32_t)n;
        got -= n;
        if (s->part_len == s->part->size)
            part_handle(s);
    }
    size_t len = post->input_at - start + got;
    post->input_at += got;
    if (len == 0)
        return;
    if (s->part == NULL) {
        input_take(s, post->input, start, len);
    } else { /* what came with it was held in the middle: this comes behind it */
        struct chunk *longer = chunk_create(s->part_len + len);
        if (longer == NULL) {
            pair_close(s->pair, "out of memory");
            return;
        }
        memcpy(longer->data, s->part->data, s->part_len);
        memcpy(longer->data + s->part_len, post->input->data + start, len);
        chunk_unref(s->part);
        s->part = longer;
        s->part_len += (uint32_t)len;
    }
}

static void way_readable(void *ctx)
{
    struct side *s = ctx;
    struct pair *p = s->pair;
    CHECK_OBJECT(p, PAIR_MAGIC);
    struct proxy_post *post = p->post;
    if (!input_prepare(post)) {
        pair_close(p, "out of memory");
        return;
    }
    size_t start = post->input_at;
    ssize_t got = input_read(s, post->input->data + start + s->head_len, post->input->size - start - s->head_len);
    if (got <= 0) {
        input_ended(s, got);
        return;
    }
    if (p->state >= PAIR_CLOSING)
        return;
    if (is_client(s)) {
        p->up_bytes += (uint64_t)got;
        counter_add(counters_self(), COUNTER_proxy_bytes_up, (uint64_t)got);
        p->last_us = worker_now_us(post->worker);
    } else {
        p->down_bytes += (uint64_t)got;
        counter_add(counters_self(), COUNTER_proxy_bytes_down, (uint64_t)got);
    }
    memcpy(post->input->data + start, s->head, s->head_len);
    post->input_at += s->head_len;
    s->head_len = 0;
    input_split(s, (size_t)got, start);
    side_update(s);
}

/* -- output ----------------------------------------------------------------------------------------------------------- */

static void output_drained(struct side *s)
{
    if (s->out.capacity > OUTPUT_RING_KEPT)
        slice_queue_done(&s->out);
    if (s->pair->state == PAIR_CLOSING && !s->finished) {
        /* The other end reads to the end and closes: closing first could cost it what it has not read. */
        s->finished = true;
        transport_finish(&s->way);
        if (s->over) {
            side_close(s);
            pair_side_closed(s->pair);
        }
    }
}

static void side_flush(struct turn *t)
{
    struct side *s = CONTAINER_OF(t, struct side, flush);
    struct pair *p = s->pair;
    CHECK_OBJECT(p, PAIR_MAGIC);
    if (s->closed)
        return;
    while (s->out.count > 0) {
        struct iovec iov[OUTPUT_VECTORS];
        int n = slice_queue_iovec(&s->out, iov, OUTPUT_VECTORS);
        ssize_t sent = transport_writev(&s->way, iov, n);
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0 && errno != EINTR) {
            side_close(s);
            if (p->state == PAIR_CLOSING)
                pair_side_closed(p);
            else if (is_client(s))
                pair_close(p, "the client closed the connection");
            else
                pair_fail(p, MQTT_UNSPECIFIED, "the broker closed the connection");
            return;
        }
        slice_queue_skip(&s->out, sent > 0 ? (size_t)sent : 0);
    }
    if (p->state < PAIR_CLOSING) {
        side_update(other(s));
        side_update(s);
    }
    if (s->out.count == 0)
        output_drained(s);
}

static void way_writable(void *ctx)
{
    struct side *s = ctx;
    side_flush(&s->flush);
}

static void output_push(struct side *s, struct slice piece)
{
    if (s->closed || s->finished) {
        slice_done(&piece);
        return;
    }
    if (piece.data == NULL || !slice_queue_push(&s->out, piece)) {
        slice_done(&piece);
        side_close(s);
        pair_close(s->pair, piece.data == NULL ? "out of memory" : "what waits to be sent is over the maximum");
        return;
    }
    if (!s->way.sock.blocked)
        worker_at_turn(s->pair->post->worker, TURN_WRITE, &s->flush);
}

static void way_say(void *ctx, const void *bytes, size_t len) { output_push(ctx, slice_copy(bytes, len)); }

/* With a WebSocket: as one frame, whose head is a slice of its own, or all of it where it has to be masked. */
static void output_frame(struct side *s, struct slice bytes)
{
    uint8_t head[WEBSOCKET_HEAD_OURS_MAX];
    if (transport_is_masked(&s->way)) {
        struct chunk *c = chunk_create(transport_frame_size(&s->way, bytes.len));
        if (c != NULL)
            transport_frame_write(&s->way, bytes.data, bytes.len, c->data);
        slice_done(&bytes);
        output_push(s, c == NULL ? SLICE_NONE : slice_of(c, 0, c->size));
        return;
    }
    size_t size = transport_head_write(&s->way, bytes.len, head);
    if (size > 0)
        output_push(s, slice_copy(head, size));
    output_push(s, bytes);
}

void side_send_bytes(struct side *s, struct slice packet)
{
    side_pass_done(other(s));
    if (s->closed || s->finished)
        slice_done(&packet);
    else
        output_frame(s, packet);
}

void side_send(struct side *s, const struct mqtt_packet *p)
{
    struct bytes_writer w;
    size_t size = mqtt_encoded_size((enum mqtt_version)s->pair->version, p);
    struct chunk *c = size == 0 ? NULL : chunk_create(size);
    if (c == NULL) {
        pair_close(s->pair, "out of memory");
        return;
    }
    bytes_writer_init(&w, c->data, size);
    mqtt_encode(&w, (enum mqtt_version)s->pair->version, p);
    struct slice packet = slice_of(c, 0, size);
    packet_log_after(s->pair, !is_client(s), packet, "made", 0);
    side_send_bytes(s, packet);
}

void side_pass(struct side *s, struct chunk *chunk, size_t at, size_t size)
{
    if (s->run_len > 0 && (s->run_chunk != chunk || s->run_at + s->run_len != at))
        side_pass_done(s);
    if (s->run_len == 0) {
        s->run_chunk = chunk;
        s->run_at = at;
    }
    s->run_len += size;
}

void side_pass_done(struct side *s)
{
    struct side *to = other(s);
    if (s->run_len == 0)
        return;
    struct slice run = slice_of(chunk_ref(s->run_chunk), s->run_at, s->run_len);
    s->run_len = 0;
    if (to->closed || to->finished)
        slice_done(&run);
    else
        output_frame(to, run);
}

/* -- life ----------------------------------------------------------------------------------------------------------- */

void side_init(struct side *s, struct pair *p)
{
    s->pair = p;
    s->closed = true;
    turn_init(&s->flush, side_flush);
    slice_queue_init(&s->out, (size_t)p->post->common->packet_max + PROXY_OUTPUT_HIGH + PROXY_INPUT_CHUNK + PROXY_ANSWERS_MAX);
}

void side_finish(struct side *s)
{
    chunk_unref(s->part);
    s->part = NULL;
    s->part_len = s->head_len = 0;
    if (s->closed)
        return;
    if (!s->open) {
        side_close(s);
        return;
    }
    transport_goodbye(&s->way);
    side_update(s);
    worker_at_turn(s->pair->post->worker, TURN_WRITE, &s->flush);
}

void side_close(struct side *s)
{
    if (s->closed)
        return;
    s->closed = true;
    turn_cancel(&s->flush);
    transport_close(&s->way);
}

void side_done(struct side *s)
{
    side_close(s);
    slice_queue_done(&s->out);
    chunk_unref(s->part);
}

/* -- handshakes ------------------------------------------------------------------------------------------------------- */

static void way_failed(void *ctx, const char *why)
{
    struct side *s = ctx;
    struct pair *p = s->pair;
    CHECK_OBJECT(p, PAIR_MAGIC);
    snprintf(p->words, sizeof(p->words), "%s", why);
    if (is_client(s)) {
        counter_add(counters_self(), COUNTER_proxy_handshakes_failed, 1);
        pair_close(p, p->words);
    } else {
        pair_refuse(p, MQTT_SERVER_UNAVAILABLE, p->words);
    }
}

static void way_opened(void *ctx)
{
    struct side *s = ctx;
    struct pair *p = s->pair;
    CHECK_OBJECT(p, PAIR_MAGIC);
    s->open = true;
    if (p->state != PAIR_DIALLING)
        return;
    struct slice connect = p->connect;
    p->connect = SLICE_NONE;
    p->state = PAIR_WAITING;
    side_send_bytes(s, connect);
    side_update(s);
    side_resume(&p->client);
}

const struct transport_events side_events = {
    .readable = way_readable, .writable = way_writable, .opened = way_opened, .say = way_say, .failed = way_failed};
