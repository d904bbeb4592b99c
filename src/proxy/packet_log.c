/* SPDX-License-Identifier: Apache-2.0 */
/* From packets to lines. */
#include "proxy/packet_log.h"

#include <string.h>

#include "mdm-tunnel/limits.h"
#include "proxy/inner.h"

struct writer {
    struct text_line *line;
    enum line_format format;
    size_t payload_max;
};

static void put_span(const struct writer *w, const char *name, struct mqtt_span s, size_t max)
{
    line_text(w->line, w->format, name, (const char *)s.data, s.len, max);
}

static void put_number(const struct writer *w, const char *name, uint64_t number) { line_number(w->line, w->format, name, number); }

static void put_word(const struct writer *w, const char *name, const char *word)
{
    line_text(w->line, w->format, name, word, strlen(word), ACCESS_WORD_MAX);
}

static void put_payload(const struct writer *w, const char *size, const char *name, struct mqtt_span payload)
{
    put_number(w, size, payload.len);
    if (payload.len > w->payload_max)
        payload.len = w->payload_max;
    put_span(w, name, payload, PACKET_LOG_PAYLOAD_TEXT);
}

static void put_connect(const struct writer *w, const struct mqtt_connect *c)
{
    put_number(w, "level", c->version);
    put_span(w, "client_id", c->client_id, ACCESS_WORD_MAX);
    put_span(w, "user", c->username, ACCESS_WORD_MAX);
    put_number(w, "password", c->password.data != NULL); /* whether there is one */
    put_number(w, "clean", c->clean_start);
    put_number(w, "keep_alive", c->keep_alive);
    if (!c->has_will)
        return;
    put_span(w, "will", c->will_topic, ACCESS_FIELD_MAX);
    put_number(w, "will_qos", c->will_qos);
    put_number(w, "will_retain", c->will_retain);
    put_payload(w, "will_size", "will_payload", c->will_payload);
}

static void put_publish(const struct writer *w, enum mqtt_version version, const struct mqtt_publish *m)
{
    uint32_t alias = version == MQTT_V5 ? mqtt_property_number(m->properties, MQTT_PROPERTY_TOPIC_ALIAS, 0) : 0;
    if (m->packet_id != 0)
        put_number(w, "id", m->packet_id);
    put_span(w, "topic", m->topic, ACCESS_FIELD_MAX);
    if (alias != 0)
        put_number(w, "alias", alias);
    put_number(w, "qos", m->qos);
    put_number(w, "retain", m->retain);
    put_number(w, "dup", m->dup);
    put_payload(w, "payload_size", "payload", m->payload);
}

/* As many as fit, one "filter" (and "qos") each: "a/b 1, c/# 0". */
static void put_filters(const struct writer *w, enum mqtt_type type, const struct mqtt_subscribe *s)
{
    char text[ACCESS_FIELD_MAX];
    struct mqtt_span rest = s->filters;
    struct mqtt_filter f;
    size_t len = 0, count = 0;
    while (mqtt_filter_next(&rest, type, &f)) {
        count++;
        if (f.filter.len + 8 > sizeof(text) - len)
            continue;
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", len > 0 ? ", " : "");
        memcpy(text + len, f.filter.data, f.filter.len);
        len += f.filter.len;
        if (type == MQTT_SUBSCRIBE)
            len += (size_t)snprintf(text + len, sizeof(text) - len, " %u", f.qos);
    }
    put_number(w, "id", s->packet_id);
    put_number(w, "filter_count", count);
    put_span(w, "filters", (struct mqtt_span){(const uint8_t *)text, len}, ACCESS_TARGET_MAX / 2);
}

static void put_codes(const struct writer *w, const struct mqtt_suback *s)
{
    char text[ACCESS_WORD_MAX] = "";
    size_t len = 0;
    for (size_t i = 0; i < s->codes.len && len + 8 < sizeof(text); i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u", i > 0 ? " " : "", s->codes.data[i]);
    put_number(w, "id", s->packet_id);
    put_word(w, "codes", text);
}

static void put_packet(const struct writer *w, enum mqtt_version version, const struct mqtt_packet *p)
{
    switch (p->type) {
    case MQTT_CONNECT:
        put_connect(w, &p->connect);
        break;
    case MQTT_CONNACK:
        put_number(w, "session_present", p->connack.session_present);
        put_number(w, "code", p->connack.code);
        break;
    case MQTT_PUBLISH:
        put_publish(w, version, &p->publish);
        break;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        put_number(w, "id", p->ack.packet_id);
        put_number(w, "code", p->ack.reason);
        break;
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        put_filters(w, p->type, &p->subscribe);
        break;
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        put_codes(w, &p->suback);
        break;
    case MQTT_DISCONNECT:
    case MQTT_AUTH:
        put_number(w, "code", p->disconnect.reason);
        break;
    default: /* PINGREQ, PINGRESP */
        break;
    }
}

static const char *type_name(enum mqtt_type type)
{
    static const char *const names[16] = {"0", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE",
                                          "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"};
    return names[type & 15];
}

void packet_line_write(struct text_line *l, enum line_format format, const struct packet_entry *e)
{
    const struct writer w = {l, format, e->payload_max < PACKET_LOG_PAYLOAD_MAX ? e->payload_max : PACKET_LOG_PAYLOAD_MAX};
    enum mqtt_version version = (enum mqtt_version)e->version;
    struct mqtt_header h;
    struct mqtt_packet packet;
    struct mqtt_fault fault;
    bool whole = mqtt_header_parse(e->bytes, e->len, &h) == MQTT_DONE && (size_t)h.size + h.length == e->len;
    line_begin(l, format, &e->at, e->up ? "up" : "down");
    put_word(&w, "stage", e->after ? "after" : "before");
    put_number(&w, "session", e->session);
    put_word(&w, "client", e->client);
    put_word(&w, "type", whole ? type_name(h.type) : "");
    put_number(&w, "size", e->len);
    if (whole && mqtt_decode(&packet, version, &h, e->bytes + h.size, &fault))
        put_packet(&w, version, &packet);
    else
        put_word(&w, "malformed", whole ? fault.words : "it is not one packet");
    if (e->after)
        put_word(&w, "verdict", e->verdict);
    if (e->after && e->reason != 0)
        put_number(&w, "reason", e->reason);
    line_end(l, format);
}

static void packet_log(struct pair *p, bool up, struct slice packet, const char *verdict, unsigned reason)
{
    struct text_line line;
    struct line_tap *tap = &p->post->packets;
    const struct mdm_session *facts = p->session == NULL ? NULL : hook_session_facts(p->session);
    if (!line_tap_begin(tap, &line))
        return;
    packet_line_write(&line, p->post->common->packet_format, &(struct packet_entry){
        .at = line_time_before(0),
        .up = up,
        .after = verdict != NULL,
        .session = facts == NULL ? 0 : facts->number,
        .client = facts == NULL ? "" : facts->client_id,
        .version = p->version,
        .bytes = packet.data,
        .len = packet.len,
        .verdict = verdict,
        .reason = reason,
        .payload_max = p->post->common->packet_payload,
    });
    line_tap_end(tap, &line);
}

void packet_log_before(struct pair *p, bool up, struct slice packet) { packet_log(p, up, packet, NULL, 0); }

void packet_log_after(struct pair *p, bool up, struct slice packet, const char *verdict, unsigned reason)
{
    packet_log(p, up, packet, verdict, reason);
}
