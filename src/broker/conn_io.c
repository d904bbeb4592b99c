/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection's bytes. All connections of a shard are read into one chunk; what came whole is handled there, without a
 * copy, and its payloads are handed on as parts of the chunk. The beginning of a packet is copied once into a chunk of
 * the packet's size, and the rest is read straight into that. An idle connection keeps nothing.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "broker/conn.h"

/* Below this a new input chunk is begun. */
#define INPUT_MIN (16 * KIB)
#define OUTPUT_VECTORS 64
/* Ring entries of the output queue that an idle connection may keep. */
#define OUTPUT_RING_KEPT 8
/* While the socket is full, parts of big chunks up to this size are copied, so that they don't pin them. */
#define BLOCKED_COPY_MAX (32 * KIB)

/* -- input --------------------------------------------------------------------------------------------------------- */

/* Room in the shard's input chunk: from its start while nobody else holds a part of it. */
static bool input_prepare(struct broker_shard *s)
{
    if (s->input != NULL && atomic_load_explicit(&s->input->refs, memory_order_acquire) == 1)
        s->input_at = 0;
    if (s->input != NULL && s->input->size - s->input_at >= INPUT_MIN)
        return true;
    chunk_unref(s->input);
    s->input = chunk_create(MQTT_INPUT_CHUNK);
    s->input_at = 0;
    return s->input != NULL;
}

/* Keeps the beginning of a packet, or (while the client id is claimed) whatever came behind CONNECT. */
static void part_keep(struct conn *c, const uint8_t *data, size_t len, size_t size)
{
    c->part = chunk_create(size);
    if (c->part == NULL) {
        conn_end(c, "out of memory");
        return;
    }
    memcpy(c->part->data, data, len);
    c->part_len = (uint32_t)len;
}

/* What is held in the middle of a read gets the rest of it. */
static void part_lengthen(struct conn *c, const uint8_t *data, size_t len)
{
    struct chunk *longer = chunk_create(c->part_len + len);
    if (longer == NULL) {
        conn_end(c, "out of memory");
        return;
    }
    memcpy(longer->data, c->part->data, c->part_len);
    memcpy(longer->data + c->part_len, data, len);
    chunk_unref(c->part);
    c->part = longer;
    c->part_len += (uint32_t)len;
}

/* Before anything is kept of the packet. */
static bool header_check(struct conn *c, const struct mqtt_header *h)
{
    bool opening = c->state == CONN_OPENING;
    if (opening && h->type != MQTT_CONNECT)
        conn_fail(c, MQTT_PROTOCOL_ERROR, "the first packet is not CONNECT");
    else if ((size_t)h->size + h->length > (opening ? MQTT_CONNECT_MAX : MQTT_PACKET_MAX))
        conn_fail(c, MQTT_PACKET_TOO_LARGE, "the packet is over the maximum");
    else
        return true;
    return false;
}

/* Handles the whole packets in `len` bytes of a chunk and keeps the rest. */
static void input_handle(struct conn *c, struct chunk *chunk, size_t at, size_t len)
{
    struct mqtt_header h;
    while (len > 0 && !c->asking && (c->state == CONN_OPENING || c->state == CONN_OPEN)) {
        enum mqtt_progress progress = mqtt_header_parse(chunk->data + at, len, &h);
        if (progress == MQTT_MORE) {
            memcpy(c->head, chunk->data + at, len);
            c->head_len = (uint8_t)len;
            return;
        }
        if (progress == MQTT_BAD) {
            conn_fail(c, MQTT_MALFORMED_PACKET, "the fixed header is not valid");
            return;
        }
        if (!header_check(c, &h))
            return;
        size_t size = (size_t)h.size + h.length;
        if (size > len) {
            part_keep(c, chunk->data + at, len, size);
            return;
        }
        conn_packet(c, chunk, at, &h);
        if (c->asking)
            break; /* the packet comes again */
        at += size;
        len -= size;
    }
    if (len > 0 && (c->state == CONN_CLAIMING || (c->asking && c->state < CONN_LINGERING)))
        part_keep(c, chunk->data + at, len, len);
}

static void part_handle(struct conn *c)
{
    struct chunk *part = c->part;
    size_t len = c->part_len;
    c->part = NULL;
    c->part_len = 0;
    input_handle(c, part, 0, len);
    chunk_unref(part);
}

