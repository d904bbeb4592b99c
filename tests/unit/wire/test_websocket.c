/* SPDX-License-Identifier: Apache-2.0 */
/* Frames, and the request for a WebSocket. */
#include "wire/websocket.h"

#include <stdlib.h>

#include "tap.h"

/* -- frames -------------------------------------------------------------------------------------------------------- */

static uint8_t stream[400 * 1024];
static size_t stream_len;

static void begin(void) { stream_len = 0; }

/* A frame as clients send it; `form`: bytes of the extended length. */
static void add(uint8_t first, const char *payload, size_t len, unsigned form)
{
    static const uint8_t mask[4] = {0xa1, 0x00, 0xff, 0x37};
    uint64_t value = len;
    uint8_t *at = stream + stream_len;
    *at++ = first;
    *at++ = (uint8_t)(0x80 | (form == 0 ? len : form == 2 ? 126 : 127));
    for (unsigned i = form; i-- > 0;)
        *at++ = (uint8_t)(value >> (8 * i));
    memcpy(at, mask, sizeof(mask));
    at += sizeof(mask);
    for (size_t i = 0; i < len; i++)
        *at++ = (uint8_t)payload[i] ^ mask[i & 3];
    stream_len = (size_t)(at - stream);
}
#define ADD(first, literal) add(first, literal, sizeof(literal) - 1, 0)

static uint8_t got[400 * 1024];
static size_t got_len;
static char controls[256];
static unsigned status;

/* Decodes the stream in pieces. */
static void decode(size_t step)
{
    struct websocket_decoder d = {0};
    got_len = status = 0;
    controls[0] = '\0';
    for (size_t at = 0; at < stream_len;) {
        size_t len = stream_len - at < step ? stream_len - at : step, used, written;
        enum websocket_event event = websocket_decode(&d, stream + at, len, &used, got + got_len, &written);
        at += used;
        got_len += written;
        if (event == WEBSOCKET_CONTROL)
            snprintf(controls + strlen(controls), sizeof(controls) - strlen(controls), "%u:%.*s@%zu;", d.opcode,
                     d.control_len, (const char *)d.control, got_len);
        status = d.status;
        if (event == WEBSOCKET_BAD)
            return;
    }
}

static bool decodes_to(const char *bytes, const char *want_controls, unsigned want_status)
{
    bool ok = true;
    for (size_t step = 1; ok && step <= stream_len; step++) {
        decode(step);
        ok = got_len == strlen(bytes) && memcmp(got, bytes, got_len) == 0 && strcmp(controls, want_controls) == 0 &&
             status == want_status;
        if (!ok)
            printf("#   in pieces of %zu: '%.*s' '%s' %u\n", step, (int)got_len, (const char *)got, controls, status);
    }
    return ok;
}

static void messages(void)
{
    begin();
    ADD(0x82, "one");
    ADD(0x02, " tw");
    ADD(0x89, "ping");
    ADD(0x00, "");
    ADD(0x8a, "");
    ADD(0x80, "o ");
    ADD(0x82, "");
    ADD(0x82, "three");
    ADD(0x88, "\x03\xe8");
    OK(decodes_to("one two three", "9:ping@6;10:@6;8:\x03\xe8@13;", 0));
}

/* Messages in pieces of `step`, "1:text;" or "2:binary;" each; and that frames end where the decoder says so. */
static void tell(struct websocket_decoder d, size_t step)
{
    size_t frames = 0;
    got_len = status = 0;
    controls[0] = '\0';
    for (size_t at = 0; at < stream_len && d.why == NULL;) {
        size_t len = stream_len - at < step ? stream_len - at : step, used, written, left = (size_t)websocket_frame_left(&d);
        OK(left == 0 ? websocket_between_frames(&d) : !websocket_between_frames(&d));
        enum websocket_event event = websocket_decode(&d, stream + at, len, &used, got + got_len, &written);
        at += used;
        got_len += written;
        frames += websocket_between_frames(&d);
        status = d.status;
        if (event != WEBSOCKET_MESSAGE)
            continue;
        snprintf(controls + strlen(controls), sizeof(controls) - strlen(controls), "%u:%.*s;", d.message, (int)got_len, (const char *)got);
        got_len = 0;
    }
    OK(frames > 0 || status != 0);
}

