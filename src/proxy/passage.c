/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a packet's way. */
#include "proxy/passage.h"

#include <stdlib.h>
#include <string.h>

#include "mqtt/topic.h"
#include "proxy/packet_log.h"

#define BIT(type) (1u << (type))
#define ACKS (BIT(MQTT_PUBACK) | BIT(MQTT_PUBREC) | BIT(MQTT_PUBREL) | BIT(MQTT_PUBCOMP))
/* What may come from where, CONNECT and CONNACK aside. */
#define FROM_CLIENT \
    (BIT(MQTT_PUBLISH) | ACKS | BIT(MQTT_SUBSCRIBE) | BIT(MQTT_UNSUBSCRIBE) | BIT(MQTT_PINGREQ) | BIT(MQTT_DISCONNECT))
#define FROM_BROKER (BIT(MQTT_PUBLISH) | ACKS | BIT(MQTT_SUBACK) | BIT(MQTT_UNSUBACK) | BIT(MQTT_PINGRESP))

static struct side *from(const struct passage *g) { return g->up ? &g->pair->client : &g->pair->broker; }
static struct side *to(const struct passage *g) { return g->up ? &g->pair->broker : &g->pair->client; }

/* -- which packets are looked at -------------------------------------------------------------------------------------- */

bool topics_matter(const struct pair *p, bool up)
{
    const struct hook_wants *w = p->post->common->wants;
    return w->rewrite || (up && (w->auth_publish || w->publish));
}

static bool is_looked_at(const struct pair *p, bool up, enum mqtt_type type)
{
    const struct hook_wants *w = p->post->common->wants;
    if (w->intercept || line_tap_wanted(&p->post->packets))
        return true;
    switch (type) {
    case MQTT_CONNECT:
    case MQTT_CONNACK:
        return true;
    case MQTT_PUBLISH:
        return topics_matter(p, up);
    case MQTT_SUBSCRIBE:
        return w->auth_subscribe || w->rewrite || w->subscribe;
    case MQTT_UNSUBSCRIBE:
        return w->rewrite || w->unsubscribe;
    case MQTT_PUBREL:
        return up && p->refused != NULL;
    case MQTT_SUBACK:
        return p->partial_count > 0;
    default:
        return false;
    }
}

static bool may_come(const struct pair *p, bool up, enum mqtt_type type)
{
    bool five = p->version == MQTT_V5;
    if (type == MQTT_AUTH)
        return five && p->state >= PAIR_WAITING;
    if (up)
        return type == MQTT_CONNECT ? p->state == PAIR_OPENING : (BIT(type) & FROM_CLIENT) != 0;
    if (type == MQTT_CONNACK)
        return p->state == PAIR_WAITING;
    return p->state == PAIR_OPEN && ((BIT(type) & FROM_BROKER) != 0 || (five && type == MQTT_DISCONNECT));
}

/* -- helpers ---------------------------------------------------------------------------------------------------------- */

uint8_t *passage_room(struct passage *g, size_t size)
{
    struct chunk *c = g->own_count == PASSAGE_KEPT_MAX ? NULL : chunk_create(size);
    if (c == NULL) {
        pair_close(g->pair, "out of memory");
        return NULL;
    }
    g->own[g->own_count++] = c;
    return c->data;
}

struct mqtt_span passage_property(struct passage *g, struct mqtt_span properties, enum mqtt_property_id id, uint32_t number)
{
    size_t room = properties.len + 8; /* an identifier and four bytes, with room */
    uint8_t *data = passage_room(g, room);
    struct mqtt_property p;
    struct bytes_writer w;
    if (data == NULL)
        return properties;
    bytes_writer_init(&w, data, room);
    while (mqtt_property_next(&properties, &p))
        if (p.id != id)
            bytes_write(&w, p.raw.data, p.raw.len);
    if (number != 0)
        mqtt_property_write_number(&w, id, number);
    g->changed = true;
    return (struct mqtt_span){data, bytes_written(&w)};
}

