/* SPDX-License-Identifier: Apache-2.0 */
#include "hook/packet_shape.h"

#include <string.h>

#include "base/utf8.h"
#include "mqtt/packet.h"
#include "wire/websocket.h"

/* What leaves has some more than what came. */
#define FIELDS_MAX (2 * HTTP_FIELDS_MAX)
#define HEAD_MAX (2 * HTTP_REQUEST_HEAD_MAX)

static bool mqtt_fits(struct mqtt_span was, struct mqtt_span value)
{
    struct mqtt_header h;
    return mqtt_header_parse(value.data, value.len, &h) == MQTT_DONE && h.size + (size_t)h.length == value.len &&
           value.data[0] >> 4 == was.data[0] >> 4;
}

/* Every line ends with CRLF: it goes on as it is. */
static bool lines_end(struct mqtt_span head)
{
    for (size_t i = 0; i < head.len; i++)
        if (head.data[i] == '\n' && (i == 0 || head.data[i - 1] != '\r'))
            return false;
    return true;
}

/* What the rest of a request's way depends on. */
struct request_shape {
    enum http_framing framing;
    uint64_t length;
    bool to_head, upgrade;
};

static bool request_read(struct mqtt_span head, struct request_shape *out)
{
    static _Thread_local struct http_field fields[FIELDS_MAX];
    struct http_request r;
    struct http_request_facts facts;
    size_t scanned = 0, used = 0;
    const char *why;
    if (http_request_parse(&r, fields, FIELDS_MAX, (const char *)head.data, head.len, HEAD_MAX, &scanned, &used, &why) !=
            HTTP_PARSE_DONE ||
        used != head.len || http_request_check(&r, &facts, &why) != NULL)
        return false;
    *out = (struct request_shape){.framing = facts.framing,
                                  .length = facts.framing == HTTP_FRAMING_LENGTH ? facts.content_length : 0,
                                  .to_head = r.method.len == 4 && memcmp(r.method.at, "HEAD", 4) == 0,
                                  .upgrade = websocket_wanted(&r, &facts, NULL)};
    return true;
}

static bool request_fits(struct mqtt_span was, struct mqtt_span value)
{
    struct request_shape a, b;
    return request_read(was, &a) && request_read(value, &b) && a.framing == b.framing && a.length == b.length &&
           a.to_head == b.to_head && a.upgrade == b.upgrade;
}

static bool response_read(struct mqtt_span head, struct http_response *out)
{
    size_t scanned = 0, used = 0;
    const char *why;
    return http_response_parse(out, (const char *)head.data, head.len, false, &scanned, &used, &why) == HTTP_PARSE_DONE &&
           used == head.len;
}

static bool response_fits(struct mqtt_span was, struct mqtt_span value)
{
    static _Thread_local struct http_response a, b;
    return response_read(was, &a) && response_read(value, &b) && a.framing == b.framing &&
           a.has_content_length == b.has_content_length && (!a.has_content_length || a.content_length == b.content_length) &&
           (a.status < 200 || b.status < 200 ? a.status == b.status : true);
}

static bool text_fits(struct mqtt_span value)
{
    for (size_t at = 0, size; at < value.len; at += size) {
        size = value.data[at] < 0x80 ? 1 : utf8_sequence(value.data + at, value.len - at);
        if (size == 0)
            return false;
    }
    return true;
}

bool hook_packet_fits(unsigned type, struct mqtt_span was, struct mqtt_span value)
{
    if (value.len > MQTT_VARINT_MAX)
        return false;
    switch (type) {
    case MDM_HTTP_REQUEST:
        return lines_end(value) && request_fits(was, value);
    case MDM_HTTP_RESPONSE:
        return lines_end(value) && response_fits(was, value);
    case MDM_WEBSOCKET_TEXT:
        return text_fits(value);
    case MDM_WEBSOCKET_BINARY:
        return true;
    default:
        return mqtt_fits(was, value);
    }
}
