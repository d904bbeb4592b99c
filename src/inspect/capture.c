/* SPDX-License-Identifier: Apache-2.0 */
/* From a connection's bytes to records. */
#include "inspect/capture.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "inspect/frames.h"

#define CAPTURE_MAGIC 0x43415054
#define HEAD_MAX HTTP_RESPONSE_HEAD_MAX

enum side_state {
    SIDE_HEAD,
    SIDE_LENGTH,
    SIDE_CHUNKED,
    SIDE_CLOSE,  /* until the service closes */
    SIDE_WAIT,   /* for the answer to a request for another protocol */
    SIDE_FRAMES, /* of a WebSocket */
    SIDE_OTHER,  /* another protocol */
};

/* One direction. */
struct side {
    enum side_state state;
    char *head; /* heap, while it comes in pieces */
    size_t head_len, head_size, scanned;
    uint64_t began_us; /* the head's first byte */
    uint64_t left; /* SIDE_LENGTH */
    struct http_chunked chunked;
    struct frames *frames; /* heap: SIDE_FRAMES */
};

struct capture {
    OBJECT_MAGIC;
    struct book *book;
    char service[NAME_MAX_BYTES + 1], visitor[64];
    bool stopped;
    struct side request, response;
    struct record *expected;  /* by capture_expect(), until the head has come */
    struct record *requested; /* whose body is passing, or that has asked for another protocol */
    struct record *waiting[INSPECT_PIPELINE_MAX]; /* without a complete answer, in their order */
    unsigned waiting_count;
};

/* -- its life ------------------------------------------------------------------------------------------------------ */

struct capture *capture_create(struct book *b, const char *service, const char *visitor)
{
    struct capture *c;
    ALLOC_OBJECT(c, CAPTURE_MAGIC);
    if (c == NULL)
        return NULL;
    c->book = b;
    snprintf(c->service, sizeof(c->service), "%s", service);
    snprintf(c->visitor, sizeof(c->visitor), "%s", visitor);
    return c;
}

void capture_expect(struct capture *c, struct record *r)
{
    CHECK_OBJECT(c, CAPTURE_MAGIC);
    c->expected = r;
}

static void head_done(struct side *s)
{
    free(s->head);
    s->head = NULL;
    s->head_len = s->head_size = s->scanned = 0;
}

static void waiting_shift(struct capture *c)
{
    book_give_back(c->book, &c->waiting[0]);
    memmove(c->waiting, c->waiting + 1, --c->waiting_count * sizeof(c->waiting[0]));
}

/* Whatever is not complete never will be. */
static void records_cut(struct capture *c, const char *why)
{
    if (c->expected != NULL)
        book_end(c->book, c->expected, RECORD_CUT, why);
    book_give_back(c->book, &c->expected);
    while (c->waiting_count > 0) {
        book_end(c->book, c->waiting[0], RECORD_CUT, why);
        waiting_shift(c);
    }
    book_give_back(c->book, &c->requested);
}

static void capture_stop(struct capture *c, const char *why)
{
    records_cut(c, why);
    c->stopped = true;
}

/* -- frames -------------------------------------------------------------------------------------------------------- */

static void frame_keep(struct capture *c, const struct frames_frame *f, bool from_service)
{
    const struct record_frame facts = {
        .bytes = f->bytes,
        .from_service = from_service,
        .fin = f->fin,
        .compressed = f->compressed,
        .whole = f->whole,
        .opcode = f->opcode,
        .len = (uint16_t)f->len,
    };
    book_keep_frame(c->book, c->waiting[0], &facts, f->payload);
}

static void on_frame_to(void *ctx, const struct frames_frame *f) { frame_keep(ctx, f, false); }
static void on_frame_from(void *ctx, const struct frames_frame *f) { frame_keep(ctx, f, true); }

static frames_fn *frames_teller(const struct capture *c, const struct side *s)
{
    return s == &c->request ? on_frame_to : on_frame_from;
}

static void frames_done(struct capture *c, struct side *s)
{
    if (s->frames != NULL && c->waiting_count > 0)
        frames_end(s->frames, frames_teller(c, s), c);
    free(s->frames);
    s->frames = NULL;
}

/* -- bodies -------------------------------------------------------------------------------------------------------- */

static struct record *side_record(const struct capture *c, const struct side *s)
{
    return s == &c->response || c->requested == NULL ? c->waiting[0] : c->requested;
}

static struct record_message *side_message(const struct capture *c, const struct side *s)
{
    struct record *r = side_record(c, s);
    return s == &c->request ? &r->request : &r->response;
}

static void body_keep(struct capture *c, const struct side *s, const void *bytes, size_t len)
{
    book_keep_body(c->book, side_record(c, s), side_message(c, s), bytes, len);
}

static void request_whole(struct capture *c)
{
    struct record *r = c->requested;
    r->request.whole = true;
    r->sent_us = clock_now_us();
    if (c->request.state == SIDE_WAIT)
        return;
    c->request.state = SIDE_HEAD;
    book_give_back(c->book, &c->requested);
}

