/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WebSocket, once the target has taken it. Frames go on as they came; where hooks see what a client says, each of its messages
 * is collected, asked about, and goes on as one frame. Control frames never wait for that. Our own CLOSE stands between frames.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/table.h"
#include "mqtt/text.h"
#include "proxy/access.h"
#include "proxy/http.h"

/* In front of a message: its frame's head. */
#define ROOM WEBSOCKET_HEAD_MASKED_MAX
/* What a message is begun with, at least. */
#define MESSAGE_MIN 256
/* After our CLOSE is due, for what is in its way. */
#define CLOSE_US (2 * US_PER_S)
/* CLOSE has the status in front of its words. */
#define WORDS_MAX (WEBSOCKET_CONTROL_MAX - 2)

struct gateway_frames {
    struct websocket_decoder up, down;
    bool reads;           /* messages of the client are collected */
    bool up_closed;       /* the client has said CLOSE: nothing of it goes on any more */
    bool told;            /* hooks have heard `connect` */
    struct chunk *message; /* the current one behind ROOM; NULL: none */
    size_t len;
    uint64_t mask_key[2], mask_count;
    uint64_t since_us; /* of the question, or of our CLOSE */
    uint16_t status;   /* of our CLOSE; 0: none is due */
    uint8_t words_len;
    char words[WORDS_MAX];
    size_t topic_len;
    char topic[];
};

static struct mqtt_span topic_of(const struct gateway_frames *f) { return (struct mqtt_span){(const uint8_t *)f->topic, f->topic_len}; }

/* -- begin and end ---------------------------------------------------------------------------------------------------- */

static void beginning_tell(struct gateway *g)
{
    const struct proxy_common *c = g->post->common;
    const struct mqtt_filter filter = {.filter = topic_of(g->frames)};
    if (g->session == NULL)
        return;
    g->frames->told = true;
    hook_chain_connect(c->hooks, g->session);
    if (c->wants->subscribe)
        hook_chain_subscribe(c->hooks, g->session, &filter);
}

void gateway_frames_begin(struct gateway *g, bool extended)
{
    struct gateway_request *r = g->request;
    if (g->state == GATEWAY_ENDED)
        return;
    struct gateway_frames *f = calloc(1, sizeof(*f) + r->topic.len);
    if (f == NULL || getrandom(f->mask_key, sizeof(f->mask_key), 0) != sizeof(f->mask_key)) {
        free(f);
        gateway_over(g, "out of memory");
        return;
    }
    f->reads = r->collects;
    f->up = (struct websocket_decoder){
        .messages = true, .extended = extended, .frame_max = f->reads ? g->post->common->packet_max : UINT64_MAX};
    f->down = (struct websocket_decoder){.from_server = true, .messages = true, .extended = extended, .frame_max = UINT64_MAX};
    f->topic_len = r->topic.len;
    memcpy(f->topic, r->topic.at, r->topic.len);
    log_info(g->address, "%.*s %.*s: 101", (int)r->request.method.len, r->request.method.at, (int)r->request.target.len,
             r->request.target.at);
    counter_add(counters_self(), COUNTER_proxy_requests, 1);
    g->frames = f;
    g->answered = true;
    g->up.passed = g->down.passed = 0;
    if (!line_tap_wanted(&g->post->access)) /* it is in the line at the end */
        gateway_request_free(g);
    gateway_state_set(g, GATEWAY_FRAMES);
    beginning_tell(g);
    if (g->post->draining)
        gateway_frames_close(g, WEBSOCKET_GOING_AWAY, "the proxy ends");
}

void gateway_frames_forget(struct gateway *g, const char *why)
{
    struct gateway_frames *f = g->frames;
    if (f == NULL)
        return;
    g->frames = NULL;
    log_info(g->address, "WebSocket %.*s: %s", (int)f->topic_len, f->topic, why);
    if (f->told)
        hook_chain_disconnect(g->post->common->hooks, g->session, why);
    chunk_unref(f->message);
    free(f);
}