void conn_resume(struct conn *c)
{
    transport_reading(&c->way, true); /* unless it has to wait again */
    if (c->part != NULL)
        part_handle(c);
}

/* One read: first what the packet begun still needs, then into the shard's chunk (`room` bytes at `into`). */
static ssize_t input_read(struct conn *c, uint8_t *into, size_t room)
{
    struct iovec iov[2];
    int n = 0;
    if (c->part != NULL)
        iov[n++] = (struct iovec){c->part->data + c->part_len, c->part->size - c->part_len};
    iov[n++] = (struct iovec){into, room};
    ssize_t got = transport_readv(&c->way, iov, n);
    int on = 1;
    if (got > 0)
        setsockopt(c->way.sock.fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
    return got;
}

static void input_ended(struct conn *c, ssize_t got)
{
    if (got == 0 && (c->out.count == 0 || c->state == CONN_LINGERING)) {
        conn_end(c, "the client closed the connection");
    } else if (got == 0) {
        conn_linger(c, "the client closed the connection");
    } else if (errno == EPROTO) {
        counter_add(counters_self(), COUNTER_broker_protocol_errors, 1);
        conn_linger(c, transport_why(&c->way));
    } else if (errno != EAGAIN && errno != EINTR) {
        conn_end(c, strerror(errno));
    }
}

/* Splits what was read between the packet begun and the shard's chunk, where `head_len` bytes stand in front. */
static void input_split(struct conn *c, size_t got, size_t start)
{
    struct broker_shard *s = c->shard;
    if (c->part != NULL) {
        size_t need = c->part->size - c->part_len, n = got < need ? got : need;
        c->part_len += (uint32_t)n;
        got -= n;
        if (c->part_len == c->part->size)
            part_handle(c);
    }
    size_t len = s->input_at - start + got;
    s->input_at += got;
    if (len > 0 && c->part != NULL)
        part_lengthen(c, s->input->data + start, len);
    else if (len > 0)
        input_handle(c, s->input, start, len);
}

static void conn_readable(void *ctx)
{
    struct conn *c = ctx;
    CHECK_OBJECT(c, CONN_MAGIC);
    struct broker_shard *s = c->shard;
    if (!input_prepare(s)) {
        conn_end(c, "out of memory");
        return;
    }
    size_t start = s->input_at;
    ssize_t got = input_read(c, s->input->data + start + c->head_len, s->input->size - start - c->head_len);
    if (got <= 0) {
        input_ended(c, got);
        return;
    }
    if (c->state == CONN_LINGERING)
        return;
    memcpy(s->input->data + start, c->head, c->head_len);
    s->input_at += c->head_len;
    c->head_len = 0;
    input_split(c, (size_t)got, start);
}

/* -- output -------------------------------------------------------------------------------------------------------- */

static void output_drained(struct conn *c)
{
    if (c->out.capacity > OUTPUT_RING_KEPT)
        slice_queue_done(&c->out);
    if (c->state == CONN_LINGERING && !c->finished) {
        /* The client reads to the end and closes: closing first could cost it what it has not read. */
        c->finished = true;
        transport_finish(&c->way);
    }
}

void conn_flush(struct turn *t)
{
    struct conn *c = CONTAINER_OF(t, struct conn, flush);
    CHECK_OBJECT(c, CONN_MAGIC);
    if (c->doom != NULL)
        conn_fail(c, MQTT_QUOTA_EXCEEDED, c->doom);
    while (c->out.count > 0) {
        struct iovec iov[OUTPUT_VECTORS];
        int n = slice_queue_iovec(&c->out, iov, OUTPUT_VECTORS);
        ssize_t sent = transport_writev(&c->way, iov, n);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0 && errno != EINTR) {
            conn_end(c, strerror(errno));
            return;
        }
        slice_queue_skip(&c->out, sent > 0 ? (size_t)sent : 0);
    }
    output_drained(c);
}

static void conn_writable(void *ctx)
{
    struct conn *c = ctx;
    CHECK_OBJECT(c, CONN_MAGIC);
    conn_flush(&c->flush);
}