static void response_whole(struct capture *c)
{
    struct record *r = c->waiting[0];
    r->response.whole = true;
    c->response.state = SIDE_HEAD;
    if (c->request.state == SIDE_WAIT && c->requested == r) {
        c->request.state = SIDE_HEAD; /* it stays HTTP */
        book_give_back(c->book, &c->requested);
    }
    book_end(c->book, r, RECORD_DONE, "");
    waiting_shift(c);
}

static void side_whole(struct capture *c, struct side *s)
{
    if (s == &c->request)
        request_whole(c);
    else
        response_whole(c);
}

static size_t length_eat(struct capture *c, struct side *s, const uint8_t *data, size_t len)
{
    size_t n = len < s->left ? len : (size_t)s->left;
    body_keep(c, s, data, n);
    s->left -= n;
    if (s->left == 0)
        side_whole(c, s);
    return n;
}

/* 0: this is not chunked coding. */
static size_t chunked_eat(struct capture *c, struct side *s, const uint8_t *data, size_t len)
{
    char trailer[HTTP_TRAILER_MAX];
    const char *body;
    size_t body_len;
    long n = http_chunked_eat(&s->chunked, (const char *)data, len, &body, &body_len, trailer, sizeof(trailer));
    if (n <= 0)
        return 0;
    if (body_len > 0)
        body_keep(c, s, body, body_len);
    if (s->chunked.state == HTTP_CHUNKED_DONE)
        side_whole(c, s);
    return (size_t)n;
}

static size_t frames_take(struct capture *c, struct side *s, const uint8_t *data, size_t len)
{
    size_t n = frames_eat(s->frames, data, len, frames_teller(c, s), c);
    side_message(c, s)->body_bytes += n;
    book_change(c->book, c->waiting[0]);
    return n == len ? len : 0;
}

static void body_begin(struct capture *c, struct side *s, enum http_framing framing, uint64_t length)
{
    s->left = length;
    http_chunked_init(&s->chunked);
    s->state = framing == HTTP_FRAMING_CHUNKED ? SIDE_CHUNKED : framing == HTTP_FRAMING_CLOSE ? SIDE_CLOSE : SIDE_LENGTH;
    if (framing == HTTP_FRAMING_NONE || (framing == HTTP_FRAMING_LENGTH && length == 0))
        side_whole(c, s);
}

/* -- heads --------------------------------------------------------------------------------------------------------- */

static struct record *record_begin(struct capture *c)
{
    struct record *r = c->expected;
    c->expected = NULL;
    if (r == NULL)
        r = book_add(c->book, c->service, c->visitor, 0);
    if (r != NULL && c->request.began_us < r->began_us) {
        r->time_us -= (int64_t)(r->began_us - c->request.began_us);
        r->began_us = c->request.began_us;
    }
    return r;
}

/* A request's head has come; what it says of its body decides how to go on. False: it is none that we can follow. */
static bool request_head(struct capture *c, const char *head, size_t len, const struct http_request *request)
{
    struct http_request_facts facts;
    const char *why;
    struct record *r;
    if (http_request_check(request, &facts, &why) != NULL || c->waiting_count == INSPECT_PIPELINE_MAX ||
        (r = record_begin(c)) == NULL)
        return false;
    c->waiting[c->waiting_count++] = r;
    c->requested = r;
    r->refs++;
    r->to_head = request->method.len == 4 && memcmp(request->method.at, "HEAD", 4) == 0;
    book_keep_head(c->book, r, &r->request, head, len);
    if (!facts.upgrade) {
        body_begin(c, &c->request, facts.framing, facts.content_length);
        return true;
    }
    r->request.whole = true;
    r->sent_us = clock_now_us();
    c->request.state = SIDE_WAIT;
    return facts.framing == HTTP_FRAMING_NONE || (facts.framing == HTTP_FRAMING_LENGTH && facts.content_length == 0);
}

static bool says_websocket(const struct http_response *response)
{
    for (size_t i = 0; i < response->field_count; i++)
        if (http_text_is(response->fields[i].name, "upgrade"))
            return http_list_has(response->fields[i].value, "websocket");
    return false;
}

static bool switch_protocols(struct capture *c, struct record *r, const struct http_response *response)
{
    if (c->request.state != SIDE_WAIT || c->requested != r)
        return false;
    r->upgraded = true;
    r->websocket = says_websocket(response);
    c->request.state = c->response.state = r->websocket ? SIDE_FRAMES : SIDE_OTHER;
    if (!r->websocket)
        return true;
    c->request.frames = calloc(1, sizeof(*c->request.frames));
    c->response.frames = calloc(1, sizeof(*c->response.frames));
    return c->request.frames != NULL && c->response.frames != NULL;
}

static bool response_head(struct capture *c, const char *head, size_t len, const struct http_response *response)
{
    struct record *r = c->waiting[0];
    bool interim = response->status < 200 && response->status != 101;
    if (interim)
        return true;
    r->first_us = c->response.began_us;
    r->status = response->status;
    book_keep_head(c->book, r, &r->response, head, len);
    if (response->status == 101)
        return switch_protocols(c, r, response);
    body_begin(c, &c->response, response->framing, response->content_length);
    return true;
}