/* -- frames of ours --------------------------------------------------------------------------------------------------- */

/* A mask that nobody can foresee (RFC 6455 10.3). */
static void mask_make(struct gateway_frames *f, uint8_t mask[static 4])
{
    uint64_t made = table_hash(f->mask_key, &f->mask_count, sizeof(f->mask_count));
    f->mask_count++;
    memcpy(mask, &made, 4);
}

static void control_push(struct gateway *g, struct gateway_end *to, enum websocket_opcode opcode, const void *payload, size_t len)
{
    uint8_t frame[WEBSOCKET_HEAD_MASKED_MAX + WEBSOCKET_CONTROL_MAX], mask[4];
    size_t head;
    if (to == &g->server) {
        mask_make(g->frames, mask);
        head = websocket_head_masked_write(frame, opcode, len, mask);
        websocket_mask(mask, payload, len, frame + head);
    } else {
        head = websocket_head_write(frame, opcode, len);
        memcpy(frame + head, payload, len);
    }
    gateway_push_copy(to, frame, head + len);
}

/* The target hears that the client goes; of what was wrong with it, only the client. */
static void close_push(struct gateway *g)
{
    struct gateway_frames *f = g->frames;
    uint8_t payload[2 + WORDS_MAX] = {(uint8_t)(f->status >> 8), (uint8_t)f->status};
    char why[WORDS_MAX + 1] = "";
    static const uint8_t gone[2] = {WEBSOCKET_GOING_AWAY >> 8, WEBSOCKET_GOING_AWAY & 0xff};
    memcpy(payload + 2, f->words, f->words_len);
    control_push(g, &g->client, WEBSOCKET_CLOSE, payload, 2u + f->words_len);
    if (g->state != GATEWAY_FRAMES)
        return;
    if (!f->up_closed && (f->reads || websocket_between_frames(&f->up)))
        control_push(g, &g->server, WEBSOCKET_CLOSE, gone, sizeof(gone));
    memcpy(why, f->words, f->words_len);
    gateway_close(g, f->words_len > 0 ? why : "we have closed the WebSocket");
}

static void words_set(struct gateway_frames *f, const char *words)
{
    size_t len = strlen(words);
    if (!mqtt_text_valid(mqtt_span_of(words)))
        return;
    if (len > WORDS_MAX)
        for (len = WORDS_MAX; ((uint8_t)words[len] & 0xc0) == 0x80;) /* no character is cut */
            len--;
    memcpy(f->words, words, len);
    f->words_len = (uint8_t)len;
}

void gateway_frames_close(struct gateway *g, enum websocket_status status, const char *words)
{
    struct gateway_frames *f = g->frames;
    if (f == NULL || f->status != 0 || g->state != GATEWAY_FRAMES)
        return;
    question_forget(&g->q);
    f->status = (uint16_t)status;
    f->since_us = worker_now_us(g->post->worker);
    words_set(f, words);
    log_info(g->address, "WebSocket %.*s: %u %s", (int)f->topic_len, f->topic, (unsigned)status, words);
    if (websocket_between_frames(&f->down))
        close_push(g);
    else
        gateway_watch(g);
}

/* -- messages of a client --------------------------------------------------------------------------------------------- */

/* The payload at ROOM of the chunk is masked in its place. Takes the reference. */
static void message_push(struct gateway *g, struct chunk *c, size_t len, const uint8_t mask[static 4])
{
    uint8_t head[WEBSOCKET_HEAD_MASKED_MAX];
    size_t size = websocket_head_masked_write(head, g->frames->up.message, len, mask);
    memcpy(c->data + ROOM - size, head, size);
    websocket_mask(mask, c->data + ROOM, len, c->data + ROOM);
    gateway_push(&g->server, slice_of(c, ROOM - size, size + len));
}