static void whole_messages(void)
{
    static const struct websocket_decoder messages_only = {.messages = true}, extended = {.messages = true, .extended = true};
    begin();
    ADD(0x01, "one");
    ADD(0x89, "ping");
    ADD(0x00, "");
    ADD(0x80, " more");
    ADD(0x82, "");
    ADD(0x81, "");
    ADD(0x82, "two");
    for (size_t step = 1; step <= stream_len; step++) {
        tell(messages_only, step);
        OK_TEXT(controls, "1:one more;2:;1:;2:two;");
    }
    begin(), ADD(0xc1, "packed");
    tell(messages_only, stream_len);
    OK_INT(status, WEBSOCKET_PROTOCOL_ERROR);
    tell(extended, stream_len);
    OK_TEXT(controls, "1:packed;");
    begin(), ADD(0xc9, "");
    tell(extended, stream_len);
    OK_INT(status, WEBSOCKET_PROTOCOL_ERROR);
}

/* Nobody wants the bytes: only where frames end is looked at. */
static void frames_only(void)
{
    begin();
    ADD(0x02, "one");
    ADD(0x80, "two");
    for (size_t step = 1; step <= stream_len; step++) {
        struct websocket_decoder d = {.messages = true};
        unsigned ends = 0;
        for (size_t at = 0; at < stream_len;) {
            size_t used, written, len = stream_len - at < step ? stream_len - at : step;
            ends += websocket_decode(&d, stream + at, len, &used, NULL, &written) == WEBSOCKET_MESSAGE;
            OK_INT(written, 0);
            at += used;
        }
        OK(ends == 1 && websocket_between_frames(&d));
    }
}

static void lengths(void)
{
    static const size_t all[] = {125, 126, 127, 65535, 65536, 300000};
    static char payload[300000];
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (char)(i * 7);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        begin();
        add(0x82, payload, all[i], all[i] < 126 ? 0 : all[i] < 65536 ? 2 : 8);
        for (size_t step = stream_len; step > 100; step /= 3) {
            decode(step);
            OK(got_len == all[i] && memcmp(got, payload, got_len) == 0 && status == 0);
        }
        uint8_t head[WEBSOCKET_HEAD_OURS_MAX];
        size_t size = websocket_head_write(head, WEBSOCKET_BINARY, all[i]);
        OK(size == websocket_head_size(all[i]) && size == stream_len - all[i] - 4);
        OK(head[0] == 0x82 && head[1] == (stream[1] & 0x7f) && memcmp(head + 2, stream + 2, size - 2) == 0);
    }
}

static bool refused(unsigned want)
{
    return decodes_to("", "", want);
}

static void forbidden(void)
{
    begin(), ADD(0xc2, "a");
    OK(refused(WEBSOCKET_PROTOCOL_ERROR)); /* a reserved bit */
    begin(), ADD(0x83, "a");
    OK(refused(WEBSOCKET_PROTOCOL_ERROR)); /* a reserved opcode */
    begin(), ADD(0x8b, "a");
    OK(refused(WEBSOCKET_PROTOCOL_ERROR));
    begin(), ADD(0x81, "a");
    OK(refused(WEBSOCKET_UNACCEPTABLE));
    begin(), ADD(0x80, "a");
    OK(refused(WEBSOCKET_PROTOCOL_ERROR)); /* nothing to continue */
    begin(), ADD(0x02, ""), ADD(0x82, "a");
    OK(refused(WEBSOCKET_PROTOCOL_ERROR)); /* the message before has not ended */
    begin(), ADD(0x09, "a");
    OK(refused(WEBSOCKET_PROTOCOL_ERROR)); /* a control frame in fragments */
    begin(), add(0x89, "a", 1, 2);
    OK(refused(WEBSOCKET_PROTOCOL_ERROR)); /* with an extended length */
    begin(), add(0x82, "a", 1, 2);
    OK(refused(WEBSOCKET_PROTOCOL_ERROR)); /* not the shortest form */
    begin(), add(0x82, "a", 1, 8);
    OK(refused(WEBSOCKET_PROTOCOL_ERROR));
    begin(), ADD(0x82, "a");
    stream[1] &= 0x7f; /* no mask */
    OK(refused(WEBSOCKET_PROTOCOL_ERROR));
    begin(), ADD(0x88, "\x03");
    OK(refused(WEBSOCKET_PROTOCOL_ERROR));
    begin(), ADD(0x88, "\x03\xed"); /* 1005 is never sent */
    OK(refused(WEBSOCKET_PROTOCOL_ERROR));
    begin(), ADD(0x88, "");
    OK(decodes_to("", "8:@0;", 0));
    begin(), add(0x82, "", 0, 8);
    stream[7] = 0x10; /* 1 MiB and more */
    stream[9] = 1;
    OK(refused(WEBSOCKET_TOO_BIG));
    stream[2] = 0x80;
    OK(refused(WEBSOCKET_PROTOCOL_ERROR));
}