bool passage_rewrite(struct passage *g, struct mqtt_span *topic, bool filter)
{
    static _Thread_local char out[MQTT_FIELD_MAX + 1];
    const struct proxy_common *c = g->pair->post->common;
    struct mqtt_span name = *topic, group = {topic->data, 0};
    if (!c->wants->rewrite)
        return true;
    if (filter && mqtt_topic_is_shared(name)) { /* $share/NAME/ stays in front */
        const uint8_t *slash = memchr(name.data + sizeof("$share/") - 1, '/', name.len - (sizeof("$share/") - 1));
        group.len = (size_t)(slash + 1 - name.data);
        name = (struct mqtt_span){slash + 1, name.len - group.len};
    }
    size_t len = hook_chain_rewrite(c->hooks, g->pair->session, g->up ? MDM_TO_BROKER : MDM_TO_CLIENT, name, filter, out);
    if (len == 0)
        return true;
    if (len == SIZE_MAX || len + group.len > MQTT_FIELD_MAX) {
        pair_fail(g->pair, MQTT_IMPLEMENTATION_SPECIFIC, "a hook has made a topic that is not possible");
        return false;
    }
    uint8_t *data = passage_room(g, group.len + len);
    if (data == NULL)
        return false;
    memcpy(data, group.data, group.len);
    memcpy(data + group.len, out, len);
    *topic = (struct mqtt_span){data, group.len + len};
    g->changed = true;
    return true;
}

void passage_keep(struct passage *g, struct mdm_question *q) { g->kept[g->kept_count++] = q; }

static void passage_free(struct passage *g)
{
    question_forget(&g->q);
    for (unsigned i = 0; i < g->kept_count; i++)
        question_free(&g->kept[i]);
    for (unsigned i = 0; i < g->own_count; i++)
        chunk_unref(g->own[i]);
    slice_done(&g->bytes);
    free(g->wire.data);
    free(g->said.data);
    free(g->codes);
    struct proxy_post *post = g->pair->post;
    if (post->passage == NULL)
        post->passage = g;
    else
        free(g);
}

static struct passage *passage_create(struct pair *p, bool up, const struct mqtt_header *h, struct slice bytes)
{
    struct proxy_post *post = p->post;
    struct passage *g = post->passage != NULL ? post->passage : malloc(sizeof(*g));
    post->passage = NULL;
    if (g == NULL) {
        slice_done(&bytes);
        return NULL;
    }
    memset(g, 0, sizeof(*g));
    g->pair = p;
    g->up = up;
    g->h = *h;
    g->bytes = bytes;
    g->in_place = true;
    return g;
}

void packet_memory_free(struct proxy_post *p)
{
    free(p->passage);
    p->passage = NULL;
}

/* -- the steps -------------------------------------------------------------------------------------------------------- */

static enum passed intercept_ask(struct passage *g, enum mdm_stage stage)
{
    const struct proxy_common *c = g->pair->post->common;
    if (!c->wants->intercept)
        return PASSED;
    return passage_ask(g, question_packet(c->hooks, g->pair->session, g->up ? MDM_TO_BROKER : MDM_TO_CLIENT, stage, g->h.type, g->bytes,
                                          &g->pair->post->questions));
}

static enum passed intercept_answered(struct passage *g, struct mdm_question *q, bool allowed)
{
    if (allowed && question_changed(q, MDM_PACKET)) {
        slice_done(&g->bytes);
        g->bytes = question_take(q, MDM_PACKET);
        g->in_place = false;
        g->altered = true;
        mqtt_header_parse(g->bytes.data, g->bytes.len, &g->h);
    }
    question_free(&q);
    if (!allowed && g->h.type == MQTT_CONNECT)
        pair_close(g->pair, "a hook has dropped CONNECT");
    return allowed ? PASSED : GONE;
}

static enum passed before_ask(struct passage *g)
{
    packet_log_before(g->pair, g->up, g->bytes);
    return intercept_ask(g, MDM_BEFORE);
}

static enum passed after_ask(struct passage *g) { return intercept_ask(g, MDM_AFTER); }

static enum passed decode(struct passage *g)
{
    struct mqtt_fault fault;
    if (!mqtt_decode(&g->packet, (enum mqtt_version)g->pair->version, &g->h, g->bytes.data + g->h.size, &fault)) {
        pair_fail(g->pair, fault.reason, fault.words);
        return GONE;
    }
    switch (g->h.type) {
    case MQTT_CONNECT:
        return connect_decoded(g);
    case MQTT_CONNACK:
        return connack_decoded(g);
    case MQTT_PUBLISH:
        return publish_decoded(g);
    case MQTT_PUBREL:
        return pubrel_decoded(g);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return subscribe_decoded(g);
    case MQTT_SUBACK:
        return suback_decoded(g);
    default:
        return PASSED;
    }
}

