/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/capture.h"

#include "inspect/frames.h"
#include "tap.h"
#include "talk.h"

#define GET(path) {'>', "GET " path " HTTP/1.1\r\nHost: a.example\r\n\r\n", 0}
#define BEGIN(b) struct book *b = book_create(&(struct book_limits){100, 10 * MIB})
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static bool text_is(struct http_text t, const char *want)
{
    return t.len == strlen(want) && memcmp(t.at, want, t.len) == 0;
}

static bool body_is(const struct record_message *m, const char *want)
{
    return m->body_len == strlen(want) && m->body_bytes == m->body_len && (m->body_len == 0 || memcmp(m->body, want, m->body_len) == 0);
}

static void check(const struct record *r, const char *method, const char *target, unsigned status, enum record_state state)
{
    OK(r != NULL);
    if (r == NULL)
        return;
    OK(text_is(record_method(r), method));
    OK(text_is(record_target(r), target));
    OK_INT(r->status, status);
    OK_INT(r->state, state);
}

/* Wherever the bytes are cut, the records are the same. */
#define EACH_STEP(step) for (size_t step = 1; step <= 400; step = step < 20 ? step + 1 : step * 4)

static void test_lengths(void)
{
    const struct talk talk[] = {
        {'>', "POST /a?b=c HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello", 0},
        {'<', "HTTP/1.1 201 Created\r\nContent-Length: 3\r\nX: y\r\n\r\nyes", 0},
        GET("/second"),
        {'<', "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0},
    };
    EACH_STEP(step) {
        BEGIN(b);
        talk_play(b, talk, COUNT(talk), step, "");
        OK_INT(b->count, 2);
        struct record *r = talk_record(b, 1);
        check(r, "POST", "/a?b=c", 201, RECORD_DONE);
        OK(body_is(&r->request, "hello") && r->request.whole);
        OK(body_is(&r->response, "yes") && r->response.whole);
        OK_TEXT(r->service, "shop");
        OK_TEXT(r->visitor, "192.0.2.1");
        OK(r->began_us <= r->sent_us && r->sent_us <= r->first_us && r->first_us <= r->ended_us);
        check(talk_record(b, 2), "GET", "/second", 200, RECORD_DONE);
        book_free(&b);
    }
}

static void test_chunked(void)
{
    const struct talk talk[] = {
        {'>', "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\n, w\r\n0\r\nT: u\r\n\r\n", 0},
        {'<', "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n", 0},
        GET("/next"),
        {'<', "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!", 0},
    };
    EACH_STEP(step) {
        BEGIN(b);
        talk_play(b, talk, COUNT(talk), step, "");
        struct record *r = talk_record(b, 1);
        check(r, "PUT", "/", 200, RECORD_DONE);
        OK(body_is(&r->request, "hello, w"));
        OK(body_is(&r->response, "a0123456789abcdef"));
        r = talk_record(b, 2);
        check(r, "GET", "/next", 200, RECORD_DONE);
        OK(body_is(&r->response, "!"));
        book_free(&b);
    }
}

static void test_no_bodies(void)
{
    const struct talk talk[] = {
        {'>', "HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n", 0},
        {'<', "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 0},
        GET("/304"),
        {'<', "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", 0},
        GET("/204"),
        {'<', "HTTP/1.1 204 No Content\r\n\r\n", 0},
        {'>', "POST /100 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", 0},
        {'<', "HTTP/1.1 100 Continue\r\n\r\n", 0},
        {'>', "ok", 0},
        {'<', "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0},
    };
    EACH_STEP(step) {
        BEGIN(b);
        talk_play(b, talk, COUNT(talk), step, "");
        OK_INT(b->count, 4);
        check(talk_record(b, 1), "HEAD", "/h", 200, RECORD_DONE);
        check(talk_record(b, 2), "GET", "/304", 304, RECORD_DONE);
        check(talk_record(b, 3), "GET", "/204", 204, RECORD_DONE);
        struct record *r = talk_record(b, 4);
        check(r, "POST", "/100", 200, RECORD_DONE);
        OK(body_is(&r->request, "ok") && body_is(&r->response, "ok"));
        book_free(&b);
    }
}

static void test_until_close(void)
{
    const struct talk talk[] = {GET("/"), {'<', "HTTP/1.0 200 OK\r\n\r\nall there is", 0}, {'.', "", 0}};
    EACH_STEP(step) {
        BEGIN(b);
        talk_play(b, talk, COUNT(talk), step, "not this");
        struct record *r = talk_record(b, 1);
        check(r, "GET", "/", 200, RECORD_DONE);
        OK(body_is(&r->response, "all there is") && r->response.whole);
        book_free(&b);
    }
    BEGIN(b);
    talk_play(b, talk, 2, 9, "reset");
    check(talk_record(b, 1), "GET", "/", 200, RECORD_CUT);
    OK_TEXT(talk_record(b, 1)->why, "reset");
    book_free(&b);
}

static void test_pipelined(void)
{
    const struct talk talk[] = {
        {'>', "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n", 0},
        {'<', "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
              "HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\n3", 0},
    };
    EACH_STEP(step) {
        BEGIN(b);
        talk_play(b, talk, COUNT(talk), step, "");
        OK_INT(b->count, 3);
        check(talk_record(b, 1), "GET", "/1", 200, RECORD_DONE);
        check(talk_record(b, 2), "HEAD", "/2", 200, RECORD_DONE);
        check(talk_record(b, 3), "GET", "/3", 404, RECORD_DONE);
        OK(body_is(&talk_record(b, 3)->response, "3"));
        book_free(&b);
    }
}

/* More than a connection may have waiting: looking ends, with what was there told as cut. */
static void test_pipelined_too_far(void)
{
    BEGIN(b);
    struct capture *c = capture_create(b, "s", "v");
    const struct talk one = GET("/");
    for (unsigned i = 0; i < INSPECT_PIPELINE_MAX + 3; i++)
        capture_request(c, one.bytes, strlen(one.bytes));
    OK_INT(b->count, INSPECT_PIPELINE_MAX);
    OK(capture_idle(c));
    capture_end(&c, "");
    OK_INT(talk_record(b, 1)->state, RECORD_CUT);
    book_free(&b);
}

/* An answer before the request is all there: the rest of the body still belongs to it. */
static void test_early_answer(void)
{
    const struct talk talk[] = {
        {'>', "POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234", 0},
        {'<', "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", 0},
        {'>', "56789", 0},
        GET("/after"),
        {'<', "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0},
    };
    BEGIN(b);
    talk_play(b, talk, COUNT(talk), 7, "");
    check(talk_record(b, 1), "POST", "/big", 413, RECORD_DONE);
    OK(body_is(&talk_record(b, 1)->request, "0123456789"));
    check(talk_record(b, 2), "GET", "/after", 200, RECORD_DONE);
    book_free(&b);
}

static void test_cuts(void)
{
    const struct talk talk[] = {GET("/"), {'<', "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 0}, {'.', "", 0}};
    BEGIN(b);
    talk_play(b, talk, 1, 100, "service-refused");
    check(talk_record(b, 1), "GET", "/", 0, RECORD_CUT);
    OK_TEXT(talk_record(b, 1)->why, "service-refused");
    talk_play(b, talk, 3, 100, "");
    check(talk_record(b, 2), "GET", "/", 200, RECORD_CUT);
    OK(body_is(&talk_record(b, 2)->response, "half") && !talk_record(b, 2)->response.whole);
    book_free(&b);
}

static void test_hostile(void)
{
    static const struct talk answers[] = {
        {'<', "SSH-2.0-OpenSSH\r\n", 0},
        {'<', "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 0},
        {'<', "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 0},
        {'<', "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 0},
        {'<', "\0\0\0\0", 4},
    };
    for (size_t i = 0; i < COUNT(answers); i++) {
        const struct talk talk[] = {GET("/"), answers[i], GET("/later")};
        EACH_STEP(step) {
            BEGIN(b);
            talk_play(b, talk, COUNT(talk), step, "over");
            OK_INT(b->count, 1);
            OK_INT(talk_record(b, 1)->state, RECORD_CUT);
            OK_TEXT(talk_record(b, 1)->why, "the answer is not one that can be followed");
            book_free(&b);
        }
    }
    static const struct talk requests[] = {
        {'>', "GET / HTTP/1.1\r\n\r\n", 0},
        {'>', "\x16\x03\x01\x02", 0},
        {'>', "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 0},
        {'<', "HTTP/1.1 408 Request Timeout\r\n\r\n", 0}, /* nobody has asked */
    };
    for (size_t i = 0; i < COUNT(requests); i++) {
        const struct talk talk[] = {requests[i], GET("/later")};
        BEGIN(b);
        talk_play(b, talk, 2, 100, "");
        OK_INT(b->count, 0);
        book_free(&b);
    }
}

static void test_endless_head(void)
{
    BEGIN(b);
    struct capture *c = capture_create(b, "s", "v");
    capture_request(c, "GET / HTTP/1.1\r\n", 16);
    for (unsigned i = 0; i < 20000; i++)
        capture_request(c, "A: 0123456789\r\n", 15);
    OK(capture_idle(c));
    capture_end(&c, "");
    OK_INT(b->count, 0);
    book_free(&b);
}

/* -- WebSocket ------------------------------------------------------------------------------------------------------ */

#define ASK_WS {'>', "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n", 0}
#define TAKE_WS {'<', "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 0}

static const struct record_frame *frame_at(const struct record *r, unsigned n)
{
    const struct list *node = r->frames.next;
    while (n-- > 0)
        node = node->next;
    return CONTAINER_OF(node, struct record_frame, node);
}

static void frame_is(const struct record *r, unsigned n, bool from_service, unsigned opcode, const char *payload)
{
    if (!OK(n < r->frames_kept))
        return;
    const struct record_frame *f = frame_at(r, n);
    OK_INT(f->from_service, from_service);
    OK_INT(f->opcode, opcode);
    OK_INT(f->len, strlen(payload));
    OK(memcmp(f->payload, payload, f->len) == 0);
}

static void test_websocket(void)
{
    const struct talk talk[] = {
        ASK_WS,
        TAKE_WS,
        {'<', "\x81\x05hello\x89\x00", 9},
        {'>', "\x81\x83" "abcd" "\x09\x0b\x06", 9}, /* "hie" masked */
        {'>', "\x01\x80" "abcd" "\x80\x81" "abcd" "\x39", 13},
        {'<', "\x82\x7e\x00\x80", 4},
        {'<', "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
              "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 0},
        {'<', "\x88\x02\x03\xe8", 4},
        {'.', "", 0},
    };
    EACH_STEP(step) {
        BEGIN(b);
        talk_play(b, talk, COUNT(talk), step, "");
        struct record *r = talk_record(b, 1);
        check(r, "GET", "/ws", 101, RECORD_DONE);
        OK(r->websocket && r->upgraded);
        OK_INT(r->frames_seen, 7);
        frame_is(r, 0, true, WEBSOCKET_TEXT, "hello");
        frame_is(r, 1, true, WEBSOCKET_PING, "");
        frame_is(r, 2, false, WEBSOCKET_TEXT, "hie");
        frame_is(r, 3, false, WEBSOCKET_TEXT, "");
        OK(!frame_at(r, 3)->fin);
        frame_is(r, 4, false, WEBSOCKET_CONTINUATION, "X");
        OK_INT(frame_at(r, 5)->len, 128);
        frame_is(r, 6, true, WEBSOCKET_CLOSE, "\x03\xe8");
        book_free(&b);
    }
}

static void test_websocket_refused(void)
{
    const struct talk talk[] = {
        ASK_WS,
        {'<', "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 0},
        GET("/after"),
        {'<', "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0},
    };
    EACH_STEP(step) {
        BEGIN(b);
        talk_play(b, talk, COUNT(talk), step, "");
        check(talk_record(b, 1), "GET", "/ws", 403, RECORD_DONE);
        check(talk_record(b, 2), "GET", "/after", 200, RECORD_DONE);
        book_free(&b);
    }
}

static void test_other_protocol(void)
{
    const struct talk talk[] = {
        {'>', "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n", 0},
        {'<', "HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\nwelcome", 0},
        {'>', "hi\n", 0},
        {'.', "", 0},
    };
    EACH_STEP(step) {
        BEGIN(b);
        talk_play(b, talk, COUNT(talk), step, "");
        struct record *r = talk_record(b, 1);
        check(r, "GET", "/", 101, RECORD_DONE);
        OK(r->upgraded && !r->websocket);
        OK(body_is(&r->request, "hi\n") && body_is(&r->response, "welcome"));
        book_free(&b);
    }
}

static void test_frames_hostile(void)
{
    static const char *const wrong[] = {"\x83\x01x", "\xb1\x01x", "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        const struct talk talk[] = {ASK_WS, TAKE_WS, {'<', "\x81\x01!", 3}, {'<', wrong[i], 0}, {'<', "\x81\x01?", 3}};
        BEGIN(b);
        talk_play(b, talk, COUNT(talk), 2, "");
        struct record *r = talk_record(b, 1);
        OK_INT(r->state, RECORD_CUT);
        OK_INT(r->frames_seen, 1);
        book_free(&b);
    }
}

static void test_frames_bounded(void)
{
    BEGIN(b);
    struct capture *c = capture_create(b, "s", "v");
    const struct talk talk[] = {ASK_WS, TAKE_WS};
    static char long_frame[20000] = "\x82\x7e\x40\x00"; /* 16 KiB */
    capture_request(c, talk[0].bytes, strlen(talk[0].bytes));
    capture_response(c, talk[1].bytes, strlen(talk[1].bytes));
    capture_response(c, long_frame, 4 + 16384);
    struct record *r = talk_record(b, 1);
    OK_INT(frame_at(r, 0)->len, INSPECT_FRAME_MAX);
    OK_INT(frame_at(r, 0)->bytes, 16384);
    for (unsigned i = 0; i < INSPECT_FRAMES_MAX + 10; i++)
        capture_response(c, "\x81\x01x", 3);
    OK_INT(r->frames_kept, INSPECT_FRAMES_MAX);
    OK_INT(r->frames_seen, INSPECT_FRAMES_MAX + 11);
    OK_INT(r->state, RECORD_OPEN);
    capture_response(c, "\x81\x05half", 6);
    capture_end(&c, "cut");
    OK_INT(r->frames_seen, INSPECT_FRAMES_MAX + 12);
    OK_INT(r->state, RECORD_CUT);
    book_free(&b);
}

/* -- bounds --------------------------------------------------------------------------------------------------------- */

static void test_body_bounded(void)
{
    static char body[INSPECT_BODY_MAX];
    char head[200];
    BEGIN(b);
    struct capture *c = capture_create(b, "s", "v");
    const struct talk get = GET("/");
    capture_request(c, get.bytes, strlen(get.bytes));
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %u\r\n\r\n", INSPECT_BODY_MAX * 3 - 5);
    memset(body, 0x1f, sizeof(body));
    capture_response(c, head, strlen(head));
    capture_response(c, body, sizeof(body) - 5);
    capture_response(c, body, sizeof(body));
    OK(!capture_idle(c));
    capture_response(c, body, sizeof(body));
    OK(capture_idle(c));
    struct record *r = talk_record(b, 1);
    OK_INT(r->response.body_len, INSPECT_BODY_MAX);
    OK_INT(r->response.body_bytes, INSPECT_BODY_MAX * 3 - 5);
    OK_INT(r->state, RECORD_DONE);
    capture_end(&c, "");
    book_free(&b);
}

static void test_records_bounded(void)
{
    const struct talk talk[] = {GET("/"), {'<', "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0}};
    struct book *b = book_create(&(struct book_limits){3, MIB});
    for (unsigned i = 0; i < 10; i++)
        talk_play(b, talk, COUNT(talk), 100, "");
    OK_INT(b->count, 3);
    OK_INT(talk_record(b, 1)->number, 8);
    OK(book_find(b, 7) == NULL);
    book_clear(b);
    OK_INT(b->count, 0);
    OK_INT(b->bytes, 0);
    talk_play(b, talk, COUNT(talk), 100, "");
    OK_INT(talk_record(b, 1)->number, 11);
    book_free(&b);
}

/* Records go while they are still being written: nothing of them is touched any more. */
static void test_bytes_bounded(void)
{
    static char body[20000];
    struct book *b = book_create(&(struct book_limits){100, 16 * KIB});
    struct capture *one = capture_create(b, "s", "v"), *two = capture_create(b, "s", "v");
    const struct talk post = {'>', "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", 0};
    capture_request(one, post.bytes, strlen(post.bytes));
    capture_request(two, post.bytes, strlen(post.bytes));
    capture_request(one, body, 3000);
    OK_INT(b->count, 2);
    capture_request(two, body, sizeof(body));
    OK(b->bytes <= 16 * KIB);
    OK_INT(b->count, 0);
    capture_request(one, body, sizeof(body));
    capture_response(one, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 39);
    capture_end(&one, "");
    capture_end(&two, "");
    OK_INT(b->bytes, 0);
    book_free(&b);
}

static void test_expected(void)
{
    BEGIN(b);
    struct capture *c = capture_create(b, "s", "v");
    struct record *r = book_add(b, "s", "replay", 7);
    uint64_t number = r->number;
    capture_expect(c, r);
    OK(!capture_idle(c));
    const struct talk get = GET("/again");
    capture_request(c, get.bytes, strlen(get.bytes));
    capture_response(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 39);
    OK(capture_idle(c));
    check(book_find(b, number), "GET", "/again", 200, RECORD_DONE);
    OK_INT(book_find(b, number)->replay_of, 7);
    r = book_add(b, "s", "replay", 7);
    number = r->number;
    capture_expect(c, r);
    capture_end(&c, "refused");
    OK_INT(book_find(b, number)->state, RECORD_CUT);
    OK_TEXT(book_find(b, number)->why, "refused");
    book_free(&b);
}

static void test_changes(void)
{
    BEGIN(b);
    struct record *one = book_add(b, "s", "v", 0), *two = book_add(b, "s", "v", 0);
    uint64_t before = b->revision;
    OK(one->revision < two->revision);
    book_change(b, one);
    OK(one->revision > before);
    OK(CONTAINER_OF(b->by_change.prev, struct record, by_change) == one);
    OK(CONTAINER_OF(b->by_number.prev, struct record, by_number) == two);
    book_give_back(b, &one);
    book_give_back(b, &two);
    book_free(&b);
}

static const struct tap_case cases[] = {
    {"bodies with a length, one request after the other", test_lengths},
    {"chunked bodies, with extensions and trailers", test_chunked},
    {"answers without a body, and interim ones", test_no_bodies},
    {"an answer until the service closes", test_until_close},
    {"pipelined requests", test_pipelined},
    {"more of them than anybody sends", test_pipelined_too_far},
    {"an answer before the end of the request", test_early_answer},
    {"answers that do not come", test_cuts},
    {"what is not HTTP ends the looking", test_hostile},
    {"a head without end", test_endless_head},
    {"frames of a WebSocket", test_websocket},
    {"a WebSocket that is refused", test_websocket_refused},
    {"another protocol", test_other_protocol},
    {"what is no frame", test_frames_hostile},
    {"frames are bounded", test_frames_bounded},
    {"bodies are bounded", test_body_bounded},
    {"records are bounded", test_records_bounded},
    {"bytes are bounded", test_bytes_bounded},
    {"a record that is waited for", test_expected},
    {"the order of changes", test_changes},
};

int main(void) { return TAP_RUN(cases); }
