/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WebSocket, once the target has taken it. Frames go on as they came; where hooks see what passes, each message is collected, asked
 * about, and goes on as one frame (http_message.c). Control frames never wait for that. Our own CLOSE stands between frames.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/table.h"
#include "mqtt/text.h"
#include "proxy/access.h"
#include "proxy/http_frames.h"

/* After our CLOSE is due, for what is in its way. */
#define CLOSE_US (2 * US_PER_S)

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

void gateway_frames_begin(struct gateway *g)
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
    uint64_t max = g->post->common->packet_max;
    f->up = (struct gateway_flow){.gateway = g, .up = true, .reads = r->reads};
    f->down = (struct gateway_flow){.gateway = g, .reads = r->reads && g->post->common->wants->intercept};
    f->up.decoder = (struct websocket_decoder){.messages = true, .extended = g->extended, .frame_max = f->up.reads ? max : UINT64_MAX};
    f->down.decoder = (struct websocket_decoder){
        .from_server = true, .messages = true, .extended = g->extended, .frame_max = f->down.reads ? max : UINT64_MAX};
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
    slice_done(&g->head);
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
    flow_forget(&f->up);
    flow_forget(&f->down);
    free(f);
}

/* -- frames of ours --------------------------------------------------------------------------------------------------- */

void frames_mask_make(struct gateway_frames *f, uint8_t mask[static 4])
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
        frames_mask_make(g->frames, mask);
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
    uint8_t payload[2 + FRAMES_WORDS_MAX] = {(uint8_t)(f->status >> 8), (uint8_t)f->status};
    char why[FRAMES_WORDS_MAX + 1] = "";
    static const uint8_t gone[2] = {WEBSOCKET_GOING_AWAY >> 8, WEBSOCKET_GOING_AWAY & 0xff};
    memcpy(payload + 2, f->words, f->words_len);
    control_push(g, &g->client, WEBSOCKET_CLOSE, payload, 2u + f->words_len);
    if (g->state != GATEWAY_FRAMES)
        return;
    if (!f->up.closed && (f->up.reads || websocket_between_frames(&f->up.decoder)))
        control_push(g, &g->server, WEBSOCKET_CLOSE, gone, sizeof(gone));
    memcpy(why, f->words, f->words_len);
    gateway_close(g, f->words_len > 0 ? why : "we have closed the WebSocket");
}

static void words_set(struct gateway_frames *f, const char *words)
{
    size_t len = strlen(words);
    if (!mqtt_text_valid(mqtt_span_of(words)))
        return;
    if (len > FRAMES_WORDS_MAX)
        for (len = FRAMES_WORDS_MAX; ((uint8_t)words[len] & 0xc0) == 0x80;) /* no character is cut */
            len--;
    memcpy(f->words, words, len);
    f->words_len = (uint8_t)len;
}

void gateway_frames_close(struct gateway *g, enum websocket_status status, const char *words)
{
    struct gateway_frames *f = g->frames;
    if (f == NULL || f->status != 0 || g->state != GATEWAY_FRAMES)
        return;
    flow_forget(&f->up);
    flow_forget(&f->down);
    f->status = (uint16_t)status;
    f->since_us = worker_now_us(g->post->worker);
    words_set(f, words);
    log_info(g->address, "WebSocket %.*s: %u %s", (int)f->topic_len, f->topic, (unsigned)status, words);
    if (f->down.reads || websocket_between_frames(&f->down.decoder))
        close_push(g);
    else
        gateway_watch(g);
}

/* -- steps ------------------------------------------------------------------------------------------------------------ */

static void flow_event(struct gateway_flow *w, enum websocket_event event)
{
    struct gateway *g = w->gateway;
    if (event == WEBSOCKET_CONTROL) {
        w->closed = w->decoder.opcode == WEBSOCKET_CLOSE;
        if (w->reads)
            control_push(g, w->up ? &g->server : &g->client, w->decoder.opcode, w->decoder.control, w->decoder.control_len);
    } else if (w->reads && w->len > g->post->common->packet_max) {
        gateway_frames_close(g, WEBSOCKET_TOO_BIG, "a message over the maximum");
    } else if (event == WEBSOCKET_MESSAGE && w->reads) {
        flow_message(w);
    }
}