static enum passed auth_ask(struct passage *g)
{
    const struct hook_wants *w = g->pair->post->common->wants;
    if (g->h.type == MQTT_CONNECT)
        return w->auth_connect ? connect_ask(g) : PASSED;
    if (g->h.type == MQTT_PUBLISH)
        return g->up && w->auth_publish ? publish_ask(g) : PASSED;
    if (g->h.type == MQTT_SUBSCRIBE || g->h.type == MQTT_UNSUBSCRIBE)
        return subscribe_ask(g);
    return PASSED;
}

static enum passed auth_answered(struct passage *g, struct mdm_question *q, bool allowed)
{
    return g->h.type == MQTT_CONNECT   ? connect_answered(g, q, allowed)
           : g->h.type == MQTT_PUBLISH ? publish_answered(g, q, allowed)
                                       : subscribe_answered(g, q, allowed);
}

/* What has changed is encoded. */
static enum passed shape(struct passage *g)
{
    enum mqtt_version version = (enum mqtt_version)g->pair->version;
    enum passed done = g->h.type == MQTT_PUBLISH                                        ? publish_shape(g)
                       : g->h.type == MQTT_SUBSCRIBE || g->h.type == MQTT_UNSUBSCRIBE ? subscribe_shape(g)
                                                                                        : PASSED;
    if (done != PASSED || !g->changed)
        return done;
    size_t size = mqtt_encoded_size(version, &g->packet);
    struct chunk *c = size == 0 || size > MQTT_VARINT_MAX ? NULL : chunk_create(size);
    if (c == NULL) {
        pair_close(g->pair, "a hook has made a packet that is too large");
        return GONE;
    }
    struct bytes_writer w;
    bytes_writer_init(&w, c->data, size);
    mqtt_encode(&w, version, &g->packet);
    /* The payload of a PUBLISH that is told of afterwards still stands in the old bytes. */
    if (g->own_count < PASSAGE_KEPT_MAX && g->bytes.chunk != NULL)
        g->own[g->own_count++] = chunk_ref(g->bytes.chunk);
    slice_done(&g->bytes);
    g->bytes = slice_of(c, 0, size);
    g->in_place = false;
    g->altered = true;
    return PASSED;
}

static void disconnect_passes(struct pair *p, bool up)
{
    p->said_goodbye = true;
    pair_close(p, up ? "the client disconnected" : "the broker disconnected it");
}

static enum passed send_on(struct passage *g)
{
    struct pair *p = g->pair;
    const struct hook_wants *w = p->post->common->wants;
    g->sent = true;
    packet_log_after(p, g->up, g->bytes, g->altered ? "changed" : "sent", 0);
    if (g->h.type == MQTT_CONNECT) {
        pair_dial(p, slice_ref(&g->bytes));
        return GONE;
    }
    if (g->in_place)
        side_pass(from(g), g->bytes.chunk, (size_t)(g->bytes.data - g->bytes.chunk->data), g->bytes.len);
    else
        side_send_bytes(to(g), slice_ref(&g->bytes));
    if (g->h.type == MQTT_PUBLISH && g->up) {
        denials_sent(p, g->bytes.data[0] >> 1 & 3);
        if (w->publish)
            hook_chain_publish(p->post->common->hooks, p->session, g->topic, &g->packet.publish);
    }
    if (g->h.type == MQTT_SUBSCRIBE || g->h.type == MQTT_UNSUBSCRIBE)
        subscribe_sent(g);
    else if (g->h.type == MQTT_CONNACK)
        connack_sent(g);
    else if (g->h.type == MQTT_DISCONNECT)
        disconnect_passes(p, g->up);
    return GONE;
}

static const struct step {
    enum passed (*ask)(struct passage *g);
    enum passed (*answered)(struct passage *g, struct mdm_question *q, bool allowed);
} steps[] = {
    {before_ask, intercept_answered}, {decode, NULL},  {auth_ask, auth_answered}, {will_ask, will_answered},
    {shape, NULL},                    {after_ask, intercept_answered}, {send_on, NULL},
};

static void question_done(void *ctx, struct mdm_question *q, bool allowed);

static enum passed answer_take(struct passage *g, struct mdm_question *q, bool allowed)
{
    const char *words;
    if (!allowed) {
        g->verdict = steps[g->step].answered == intercept_answered ? "dropped" : "denied";
        g->reason = question_reason(q, &words);
    }
    return steps[g->step].answered(g, q, allowed);
}