/* The same for bytes that are not ours to change. */
static void message_copy(struct gateway *g, const uint8_t *bytes, size_t len)
{
    uint8_t mask[4];
    struct chunk *c = chunk_create(ROOM + len);
    if (c == NULL) {
        gateway_over(g, "out of memory");
        return;
    }
    mask_make(g->frames, mask);
    memcpy(c->data + ROOM, bytes, len);
    message_push(g, c, len, mask);
}

/* With the mask that it came with: so a message in one frame goes on as it came. */
static void message_allowed(struct gateway *g, struct mdm_question *q)
{
    const struct proxy_common *common = g->post->common;
    struct gateway_frames *f = g->frames;
    struct chunk *c = f->message;
    size_t len = f->len;
    struct mqtt_publish news = {.payload = {c->data + ROOM, len}};
    struct mqtt_span topic = topic_of(f);
    bool changed = q != NULL && question_changed(q, MDM_PAYLOAD);
    if (q != NULL)
        topic = question_field(q, MDM_TOPIC);
    if (changed)
        news.payload = question_field(q, MDM_PAYLOAD);
    f->message = NULL;
    f->len = 0;
    if (common->wants->publish)
        hook_chain_publish(common->hooks, g->session, topic, &news);
    if (changed)
        message_copy(g, news.payload.data, news.payload.len);
    if (q != NULL)
        question_free(&q); /* it holds the message */
    if (changed)
        chunk_unref(c);
    else
        message_push(g, c, len, f->up.mask);
}

static void message_answered(struct gateway *g, struct mdm_question *q, bool allowed)
{
    const char *words;
    if (allowed) {
        message_allowed(g, q);
        return;
    }
    question_status(q, &words);
    counter_add(counters_self(), COUNTER_proxy_publishes_denied, 1);
    gateway_frames_close(g, WEBSOCKET_POLICY, words != NULL ? words : "not allowed");
    question_free(&q);
}

static void question_done(void *ctx, struct mdm_question *q, bool allowed)
{
    struct gateway *g = ctx;
    CHECK_OBJECT(g, GATEWAY_MAGIC);
    g->q = NULL;
    message_answered(g, q, allowed);
    gateway_run(g);
}

static void message_ask(struct gateway *g)
{
    const struct proxy_common *common = g->post->common;
    struct gateway_frames *f = g->frames;
    struct mqtt_publish packet = {.topic = topic_of(f), .payload = {f->message->data + ROOM, f->len}};
    if (!common->wants->auth_publish) {
        message_allowed(g, NULL);
        return;
    }
    struct mdm_question *q = question_publish(common->hooks, g->session, packet.topic, &packet, false, &g->post->questions, f->message);
    if (q == NULL) {
        gateway_over(g, "out of memory");
        return;
    }
    g->q = q;
    f->since_us = worker_now_us(g->post->worker);
    enum mdm_verdict verdict = question_ask(q, g->post->worker, question_done, g);
    if (verdict == MDM_LATER) {
        gateway_watch(g);
        return;
    }
    g->q = NULL;
    message_answered(g, q, verdict == MDM_ALLOW);
}

/* Room for so many bytes more of the current message. */
static bool message_room(struct gateway_frames *f, size_t more)
{
    size_t need = ROOM + f->len + more, size = f->message == NULL ? MESSAGE_MIN : f->message->size;
    if (f->message != NULL && need <= size)
        return true;
    while (size < need)
        size *= 2;
    struct chunk *c = chunk_create(size);
    if (c == NULL)
        return false;
    if (f->message != NULL)
        memcpy(c->data + ROOM, f->message->data + ROOM, f->len);
    chunk_unref(f->message);
    f->message = c;
    return true;
}

/* -- steps ------------------------------------------------------------------------------------------------------------ */

static void up_control(struct gateway *g)
{
    struct gateway_frames *f = g->frames;
    f->up_closed = f->up.opcode == WEBSOCKET_CLOSE;
    if (f->reads)
        control_push(g, &g->server, f->up.opcode, f->up.control, f->up.control_len);
}