/* A chunk to write `size` bytes to: the shard's own for what the queue copies anyway. One reference for the caller. */
static struct chunk *output_chunk(struct broker_shard *s, size_t size)
{
    if (size >= SLICE_COMPACT)
        return chunk_create(size);
    if (s->output == NULL || atomic_load_explicit(&s->output->refs, memory_order_acquire) != 1) {
        struct chunk *fresh = chunk_create(s->output == NULL ? 8 * SLICE_COMPACT : s->output->size);
        if (fresh == NULL)
            return NULL;
        chunk_unref(s->output);
        s->output = fresh;
    }
    return chunk_ref(s->output);
}

static bool output_push(struct conn *c, struct slice s)
{
    if (!slice_queue_push(&c->out, s)) {
        slice_done(&s);
        return false;
    }
    if (!c->way.sock.blocked)
        worker_at_turn(c->shard->worker, TURN_WRITE, &c->flush);
    return true;
}

/* What the transport itself has to say. */
static void conn_say(void *ctx, const void *bytes, size_t len)
{
    struct conn *c = ctx;
    CHECK_OBJECT(c, CONN_MAGIC);
    struct slice s = slice_copy(bytes, len);
    if (s.data == NULL || !output_push(c, s))
        conn_doom(c, "the output is full");
}

/* A chunk for `size` bytes of a packet of `packet` bytes in all, `w` behind what the transport puts in front of it. */
static struct chunk *packet_begin(struct conn *c, size_t packet, size_t size, struct bytes_writer *w, size_t *head)
{
    uint8_t front[WEBSOCKET_HEAD_OURS_MAX];
    *head = transport_head_write(&c->way, packet, front);
    struct chunk *chunk = size == 0 ? NULL : output_chunk(c->shard, *head + size);
    if (chunk == NULL)
        return NULL;
    bytes_writer_init(w, chunk->data, *head + size);
    bytes_write(w, front, *head);
    return chunk;
}

void conn_send(struct conn *c, const struct mqtt_packet *p)
{
    struct bytes_writer w;
    size_t head, size = mqtt_encoded_size(c->version, p);
    struct chunk *chunk = packet_begin(c, size, size, &w, &head);
    if (chunk == NULL) {
        conn_doom(c, "out of memory");
        return;
    }
    mqtt_encode(&w, c->version, p);
    if (!output_push(c, slice_of(chunk, 0, head + size)))
        conn_doom(c, "the output is full");
}

static struct slice payload_part(const struct conn *c, const struct slice *payload)
{
    if (c->way.sock.blocked && payload->len < BLOCKED_COPY_MAX && payload->chunk != NULL &&
        payload->len < payload->chunk->size / 4) {
        struct slice copy = slice_copy(payload->data, payload->len);
        if (copy.chunk != NULL)
            return copy;
    }
    return slice_ref(payload);
}

bool conn_send_publish(struct conn *c, const struct mqtt_publish *p, const struct slice *payload)
{
    struct bytes_writer w;
    size_t front, head = mqtt_publish_head_size(c->version, p);
    bool together = head + payload->len < SLICE_COMPACT;
    struct chunk *chunk =
        head == 0 ? NULL : packet_begin(c, head + payload->len, together ? head + payload->len : head, &w, &front);
    if (chunk == NULL)
        return false;
    mqtt_publish_head_write(&w, c->version, p);
    if (together)
        bytes_write(&w, payload->data, payload->len);
    if (!output_push(c, slice_of(chunk, 0, bytes_written(&w))))
        return false;
    if (!together && !output_push(c, payload_part(c, payload)))
        conn_doom(c, "out of memory"); /* half a packet is queued */
    return true;
}

/* -- the way --------------------------------------------------------------------------------------------------------- */

static void conn_way_failed(void *ctx, const char *why)
{
    struct conn *c = ctx;
    CHECK_OBJECT(c, CONN_MAGIC);
    counter_add(counters_self(), COUNTER_broker_handshakes_failed, 1);
    if (c->shard->broker->events.failed != NULL)
        c->shard->broker->events.failed(c->shard->broker->ctx, c->address, c->way.kind->name, why);
    if (c->out.count > 0)
        conn_linger(c, why);
    else
        conn_end(c, why);
}

const struct transport_events conn_transport_events = {
    .readable = conn_readable, .writable = conn_writable, .say = conn_say, .failed = conn_way_failed};