/* What has come of a head. DONE: *used bytes, and whether we can go on. */
static enum http_parse head_parse(struct capture *c, struct side *s, const char *data, size_t len, size_t *used, bool *follows)
{
    struct http_field fields[HTTP_FIELDS_MAX];
    struct http_request request;
    struct http_response response;
    const char *why;
    enum http_parse parse;
    if (s == &c->request)
        parse = http_request_parse(&request, fields, HTTP_FIELDS_MAX, data, len, HEAD_MAX, &s->scanned, used, &why);
    else
        parse = http_response_parse(&response, data, len, c->waiting[0]->to_head, &s->scanned, used, &why);
    if (parse == HTTP_PARSE_DONE)
        *follows = s == &c->request ? request_head(c, data, *used, &request) : response_head(c, data, *used, &response);
    return parse;
}

static bool head_append(struct side *s, const uint8_t *data, size_t len)
{
    size_t size = s->head_size > 0 ? s->head_size : 1024;
    while (size < s->head_len + len)
        size *= 2;
    char *head = size == s->head_size ? s->head : realloc(s->head, size);
    if (head == NULL)
        return false;
    memcpy(head + s->head_len, data, len);
    s->head = head;
    s->head_size = size;
    s->head_len += len;
    return true;
}

/* Returns the bytes taken; 0: this is no head that we can follow. */
static size_t head_eat(struct capture *c, struct side *s, const uint8_t *data, size_t len)
{
    size_t used, before = s->head_len, n = len < HEAD_MAX - before ? len : HEAD_MAX - before;
    bool follows = false;
    if (s == &c->response && c->waiting_count == 0)
        return 0;
    if (before == 0)
        s->began_us = clock_now_us();
    if (n == 0 || !head_append(s, data, n))
        return 0;
    switch (head_parse(c, s, s->head, s->head_len, &used, &follows)) {
    case HTTP_PARSE_MORE:
        return n;
    case HTTP_PARSE_BAD:
        return 0;
    case HTTP_PARSE_DONE:
        break;
    }
    head_done(s);
    return follows ? used - before : 0;
}

/* -- bytes --------------------------------------------------------------------------------------------------------- */

static size_t side_eat(struct capture *c, struct side *s, const uint8_t *data, size_t len)
{
    switch (s->state) {
    case SIDE_HEAD:
        return head_eat(c, s, data, len);
    case SIDE_LENGTH:
        return length_eat(c, s, data, len);
    case SIDE_CHUNKED:
        return chunked_eat(c, s, data, len);
    case SIDE_CLOSE:
    case SIDE_OTHER:
        body_keep(c, s, data, len);
        return len;
    case SIDE_FRAMES:
        return frames_take(c, s, data, len);
    case SIDE_WAIT:
        break;
    }
    return 0;
}

static void side_take(struct capture *c, struct side *s, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    CHECK_OBJECT(c, CAPTURE_MAGIC);
    if (c->stopped)
        return;
    book_lock(c->book);
    while (len > 0 && !c->stopped) {
        size_t n = side_eat(c, s, at, len);
        if (n == 0)
            capture_stop(c, s == &c->request ? "the request is not one that can be followed"
                                             : "the answer is not one that can be followed");
        at += n;
        len -= n;
    }
    book_unlock(c->book);
}

void capture_request(struct capture *c, const void *bytes, size_t len) { side_take(c, &c->request, bytes, len); }
void capture_response(struct capture *c, const void *bytes, size_t len) { side_take(c, &c->response, bytes, len); }

/* -- the end ------------------------------------------------------------------------------------------------------- */

void capture_finished(struct capture *c)
{
    CHECK_OBJECT(c, CAPTURE_MAGIC);
    if (c->stopped || c->waiting_count == 0)
        return;
    book_lock(c->book);
    frames_done(c, &c->request);
    frames_done(c, &c->response);
    if (c->response.state == SIDE_CLOSE || c->waiting[0]->upgraded)
        response_whole(c);
    capture_stop(c, "the service has closed the connection");
    book_unlock(c->book);
}

/* Where no head has come, that somebody wanted to ask is all that is known. */
void capture_refused(struct capture *c, const char *why)
{
    struct record *r;
    CHECK_OBJECT(c, CAPTURE_MAGIC);
    book_lock(c->book);
    if (!c->stopped && c->expected == NULL && c->waiting_count == 0 &&
        (r = book_add(c->book, c->service, c->visitor, 0)) != NULL) {
        book_end(c->book, r, RECORD_CUT, why);
        book_give_back(c->book, &r);
    }
    capture_stop(c, why);
    book_unlock(c->book);
}

bool capture_idle(const struct capture *c) { return c->stopped || (c->expected == NULL && c->waiting_count == 0); }

void capture_end(struct capture **cp, const char *why)
{
    struct capture *c;
    if (*cp == NULL)
        return;
    TAKE_OBJECT(c, cp, CAPTURE_MAGIC);
    book_lock(c->book);
    frames_done(c, &c->request);
    frames_done(c, &c->response);
    records_cut(c, why);
    book_unlock(c->book);
    head_done(&c->request);
    head_done(&c->response);
    FREE_OBJECT(c);
}