static void up_event(struct gateway *g, enum websocket_event event)
{
    struct gateway_frames *f = g->frames;
    if (event == WEBSOCKET_CONTROL)
        up_control(g);
    else if (f->reads && f->len > g->post->common->packet_max)
        gateway_frames_close(g, WEBSOCKET_TOO_BIG, "a message over the maximum");
    else if (event == WEBSOCKET_MESSAGE && f->reads)
        message_ask(g);
}

bool gateway_frames_up_step(struct gateway *g)
{
    struct gateway_frames *f = g->frames;
    struct gateway_end *e = &g->client;
    size_t used, written;
    if (e->len == 0 || g->q != NULL || g->server.out.bytes >= PROXY_OUTPUT_HIGH)
        return false;
    if (f->up_closed || f->status != 0) {
        gateway_skip(e, e->len);
        return true;
    }
    size_t len = e->len, left = f->reads ? (size_t)websocket_frame_left(&f->up) : len;
    if (left == 0) /* a head, and little more: how much follows is said in it */
        left = WEBSOCKET_HEAD_MAX;
    if (len > left)
        len = left;
    if (f->reads && !message_room(f, len)) {
        gateway_over(g, "out of memory");
        return true;
    }
    const uint8_t *in = e->in + e->at;
    enum websocket_event event =
        websocket_decode(&f->up, in, len, &used, f->reads ? f->message->data + ROOM + f->len : NULL, &written);
    f->len += written;
    if (event == WEBSOCKET_BAD) {
        gateway_skip(e, e->len);
        gateway_frames_close(g, f->up.status, f->up.why);
        return true;
    }
    if (!f->reads)
        gateway_push_copy(&g->server, in, used);
    g->up.passed += used;
    gateway_skip(e, used);
    if (g->state == GATEWAY_FRAMES)
        up_event(g, event);
    if (g->state == GATEWAY_FRAMES && g->q == NULL && f->len == 0 && e->len == 0) {
        chunk_unref(f->message); /* an idle one keeps nothing */
        f->message = NULL;
    }
    return true;
}

bool gateway_frames_down_step(struct gateway *g)
{
    struct gateway_frames *f = g->frames;
    struct gateway_end *e = &g->server;
    size_t len = e->len, used, written;
    if (len == 0 || g->client.out.bytes >= PROXY_OUTPUT_HIGH)
        return false;
    if (f->status != 0 && websocket_frame_left(&f->down) < len)
        len = (size_t)websocket_frame_left(&f->down);
    const uint8_t *in = e->in + e->at;
    if (websocket_decode(&f->down, in, len, &used, NULL, &written) == WEBSOCKET_BAD) {
        log_warning(g->address, "the target's WebSocket: %s", f->down.why);
        gateway_server_close(g);
        gateway_close(g, "the target's frames are not valid");
        return true;
    }
    g->down.passed += used;
    gateway_push_copy(&g->client, in, used);
    gateway_skip(e, used);
    if (g->state == GATEWAY_FRAMES && f->status != 0 && websocket_between_frames(&f->down))
        close_push(g);
    return true;
}

/* -- times ------------------------------------------------------------------------------------------------------------ */

/* One that is silent may be so for long; who does not take what is there may not. */
uint64_t gateway_frames_due(const struct gateway *g)
{
    const struct gateway_frames *f = g->frames;
    if (f->status != 0)
        return f->since_us + CLOSE_US;
    if (g->q != NULL)
        return f->since_us + g->post->common->connect_us;
    return (g->client.out.count + g->server.out.count > 0 ? g->last_us : worker_now_us(g->post->worker)) + g->post->common->answer_us;
}

void gateway_frames_late(struct gateway *g)
{
    if (g->frames->status != 0)
        gateway_over(g, "the target's frame does not end");
    else if (g->q != NULL)
        gateway_frames_close(g, WEBSOCKET_POLICY, "no answer from a hook in time");
    else
        gateway_over(g, "nothing was taken for too long");
}