static void flow_failed(struct gateway_flow *w)
{
    struct gateway *g = w->gateway;
    if (w->up) {
        gateway_skip(&g->client, g->client.len);
        gateway_frames_close(g, w->decoder.status, w->decoder.why);
        return;
    }
    log_warning(g->address, "the target's WebSocket: %s", w->decoder.why);
    gateway_server_close(g);
    gateway_close(g, "the target's frames are not valid");
}

/* What is looked at now: of frames that are collected, or behind which our CLOSE has to stand, not more than one. */
static size_t flow_part(const struct gateway_flow *w, size_t len)
{
    uint64_t left = websocket_frame_left(&w->decoder);
    if (!w->reads && (w->up || w->gateway->frames->status == 0))
        return len;
    if (left == 0 && w->reads) /* a head, and little more: how much follows is said in it */
        left = WEBSOCKET_HEAD_MAX;
    return left < len ? (size_t)left : len;
}

static bool flow_step(struct gateway_flow *w)
{
    struct gateway *g = w->gateway;
    struct gateway_end *e = w->up ? &g->client : &g->server, *to = w->up ? &g->server : &g->client;
    size_t used, written;
    if (e->len == 0 || w->q != NULL || to->out.bytes >= PROXY_OUTPUT_HIGH)
        return false;
    if ((w->closed && (w->up || w->reads)) || (w->up && g->frames->status != 0)) {
        gateway_skip(e, e->len);
        return true;
    }
    size_t len = flow_part(w, e->len);
    if (w->reads && !flow_room(w, len)) {
        gateway_over(g, "out of memory");
        return true;
    }
    const uint8_t *in = e->in + e->at;
    enum websocket_event event = websocket_decode(&w->decoder, in, len, &used, w->reads ? w->message->data + FLOW_ROOM + w->len : NULL, &written);
    w->len += written;
    if (event == WEBSOCKET_BAD) {
        flow_failed(w);
        return true;
    }
    *(w->up ? &g->up.passed : &g->down.passed) += used;
    gateway_skip(e, used);
    if (!w->reads)
        gateway_push_copy(to, in, used);
    if (g->state == GATEWAY_FRAMES)
        flow_event(w, event);
    return true;
}

/* An idle one keeps nothing. */
static void flow_rest(struct gateway_flow *w, const struct gateway_end *e)
{
    if (w->q == NULL && w->len == 0 && e->len == 0 && w->message != NULL) {
        chunk_unref(w->message);
        w->message = NULL;
    }
}

bool gateway_frames_up_step(struct gateway *g)
{
    bool done = flow_step(&g->frames->up);
    if (done && g->state == GATEWAY_FRAMES)
        flow_rest(&g->frames->up, &g->client);
    return done;
}

bool gateway_frames_down_step(struct gateway *g)
{
    struct gateway_frames *f = g->frames;
    if (!flow_step(&f->down))
        return false;
    if (g->state != GATEWAY_FRAMES)
        return true;
    if (f->status != 0 && websocket_between_frames(&f->down.decoder))
        close_push(g);
    else
        flow_rest(&f->down, &g->server);
    return true;
}

/* -- times ------------------------------------------------------------------------------------------------------------ */

bool gateway_frames_asking(const struct gateway *g, bool up) { return (up ? &g->frames->up : &g->frames->down)->q != NULL; }

/* One that is silent may be so for long; who does not take what is there may not. */
uint64_t gateway_frames_due(const struct gateway *g)
{
    const struct gateway_frames *f = g->frames;
    if (f->status != 0)
        return f->since_us + CLOSE_US;
    uint64_t since_us = f->up.q != NULL ? f->up.since_us : UINT64_MAX;
    if (f->down.q != NULL && f->down.since_us < since_us)
        since_us = f->down.since_us;
    if (since_us != UINT64_MAX)
        return since_us + g->post->common->connect_us;
    return (g->client.out.count + g->server.out.count > 0 ? g->last_us : worker_now_us(g->post->worker)) + g->post->common->answer_us;
}

void gateway_frames_late(struct gateway *g)
{
    if (g->frames->status != 0)
        gateway_over(g, "the target's frame does not end");
    else if (gateway_frames_asking(g, true) || gateway_frames_asking(g, false))
        gateway_frames_close(g, WEBSOCKET_POLICY, "no answer from a hook in time");
    else
        gateway_over(g, "nothing was taken for too long");
}