/* -- the request --------------------------------------------------------------------------------------------------- */

#define LINE "GET /mqtt HTTP/1.1\r\n"
#define HOST "Host: example.com\r\n"
#define UPGRADE "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define THIRTEEN "Sec-WebSocket-Version: 13\r\n"
#define PROTOCOL "Sec-WebSocket-Protocol: mqttv3.1, mqtt\r\n"

/* The status that is answered; 0: taken; 1: not even HTTP. */
static unsigned ask(const char *text)
{
    struct http_field fields[WEBSOCKET_REQUEST_FIELDS_MAX];
    struct http_request r;
    struct http_request_facts facts;
    struct websocket_offer offer;
    size_t scanned = 0, used = 0;
    const char *why = NULL;
    enum http_parse end = http_request_parse(&r, fields, WEBSOCKET_REQUEST_FIELDS_MAX, text, strlen(text),
                                             WEBSOCKET_REQUEST_MAX, &scanned, &used, &why);
    if (end != HTTP_PARSE_DONE || http_request_check(&r, &facts, &why) != NULL)
        return 1;
    OK_INT(used, strlen(text));
    return websocket_offer_check(&r, &facts, "mqtt", &offer, &why);
}

static void requests(void)
{
    OK_INT(ask(LINE HOST UPGRADE KEY THIRTEEN PROTOCOL "\r\n"), 0);
    OK_INT(ask(LINE HOST KEY THIRTEEN PROTOCOL "\r\n"), 426);
    OK_INT(ask(LINE HOST UPGRADE KEY PROTOCOL "\r\n"), 426);
    OK_INT(ask(LINE HOST UPGRADE KEY "Sec-WebSocket-Version: 8\r\n" PROTOCOL "\r\n"), 426);
    OK_INT(ask(LINE HOST UPGRADE THIRTEEN PROTOCOL "\r\n"), 400);
    OK_INT(ask(LINE HOST UPGRADE KEY KEY THIRTEEN PROTOCOL "\r\n"), 400);
    OK_INT(ask(LINE HOST UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n" THIRTEEN PROTOCOL "\r\n"), 400);
    OK_INT(ask(LINE HOST UPGRADE "Sec-WebSocket-Key: short\r\n" THIRTEEN PROTOCOL "\r\n"), 400);
    OK_INT(ask(LINE HOST UPGRADE KEY THIRTEEN "\r\n"), 400);
    OK_INT(ask(LINE HOST UPGRADE KEY THIRTEEN "Sec-WebSocket-Protocol: chat\r\n\r\n"), 400);
    OK_INT(ask("POST /mqtt HTTP/1.1\r\n" HOST UPGRADE KEY THIRTEEN PROTOCOL "\r\n"), 405);
    OK_INT(ask("get /mqtt HTTP/1.1\r\n" HOST UPGRADE KEY THIRTEEN PROTOCOL "\r\n"), 405);
    OK_INT(ask("GET /mqtt HTTP/1.0\r\n" HOST UPGRADE KEY THIRTEEN PROTOCOL "\r\n"), 426);
    OK_INT(ask(LINE HOST UPGRADE KEY THIRTEEN PROTOCOL "Content-Length: 3\r\n\r\n"), 400);
    OK_INT(ask(LINE UPGRADE KEY THIRTEEN PROTOCOL "\r\n"), 1);
    OK_INT(ask("GET /mqtt HTTP/1.1\n" HOST "\r\n"), 1);
    OK_INT(ask("GET /mqtt HTTP/2.0\r\n" HOST "\r\n"), 1);
    OK_INT(ask("GET  HTTP/1.1\r\n" HOST "\r\n"), 1);
    OK_INT(ask("\r\n" LINE HOST "\r\n"), 1);
    OK_INT(ask(LINE HOST "no field\r\n\r\n"), 1);
}

/* -- origins ---------------------------------------------------------------------------------------------------------- */

static bool listed(const char *origins, const char *first, const char *second)
{
    const struct http_field fields[] = {{http_text_of("Host"), http_text_of("x")},
                                        {http_text_of("Origin"), http_text_of(first != NULL ? first : "")},
                                        {http_text_of("origin"), http_text_of(second != NULL ? second : "")}};
    const struct http_request r = {.fields = fields, .field_count = 1u + (first != NULL) + (second != NULL)};
    return websocket_origin_listed(&r, origins);
}

static void origins(void)
{
    static const char *const good[] = {"https://a.example", "http://a.example:8080", "null", "https://[::1]:8443, null", "app://x"};
    static const char *const bad[] = {"", "a.example", "https://", "https://a.example/", "https://a.example,,null", "*", "://a", "https:/a"};
    struct http_text wrong;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        OK(websocket_origins_valid(good[i], &wrong));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        OK(!websocket_origins_valid(bad[i], &wrong));
    OK(!websocket_origins_valid("null,x", &wrong) && http_text_is(wrong, "x"));
    static const char list[] = "https://a.example, http://b.example:8080";
    OK(listed(list, NULL, NULL) && listed(list, "https://a.example", NULL) && listed(list, "HTTP://B.example:8080", NULL));
    OK(!listed(list, "http://a.example", NULL) && !listed(list, "https://a.example.org", NULL) && !listed(list, "https://a.exampl", NULL));
    OK(!listed(list, "http://b.example", NULL) && !listed(list, "null", NULL) && !listed(list, "", NULL));
    OK(!listed(list, "https://a.example", "https://a.example"));
}

static void request_bounds(void)
{
    static char text[WEBSOCKET_REQUEST_MAX + 200];
    struct http_field fields[WEBSOCKET_REQUEST_FIELDS_MAX];
    struct http_request r;
    size_t scanned = 0, used = 0;
    const char *why = NULL;
    memset(text, 'a', sizeof(text));
    OK_INT(http_request_parse(&r, fields, 1, text, WEBSOCKET_REQUEST_MAX - 1, WEBSOCKET_REQUEST_MAX, &scanned, &used, &why),
           HTTP_PARSE_MORE);
    OK_INT(http_request_parse(&r, fields, 1, text, WEBSOCKET_REQUEST_MAX, WEBSOCKET_REQUEST_MAX, &scanned, &used, &why),
           HTTP_PARSE_BAD);
    OK_TEXT(why, "a head that is too large");
    static const char many[] = LINE "A: 1\r\nB: 2\r\n\r\n";
    scanned = 0;
    OK_INT(http_request_parse(&r, fields, 1, many, strlen(many), WEBSOCKET_REQUEST_MAX, &scanned, &used, &why), HTTP_PARSE_BAD);
    OK_TEXT(why, "too many fields");
    scanned = 0;
    OK_INT(http_request_parse(&r, fields, 2, many, strlen(many), WEBSOCKET_REQUEST_MAX, &scanned, &used, &why), HTTP_PARSE_DONE);
    OK(r.field_count == 2 && r.minor_version == 1 && http_text_is(r.target, "/mqtt"));
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"messages, fragments and control frames, cut anywhere", messages},
        {"whole messages of both kinds, where they are told", whole_messages},
        {"where frames end, without their bytes", frames_only},
        {"every form of the length, both ways", lengths},
        {"what RFC 6455 forbids ends it with the right status", forbidden},
        {"requests: taken, refused with the right status", requests},
        {"a request's bounds", request_bounds},
        {"origins: which lists are valid, who is on one", origins},
    };
    return TAP_RUN(cases);
}