enum passed passage_ask(struct passage *g, struct mdm_question *q)
{
    if (q == NULL) {
        pair_close(g->pair, "out of memory");
        return GONE;
    }
    g->q = q;
    enum mdm_verdict verdict = question_ask(q, g->pair->post->worker, question_done, g);
    if (verdict == MDM_LATER)
        return ASKED;
    g->q = NULL;
    return answer_take(g, q, verdict == MDM_ALLOW);
}

/* The packet has passed, or was dropped. */
static void packet_over(struct pair *p, bool up, enum mqtt_type type)
{
    if (!up && (type == MQTT_PUBACK || type == MQTT_PUBREC))
        denials_answered(p, type);
}

static void passage_end(struct passage *g)
{
    const struct pair *p = g->pair;
    if (!g->sent)
        packet_log_after(g->pair, g->up, g->bytes, g->verdict != NULL ? g->verdict : p->why != NULL ? p->why : "answered", g->reason);
    passage_free(g);
}

/* Goes on until a question is under way, or to the end. */
static void passage_run(struct passage *g, enum passed passed)
{
    struct pair *p = g->pair;
    struct side *side = from(g);
    struct passage **slot = g->up ? &p->up : &p->down;
    while (passed != GONE && passed != ASKED) {
        if (p->state >= PAIR_CLOSING) {
            passed = GONE;
            break;
        }
        g->step += passed == PASSED;
        passed = steps[g->step].ask(g);
    }
    if (passed == ASKED) {
        g->in_place = false;
        *slot = g;
        side->held = true;
        p->asked_us = worker_now_us(p->post->worker);
        if (p->state == PAIR_OPEN)
            pair_watch(p);
        return;
    }
    *slot = NULL;
    packet_over(p, g->up, g->h.type);
    passage_end(g);
}

static void question_done(void *ctx, struct mdm_question *q, bool allowed)
{
    struct passage *g = ctx;
    struct pair *p = g->pair;
    struct side *side = from(g);
    CHECK_OBJECT(p, PAIR_MAGIC);
    g->q = NULL;
    *(g->up ? &p->up : &p->down) = NULL; /* it is nobody else's to free any more */
    passage_run(g, answer_take(g, q, allowed));
    if (p->up == NULL && p->down == NULL && p->state == PAIR_OPEN)
        pair_watch(p);
    if ((side == &p->client ? p->up : p->down) == NULL && p->state < PAIR_CLOSING)
        side_resume(side);
}

/* -- where packets come in -------------------------------------------------------------------------------------------- */

void packet_arrived(struct side *side, struct chunk *chunk, size_t at, const struct mqtt_header *h)
{
    struct pair *p = side->pair;
    bool up = side == &p->client;
    size_t size = (size_t)h->size + h->length;
    if (!may_come(p, up, h->type)) {
        pair_fail(p, MQTT_PROTOCOL_ERROR, up ? "a client must not send this packet now" : "the broker must not send this packet now");
        return;
    }
    *(up ? &p->up_packets : &p->down_packets) += 1;
    counter_add(counters_self(), up ? COUNTER_proxy_packets_up : COUNTER_proxy_packets_down, 1);
    if (h->type == MQTT_PUBLISH)
        *(up ? &p->up_messages : &p->down_messages) += 1;
    if (!is_looked_at(p, up, h->type)) {
        side_pass(side, chunk, at, size);
        packet_over(p, up, h->type);
        if (h->type == MQTT_DISCONNECT)
            disconnect_passes(p, up);
    } else {
        struct passage *g = passage_create(p, up, h, slice_of(chunk_ref(chunk), at, size));
        if (g == NULL) {
            pair_close(p, "out of memory");
            return;
        }
        if (h->type == MQTT_CONNECT)
            p->state = PAIR_ASKING;
        if (h->type == MQTT_CONNECT && (p->session = pair_session(p)) == NULL) {
            passage_free(g);
            pair_close(p, "out of memory");
            return;
        }
        passage_run(g, REPEATED);
    }
}

void packet_forget(struct pair *p)
{
    if (p->up != NULL)
        passage_end(p->up);
    if (p->down != NULL)
        passage_end(p->down);
    p->up = p->down = NULL;
}
