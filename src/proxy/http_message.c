/* SPDX-License-Identifier: Apache-2.0 */
/* A message of a WebSocket that hooks see: collected, asked about, and on as one frame. */
#include <string.h>

#include "proxy/http_frames.h"

/* What a message is begun with, at least. */
#define MESSAGE_MIN 256

static struct mqtt_span topic_of(const struct gateway_frames *f) { return (struct mqtt_span){(const uint8_t *)f->topic, f->topic_len}; }

/* -- its bytes -------------------------------------------------------------------------------------------------------- */

bool flow_room(struct gateway_flow *w, size_t more)
{
    size_t need = FLOW_ROOM + w->len + more, size = w->message == NULL ? MESSAGE_MIN : w->message->size;
    if (w->message != NULL && need <= size)
        return true;
    while (size < need)
        size *= 2;
    struct chunk *c = chunk_create(size);
    if (c == NULL)
        return false;
    if (w->message != NULL)
        memcpy(c->data + FLOW_ROOM, w->message->data + FLOW_ROOM, w->len);
    chunk_unref(w->message);
    w->message = c;
    return true;
}

static void message_drop(struct gateway_flow *w)
{
    if (w->said != NULL)
        question_free(&w->said);
    chunk_unref(w->message);
    w->message = NULL;
    w->len = 0;
    w->changed = false;
    w->step = FLOW_BEFORE;
}

void flow_forget(struct gateway_flow *w)
{
    question_forget(&w->q);
    message_drop(w);
}

/* Other bytes in its place; false: no memory. */
static bool message_replace(struct gateway_flow *w, struct mqtt_span bytes)
{
    struct chunk *c = chunk_create(FLOW_ROOM + bytes.len);
    if (c == NULL)
        return false;
    if (bytes.len > 0)
        memcpy(c->data + FLOW_ROOM, bytes.data, bytes.len);
    chunk_unref(w->message);
    w->message = c;
    w->len = bytes.len;
    w->changed = true;
    return true;
}

/* -- on its way ------------------------------------------------------------------------------------------------------- */

static void news_tell(struct gateway_flow *w)
{
    const struct gateway *g = w->gateway;
    const struct proxy_common *common = g->post->common;
    const struct mqtt_publish news = {.payload = {w->message->data + FLOW_ROOM, w->len}};
    if (w->up && common->wants->publish)
        hook_chain_publish(common->hooks, g->session, w->said != NULL ? question_field(w->said, MDM_TOPIC) : topic_of(g->frames), &news);
}

/* The payload is masked in its place: with the mask that it came with, so a message in one frame goes on as it came. */
static void message_leave(struct gateway_flow *w)
{
    struct gateway *g = w->gateway;
    uint8_t head[WEBSOCKET_HEAD_MASKED_MAX], mask[4];
    news_tell(w);
    struct chunk *c = chunk_ref(w->message);
    size_t len = w->len, size;
    memcpy(mask, w->decoder.mask, sizeof(mask));
    if (w->changed)
        frames_mask_make(g->frames, mask);
    message_drop(w);
    if (w->up) {
        size = websocket_head_masked_write(head, w->decoder.message, len, mask);
        websocket_mask(mask, c->data + FLOW_ROOM, len, c->data + FLOW_ROOM);
    } else {
        size = websocket_head_write(head, w->decoder.message, len);
    }
    memcpy(c->data + FLOW_ROOM - size, head, size);
    gateway_push(w->up ? &g->server : &g->client, slice_of(c, FLOW_ROOM - size, size + len));
}

/* Whether it goes on. */
static bool message_answered(struct gateway_flow *w, struct mdm_question *q, bool allowed)
{
    struct gateway *g = w->gateway;
    bool publish = w->step == FLOW_PUBLISH;
    enum mdm_field field = publish ? MDM_PAYLOAD : MDM_PACKET;
    const char *words;
    if (!allowed && publish) {
        question_status(q, &words);
        counter_add(counters_self(), COUNTER_proxy_publishes_denied, 1);
        gateway_frames_close(g, WEBSOCKET_POLICY, words != NULL ? words : "not allowed");
    } else if (!allowed) {
        message_drop(w);
    } else if (question_changed(q, field) && !message_replace(w, question_field(q, field))) {
        allowed = false;
        gateway_over(g, "out of memory");
    }
    if (allowed && publish)
        w->said = q;
    else
        question_free(&q);
    return allowed;
}

static bool step_is_wanted(const struct gateway_flow *w)
{
    const struct hook_wants *wants = w->gateway->post->common->wants;
    return w->step == FLOW_PUBLISH ? w->up && wants->auth_publish : wants->intercept;
}

static struct mdm_question *step_question(struct gateway_flow *w)
{
    struct gateway *g = w->gateway;
    const struct proxy_common *common = g->post->common;
    const struct slice bytes = {w->message, w->message->data + FLOW_ROOM, w->len};
    if (w->step == FLOW_PUBLISH) {
        const struct mqtt_publish packet = {.topic = topic_of(g->frames), .payload = {bytes.data, bytes.len}};
        return question_publish(common->hooks, g->session, packet.topic, &packet, false, &g->post->questions, w->message);
    }
    return question_packet(common->hooks, g->session, w->up ? MDM_TO_BROKER : MDM_TO_CLIENT, w->step == FLOW_BEFORE ? MDM_BEFORE : MDM_AFTER,
                           w->decoder.message == WEBSOCKET_TEXT ? MDM_WEBSOCKET_TEXT : MDM_WEBSOCKET_BINARY, bytes, &g->post->questions);
}

static void question_done(void *ctx, struct mdm_question *q, bool allowed)
{
    struct gateway_flow *w = ctx;
    struct gateway *g = w->gateway;
    CHECK_OBJECT(g, GATEWAY_MAGIC);
    w->q = NULL;
    if (message_answered(w, q, allowed)) {
        w->step++;
        flow_message(w);
    }
    gateway_run(g);
}

void flow_message(struct gateway_flow *w)
{
    struct gateway *g = w->gateway;
    for (; w->step < FLOW_LEAVES; w->step++) {
        struct mdm_question *q = NULL;
        if (!step_is_wanted(w))
            continue;
        if ((q = step_question(w)) == NULL) {
            gateway_over(g, "out of memory");
            return;
        }
        w->q = q;
        enum mdm_verdict verdict = question_ask(q, g->post->worker, question_done, w);
        if (verdict == MDM_LATER) {
            w->since_us = worker_now_us(g->post->worker);
            gateway_watch(g);
            return;
        }
        w->q = NULL;
        if (!message_answered(w, q, verdict == MDM_ALLOW))
            return;
    }
    message_leave(w);
}
