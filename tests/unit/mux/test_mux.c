/* SPDX-License-Identifier: Apache-2.0 */
/* Two muxes whose bytes are carried by hand, in pieces of any size. */
#include "mux/mux.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "mdm-tunnel/limits.h"
#include "tap.h"

#define WINDOW (64 * KIB)
#define EVENTS_MAX 64

struct side;

struct user {
    struct side *side;
    struct mux_stream *stream; /* NULL after the end */
    size_t received, sent_back, accepts, ends;
    bool fin, corrupt;
    const struct error *reason;
    bool eat;                /* consumes at once */
    bool reset_in_data, reset_in_sent;
    struct user *reset_other; /* in `data` */
};

struct side {
    struct mux *mux;
    struct side *peer;
    bool woken;
    struct user opened[EVENTS_MAX];
    unsigned opened_count;
    struct open_head head;       /* of the last OPEN */
    bool refuse;
    bool accept;
    bool eat;
    struct service_entry services[16];
    size_t services_count, services_calls;
    const struct error *goaway;
    unsigned weight;
    struct public_port port;
    uint64_t now_us;
};

static uint8_t pattern(size_t i) { return (uint8_t)(i * 31 + (i >> 8) * 7 + 1); }

static void on_accepted(void *ctx) { ((struct user *)ctx)->accepts++; }

static void on_data(void *ctx, const struct slice *bytes, bool fin)
{
    struct user *u = ctx;
    for (size_t i = 0; i < bytes->len; i++)
        u->corrupt |= bytes->data[i] != pattern(u->received + i);
    u->corrupt |= u->fin;
    u->received += bytes->len;
    u->fin |= fin;
    if (u->reset_other != NULL && u->reset_other->stream != NULL) {
        mux_reset(u->reset_other->stream, &error_cancelled);
        u->reset_other->stream = NULL;
    }
    if (u->reset_in_data) {
        mux_reset(u->stream, &error_cancelled);
        u->stream = NULL;
        return;
    }
    if (u->eat)
        mux_consumed(u->stream, bytes->len, u->side->now_us);
}

static void on_sent(void *ctx, size_t bytes)
{
    struct user *u = ctx;
    u->sent_back += bytes;
    if (u->reset_in_sent) {
        mux_reset(u->stream, &error_cancelled);
        u->stream = NULL;
    }
}

static void on_ended(void *ctx, const struct error *reason)
{
    struct user *u = ctx;
    u->ends++;
    u->reason = reason;
    u->stream = NULL;
}

static const struct mux_stream_events stream_events = {
    .accepted = on_accepted, .data = on_data, .sent = on_sent, .ended = on_ended};

static void on_wake(void *ctx) { ((struct side *)ctx)->woken = true; }

static void on_opened(void *ctx, struct mux_stream *s, const struct open_head *head)
{
    struct side *side = ctx;
    side->head = *head;
    struct user *u = &side->opened[side->opened_count++ % EVENTS_MAX];
    *u = (struct user){.side = side, .stream = s, .eat = side->eat};
    mux_attach(s, &stream_events, u);
    if (side->refuse) {
        mux_refuse(s, &error_service_refused);
        u->stream = NULL;
    } else if (side->accept) {
        mux_accept(s);
    }
}

static void on_services(void *ctx, const struct service_entry *list, size_t count)
{
    struct side *side = ctx;
    side->services_calls++;
    side->services_count = count;
    memcpy(side->services, list, (count < 16 ? count : 16) * sizeof(*list));
}

static void on_weight(void *ctx, unsigned weight) { ((struct side *)ctx)->weight = weight; }
static void on_public(void *ctx, const struct public_port *p) { ((struct side *)ctx)->port = *p; }
static void on_goaway(void *ctx, const struct error *reason) { ((struct side *)ctx)->goaway = reason; }

static const struct mux_events mux_events = {
    .wake = on_wake, .opened = on_opened, .services = on_services, .weight = on_weight,
    .public_port = on_public, .goaway = on_goaway};

struct pair {
    struct side a, b;
    bool raw; /* what is sent is no pattern */
};

static struct pair *pair_create_with(unsigned streams_max, unsigned opens_max)
{
    struct pair *p = calloc(1, sizeof(*p));
    struct mux_config c = {.opens_odd = true, .window_initial = WINDOW, .window_max = 1 * MIB, .streams_max = streams_max,
                           .opens_max = opens_max};
    p->a.mux = mux_create(&c, &mux_events, &p->a);
    c.opens_odd = false;
    p->b.mux = mux_create(&c, &mux_events, &p->b);
    p->a.peer = &p->b;
    p->b.peer = &p->a;
    p->a.accept = p->b.accept = p->a.eat = p->b.eat = true;
    p->a.now_us = p->b.now_us = 1000;
    return p;
}

static struct pair *pair_create(void) { return pair_create_with(20000, 0); }

static void pair_free(struct pair *p)
{
    for (unsigned i = 0; i < EVENTS_MAX; i++)
        OK(p->raw || (!p->a.opened[i].corrupt && !p->b.opened[i].corrupt));
    mux_free(&p->a.mux, &error_session_closed);
    mux_free(&p->b.mux, &error_session_closed);
    free(p);
}

static const struct error *push(struct side *to, const void *bytes, size_t len)
{
    struct slice s = slice_copy(bytes, len);
    const struct error *why = mux_push(to->mux, &s, to->now_us);
    slice_done(&s);
    return why;
}

/* One pull of at most `max` bytes, pushed to the peer in pieces. */
static size_t carry(struct side *from, size_t max, size_t piece)
{
    uint8_t *buffer = malloc(max);
    bool said = mux_has_output(from->mux);
    size_t len = mux_pull(from->mux, buffer, max);
    OK(said == (len > 0));
    OK(len <= max);
    for (size_t at = 0; at < len; at += piece)
        OK(push(from->peer, buffer + at, len - at < piece ? len - at : piece) == NULL);
    free(buffer);
    return len;
}

static void settle_in_pieces(struct pair *p, size_t max, size_t piece)
{
    while (carry(&p->a, max, piece) + carry(&p->b, max, piece) > 0)
        ;
    p->a.woken = p->b.woken = false;
}

static void settle(struct pair *p) { settle_in_pieces(p, 100000, 100000); }

static void user_open(struct side *side, struct user *u)
{
    struct open_head head = {.kind = STREAM_KIND_WS, .service = "hello-world", .visitor = "[::1]:99", .host = "h.example"};
    const struct error *why = NULL;
    *u = (struct user){.side = side, .eat = true};
    u->stream = mux_open(side->mux, &head, &stream_events, u, &why);
    OK(u->stream != NULL);
}

static void user_send(struct user *u, size_t from, size_t len, bool fin)
{
    uint8_t *bytes = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = pattern(from + i);
    mux_send(u->stream, slice_copy(bytes, len), fin);
    free(bytes);
}

/* -- a stream's life ----------------------------------------------------------------------------------------------------- */

static void story(size_t max, size_t piece)
{
    struct pair *p = pair_create();
    struct user u;
    user_open(&p->a, &u);
    user_send(&u, 0, 150, false); /* behind OPEN, no round trip lost */
    settle_in_pieces(p, max, piece);
    struct user *v = &p->b.opened[0];
    OK_INT(p->b.opened_count, 1);
    OK_INT(u.accepts, 1);
    OK_INT(v->received, 150);
    OK_INT(u.sent_back, 150);
    OK_TEXT(p->b.head.service, "hello-world");
    OK_TEXT(p->b.head.visitor, "[::1]:99");
    user_send(&u, 150, 40, true);
    settle_in_pieces(p, max, piece);
    OK(v->fin && v->received == 190 && v->ends == 0); /* half-closed */
    user_send(v, 0, 77, false);
    settle_in_pieces(p, max, piece);
    user_send(v, 77, 0, true);
    settle_in_pieces(p, max, piece);
    OK(u.fin && u.received == 77);
    OK(u.ends == 1 && u.reason == &error_none);
    OK(v->ends == 1 && v->reason == &error_none);
    OK_INT(mux_stream_count(p->a.mux) + mux_stream_count(p->b.mux), 0);
    pair_free(p);
}

static void test_life(void) { story(1000, 1000); }

static void test_every_boundary(void)
{
    for (size_t max = 1; max <= 60; max++)
        for (size_t piece = 1; piece <= 30; piece += piece < 14 ? 1 : 5)
            story(max, piece);
}

static void test_both_open(void)
{
    struct pair *p = pair_create();
    struct user u, v;
    user_open(&p->a, &u);
    user_open(&p->b, &v);
    OK_INT(mux_stream_id(u.stream), 1);
    OK_INT(mux_stream_id(v.stream), 2);
    user_send(&u, 0, 10, true);
    user_send(&v, 0, 20, true);
    settle(p);
    OK_INT(p->b.opened[0].received, 10);
    OK_INT(p->a.opened[0].received, 20);
    pair_free(p);
    OK_INT(u.ends, 1);
    OK(u.reason == &error_session_closed);
}

static void test_refuse(void)
{
    struct pair *p = pair_create();
    struct user u;
    p->b.refuse = true;
    user_open(&p->a, &u);
    user_send(&u, 0, 30000, true); /* arrives after the end */
    settle(p);
    OK_INT(u.ends, 1);
    OK(u.reason == &error_service_refused);
    OK_INT(u.accepts, 0);
    OK_INT(p->b.opened[0].received, 0);
    OK_INT(mux_stream_count(p->a.mux) + mux_stream_count(p->b.mux), 0);
    pair_free(p);
}

static void test_reset(void)
{
    struct pair *p = pair_create();
    struct user u;
    user_open(&p->a, &u);
    settle(p);
    user_send(&u, 0, 50000, true);
    carry(&p->a, 2000, 2000);
    mux_reset(u.stream, &error_visitor_gone);
    settle(p);
    OK_INT(u.ends, 0);
    struct user *v = &p->b.opened[0];
    OK_INT(v->ends, 1);
    OK(v->reason == &error_visitor_gone);
    OK(v->received < 2000 && !v->fin); /* the queue was dropped: a cut is no clean end */
    OK_INT(mux_stream_count(p->a.mux) + mux_stream_count(p->b.mux), 0);
    pair_free(p);
}

static void test_reset_inside_callbacks(void)
{
    struct pair *p = pair_create();
    struct user u, u2, u3;
    user_open(&p->a, &u);
    user_open(&p->a, &u2);
    user_open(&p->a, &u3);
    settle(p);
    p->b.opened[0].reset_in_data = true;
    p->b.opened[0].reset_other = &p->b.opened[1];
    u3.reset_in_sent = true;
    user_send(&u, 0, 60000, true);
    user_send(&u2, 0, 60000, true);
    user_send(&u3, 0, 60000, true);
    settle_in_pieces(p, 5000, 100);
    OK(u.reason == &error_cancelled && u2.reason == &error_cancelled);
    OK(u3.stream == NULL && u3.ends == 0);
    OK(p->b.opened[2].reason == &error_cancelled);
    OK_INT(p->b.opened[0].ends, 0);
    OK_INT(mux_stream_count(p->a.mux) + mux_stream_count(p->b.mux), 0);
    pair_free(p);
}

static void test_free_ends_all(void)
{
    struct pair *p = pair_create();
    struct user u[20];
    for (unsigned i = 0; i < 20; i++)
        user_open(&p->a, &u[i]);
    settle(p);
    mux_free(&p->b.mux, &error_session_lost);
    for (unsigned i = 0; i < 20; i++)
        OK(p->b.opened[i].ends == 1 && p->b.opened[i].reason == &error_session_lost);
    mux_free(&p->a.mux, &error_session_lost);
    OK_INT(u[19].ends, 1);
    free(p);
}

/* -- credit ---------------------------------------------------------------------------------------------------------------- */

static void test_stalled_reader_stops_itself_only(void)
{
    struct pair *p = pair_create();
    struct user u, u2;
    p->b.eat = false;
    user_open(&p->a, &u);
    settle(p);
    p->b.eat = true;
    user_open(&p->a, &u2);
    settle(p);
    for (size_t at = 0; at < 4 * WINDOW; at += WINDOW / 2) {
        if (at < 2 * WINDOW)
            user_send(&u, at, at < WINDOW ? WINDOW / 2 : WINDOW / 4, false);
        user_send(&u2, at, WINDOW / 2, false);
        settle(p);
        if (at >= WINDOW)
            break;
    }
    struct user *v = &p->b.opened[0], *v2 = &p->b.opened[1];
    OK_INT(v->received, WINDOW);
    OK_INT(v2->received, 3 * (WINDOW / 2));
    OK_INT(mux_stream_blocked(u.stream), MUX_BLOCKED_CREDIT);
    OK_INT(mux_stream_blocked(u2.stream), MUX_BLOCKED_NO_DATA);
    OK(!mux_has_output(p->a.mux));
    mux_consumed(v->stream, WINDOW / 4, 2000);
    OK(!mux_has_output(p->b.mux)); /* in halves only */
    mux_consumed(v->stream, WINDOW / 4, 2000);
    settle(p);
    OK_INT(v->received, WINDOW + WINDOW / 4);
    pair_free(p);
}

/* Sends `total` bytes as fast as the queue takes them; each turn costs `turn_us`. Returns the most that was in flight. */
static size_t pump(struct pair *p, struct user *u, struct user *v, size_t total, uint64_t turn_us)
{
    size_t queued = u->sent_back, most = 0;
    for (unsigned turn = 0; v->received < total && turn < 100000; turn++) {
        size_t before = v->received;
        while (carry(&p->a, 100000, 100000) > 0)
            ;
        while (queued < total && queued - u->sent_back < WINDOW) {
            size_t len = WINDOW - (queued - u->sent_back) < total - queued ? WINDOW - (queued - u->sent_back) : total - queued;
            user_send(u, queued, len, false);
            queued += len;
            while (carry(&p->a, 100000, 100000) > 0)
                ;
        }
        most = v->received - before > most ? v->received - before : most;
        p->a.now_us += turn_us;
        p->b.now_us += turn_us;
        if (!v->eat)
            mux_consumed(v->stream, v->received - before, p->b.now_us);
        while (carry(&p->b, 100000, 100000) > 0)
            ;
    }
    return most;
}

static void run_growth(uint64_t turn_us, bool grows)
{
    struct pair *p = pair_create();
    struct user u;
    p->b.eat = false;
    user_open(&p->a, &u);
    settle(p);
    size_t most = pump(p, &u, &p->b.opened[0], 10 * MIB, turn_us);
    OK_INT(p->b.opened[0].received, 10 * MIB);
    if (grows)
        OK(most > 512 * KIB && most <= 1 * MIB);
    else
        OK_INT(most, WINDOW);
    pair_free(p);
}

static void test_credit_grows(void) { run_growth(50000, true); }
static void test_credit_of_a_slow_user(void) { run_growth(2000000, false); }

/* -- hostile frames -------------------------------------------------------------------------------------------------------- */

static const struct error *push_frame(struct side *to, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
                                      size_t len)
{
    struct frame f = {.type = type, .flags = flags, .stream = stream, .length = (uint32_t)len};
    uint8_t *bytes = calloc(1, FRAME_HEAD_BYTES + len);
    frame_encode(&f, bytes);
    if (payload != NULL)
        memcpy(bytes + FRAME_HEAD_BYTES, payload, len);
    const struct error *why = push(to, bytes, FRAME_HEAD_BYTES + len);
    free(bytes);
    return why;
}

#define OPEN_PAYLOAD "\3\1x"

static const struct error *after_open(uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t len)
{
    struct pair *p = pair_create();
    p->raw = true;
    OK(push_frame(&p->b, FRAME_OPEN, 0, 3, OPEN_PAYLOAD, 3) == NULL);
    const struct error *why = push_frame(&p->b, type, flags, stream, payload, len);
    if (why != NULL) {
        OK(push(&p->b, "", 1) == why); /* once broken, for ever */
        OK(!mux_has_output(p->b.mux));
    }
    pair_free(p);
    return why;
}

static void test_rules(void)
{
    OK(after_open(FRAME_DATA, 0, 3, NULL, WINDOW) == NULL);
    OK(after_open(FRAME_DATA, 0, 3, NULL, WINDOW + 1) == &error_window_overrun);
    OK(after_open(FRAME_DATA, 0, 3, NULL, 0) == NULL);
    OK(after_open(FRAME_DATA, 0, 5, "x", 1) == &error_protocol_error);   /* was never opened */
    OK(after_open(FRAME_DATA, 0, 1, "x", 1) == NULL);                    /* below the highest: late */
    OK(after_open(FRAME_DATA, 0, 2, "x", 1) == &error_protocol_error);   /* ours, never opened */
    OK(after_open(FRAME_RESET, 0, 5, "\0\24", 2) == &error_protocol_error);
    OK(after_open(FRAME_OPEN, 0, 3, OPEN_PAYLOAD, 3) == &error_protocol_error); /* used twice */
    OK(after_open(FRAME_OPEN, 0, 1, OPEN_PAYLOAD, 3) == &error_protocol_error); /* goes back */
    OK(after_open(FRAME_OPEN, 0, 4, OPEN_PAYLOAD, 3) == &error_protocol_error); /* the other side's */
    OK(after_open(FRAME_OPEN, 0, 5, OPEN_PAYLOAD, 3) == NULL);
    OK(after_open(FRAME_OPEN, 0, 5, "\3\2x", 3) == &error_protocol_error);
    OK(after_open(FRAME_ACCEPT, 0, 3, NULL, 0) == &error_protocol_error); /* accepts its own */
    OK(after_open(FRAME_REFUSE, 0, 3, "\0\5", 2) == &error_protocol_error);
    OK(after_open(FRAME_WINDOW, 0, 3, "\77\0\0\0", 4) == NULL);
    OK(after_open(FRAME_WINDOW, 0, 3, "\177\377\377\377", 4) == &error_protocol_error);
    OK(after_open(FRAME_WINDOW, 0, 3, "\0\0", 2) != NULL);
    OK(after_open(0xf0, 0, 0, NULL, 5) == &error_frame_unknown);
    OK(after_open(0x70, 0, 0, NULL, 5) == NULL);
    OK(after_open(FRAME_OPEN, 0, 5, NULL, FRAME_CONTROL_MAX + 1) == &error_frame_too_large);
}

static void test_data_after_fin(void)
{
    struct pair *p = pair_create();
    OK(push_frame(&p->b, FRAME_OPEN, 0, 1, OPEN_PAYLOAD, 3) == NULL);
    OK(push_frame(&p->b, FRAME_DATA, FRAME_FLAG_FIN, 1, NULL, 0) == NULL);
    OK(p->b.opened[0].fin);
    OK(push_frame(&p->b, FRAME_DATA, 0, 1, "x", 1) == &error_protocol_error);
    pair_free(p);
}

static void test_reasons(void)
{
    struct pair *p = pair_create();
    for (uint32_t id = 1; id <= 5; id += 2)
        OK(push_frame(&p->b, FRAME_OPEN, 0, id, OPEN_PAYLOAD, 3) == NULL);
    OK(push_frame(&p->b, FRAME_RESET, 0, 1, "\0\0", 2) == NULL);
    OK(push_frame(&p->b, FRAME_RESET, 0, 3, "\377\377", 2) == NULL);
    OK(push_frame(&p->b, FRAME_RESET, 0, 5, "\0\26", 2) == NULL);
    OK(p->b.opened[0].reason == &error_cancelled); /* "no error" is no way to cut */
    OK(p->b.opened[1].reason == &error_protocol_error);
    OK(p->b.opened[2].reason == &error_visitor_gone);
    pair_free(p);
}

static void test_ping(void)
{
    struct pair *p = pair_create();
    uint8_t out[64];
    OK(push_frame(&p->b, FRAME_PING, 0, 0, "12345678", 8) == NULL);
    OK(p->b.woken);
    OK_INT(mux_pull(p->b.mux, out, sizeof(out)), FRAME_HEAD_BYTES + 8);
    OK_INT(out[0], FRAME_PONG);
    OK(memcmp(out + FRAME_HEAD_BYTES, "12345678", 8) == 0);
    OK(push_frame(&p->b, FRAME_PONG, 0, 0, "12345678", 8) == NULL);
    OK(!mux_has_output(p->b.mux));
    pair_free(p);
}

static void test_flood(void)
{
    struct pair *p = pair_create();
    const struct error *why = NULL;
    unsigned i;
    for (i = 0; why == NULL && i < 200000; i++)
        why = push_frame(&p->b, FRAME_PING, 0, 0, "12345678", 8);
    OK(why == &error_window_overrun);
    OK(mux_failed(p->b.mux) == why);
    OK(i <= MUX_CONTROL_MAX / 20 + 1);
    pair_free(p);
}

static void test_open_flood(void)
{
    struct pair *p = pair_create();
    p->b.accept = false;
    for (uint32_t i = 0; i < STREAMS_PENDING_MAX + 100; i++)
        OK(push_frame(&p->b, FRAME_OPEN, 0, 2 * i + 1, OPEN_PAYLOAD, 3) == NULL);
    OK_INT(mux_stream_count(p->b.mux), STREAMS_PENDING_MAX);
    pair_free(p);
}

/* -- the session ------------------------------------------------------------------------------------------------------------ */

static void test_limits(void)
{
    struct pair *p = pair_create_with(2, 0);
    struct user u[2];
    struct open_head head = {.kind = STREAM_KIND_TCP, .service = "x"};
    const struct error *why = NULL;
    user_open(&p->a, &u[0]);
    user_open(&p->a, &u[1]);
    OK(mux_open(p->a.mux, &head, &stream_events, &u[0], &why) == NULL);
    OK(why == &error_limit);
    settle(p);
    OK(push_frame(&p->b, FRAME_OPEN, 0, 5, OPEN_PAYLOAD, 3) == NULL);
    OK_INT(p->b.opened_count, 2);
    pair_free(p);
}

static void test_opens_in_a_second(void)
{
    struct pair *p = pair_create_with(100, 4);
    struct user u[8];
    for (unsigned i = 0; i < 6; i++)
        user_open(&p->a, &u[i]);
    settle(p);
    OK(u[3].reason == NULL && u[3].accepts == 1);
    OK(u[4].reason == &error_limit && u[5].reason == &error_limit);
    p->b.now_us += 260000; /* room for one more */
    user_open(&p->a, &u[6]);
    user_open(&p->a, &u[7]);
    settle(p);
    OK(u[6].accepts == 1 && u[7].reason == &error_limit);
    OK_INT(p->b.opened_count, 5);
    pair_free(p);
}

static void test_weight(void)
{
    struct pair *p = pair_create();
    mux_say_weight(p->b.mux, 7);
    settle(p);
    OK_INT(p->a.weight, 7);
    mux_say_weight(p->b.mux, 0);
    settle(p);
    OK_INT(p->a.weight, 0);
    OK(push_frame(&p->a, FRAME_WEIGHT, 0, 0, "x", 1) == &error_protocol_error);
    pair_free(p);
}

static void test_public(void)
{
    struct pair *p = pair_create();
    const struct public_port said = {.why = &error_none, .port = 2222, .service = "ssh", .host = "example.com"};
    mux_say_public(p->b.mux, &said);
    settle(p);
    OK(p->a.port.why == &error_none);
    OK_INT(p->a.port.port, 2222);
    OK_TEXT(p->a.port.service, "ssh");
    OK_TEXT(p->a.port.host, "example.com");
    OK(push_frame(&p->a, FRAME_PUBLIC, 0, 0, "x", 1) == &error_protocol_error);
    pair_free(p);
}

static void test_goaway(void)
{
    struct pair *p = pair_create();
    struct user u, v;
    struct open_head head = {.kind = STREAM_KIND_TCP, .service = "x"};
    const struct error *why = NULL;
    user_open(&p->a, &u);
    user_open(&p->a, &v);
    mux_say_goaway(p->b.mux, &error_shutting_down);
    mux_say_goaway(p->b.mux, &error_limit);
    settle(p);
    OK(p->a.goaway == &error_shutting_down);
    OK(u.reason == &error_shutting_down); /* it was under way */
    OK(mux_open(p->a.mux, &head, &stream_events, &u, &why) == NULL);
    OK(why == &error_shutting_down);
    pair_free(p);
}

static void test_services(void)
{
    struct pair *p = pair_create();
    struct service_entry list[3] = {
        {STREAM_KIND_HTTP, "one", NULL, 0}, {STREAM_KIND_WS, "two", NULL, 0}, {STREAM_KIND_TCP, "three", NULL, 0}};
    mux_say_services(p->a.mux, list, 1);
    mux_say_services(p->a.mux, list, 3); /* only the newest is said */
    settle_in_pieces(p, 7, 5);
    OK_INT(p->b.services_calls, 1);
    OK_INT(p->b.services_count, 3);
    OK_TEXT(p->b.services[2].name, "three");
    mux_say_services(p->a.mux, list, 0);
    settle(p);
    OK_INT(p->b.services_count, 0);
    OK_INT(p->b.services_calls, 2);
    pair_free(p);
}

static void test_many_services(void)
{
    struct pair *p = pair_create();
    struct service_entry *list = calloc(SERVICES_MAX, sizeof(*list));
    for (unsigned i = 0; i < SERVICES_MAX; i++) {
        list[i].kind = STREAM_KIND_HTTP;
        snprintf(list[i].name, sizeof(list[i].name), "s%u-%050u", i, i);
    }
    mux_say_services(p->a.mux, list, SERVICES_MAX);
    settle(p);
    OK_INT(p->b.services_count, SERVICES_MAX);
    static const uint8_t rules[SERVICE_RULES_MAX];
    for (unsigned i = 0; i < SERVICES_MAX; i++) {
        list[i].options = rules;
        list[i].options_len = sizeof(rules);
    }
    mux_say_services(p->a.mux, list, SERVICES_MAX); /* what does not fit is left out, and nothing breaks */
    settle(p);
    OK(p->b.services_count > 10 && p->b.services_count < 20);
    free(list);
    pair_free(p);
}

static void test_control_before_data_and_turns(void)
{
    struct pair *p = pair_create();
    struct user u, u2;
    uint8_t out[3 * FRAME_DATA_QUANTUM];
    user_open(&p->a, &u);
    user_open(&p->a, &u2);
    settle(p);
    user_send(&u, 0, WINDOW, false);
    user_send(&u2, 0, WINDOW, false);
    mux_say_goaway(p->a.mux, &error_shutting_down);
    OK_INT(mux_stream_blocked(u.stream), MUX_BLOCKED_SESSION);
    size_t len = mux_pull(p->a.mux, out, sizeof(out));
    struct frame f[4];
    size_t at = 0;
    for (unsigned i = 0; i < 4 && at + FRAME_HEAD_BYTES <= len; i++) {
        OK(frame_decode(&f[i], out + at) == NULL);
        at += FRAME_HEAD_BYTES + f[i].length;
    }
    OK_INT(at, len);
    OK_INT(f[0].type, FRAME_GOAWAY);
    OK(f[1].stream == 1 && f[1].length == FRAME_DATA_QUANTUM);
    OK(f[2].stream == 3 && f[2].length == FRAME_DATA_QUANTUM);
    OK_INT(f[3].stream, 1);
    OK(push(&p->b, out, len) == NULL);
    settle(p);
    OK_INT(p->b.opened[1].received, WINDOW);
    pair_free(p);
}

static void test_many_idle_streams(void)
{
    struct pair *p = pair_create();
    struct user *u = calloc(10000, sizeof(*u));
    p->b.eat = false;
    for (unsigned i = 0; i < 10000; i++) {
        user_open(&p->a, &u[i]);
        user_send(&u[i], 0, 100, false);
        if (i % 50 == 49)
            settle(p);
    }
    OK_INT(mux_stream_count(p->b.mux), 10000);
    OK_INT(u[9999].accepts, 1);
    user_send(&u[77], 100, 100, false);
    settle(p);
    OK_INT(u[77].sent_back, 200);
    mux_free(&p->a.mux, &error_session_lost);
    OK_INT(u[5000].ends, 1);
    mux_free(&p->b.mux, &error_session_lost);
    free(p);
    free(u);
}

/* Four with bulk, whose turns have come and gone, and one that now has a little to say. */
static void test_small_goes_first(void)
{
    struct pair *p = pair_create();
    struct user bulk[4], small;
    for (unsigned i = 0; i < 4; i++) {
        user_open(&p->a, &bulk[i]);
        user_send(&bulk[i], 0, 60000, false);
    }
    user_open(&p->a, &small);
    user_send(&small, 0, 100, false);
    struct user *there = p->b.opened;
    carry(&p->a, 9 * (FRAME_DATA_QUANTUM + 200), 200000); /* two turns of each */
    OK(there[0].received > 0 && there[3].received > 0);
    OK_INT(there[4].received, 100);
    user_send(&small, 100, 100, false);
    size_t before = there[0].received + there[1].received + there[2].received + there[3].received;
    carry(&p->a, FRAME_DATA_QUANTUM + 2000, 100000);
    OK_INT(there[4].received, 200);
    OK(there[0].received + there[1].received + there[2].received + there[3].received > before);
    settle(p);
    for (unsigned i = 0; i < 4; i++)
        OK_INT(there[i].received, 60000);
    pair_free(p);
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"open, accept, data, half-close, end", test_life},
        {"the same, cut at every boundary", test_every_boundary},
        {"both ends open", test_both_open},
        {"refuse", test_refuse},
        {"reset drops what is queued", test_reset},
        {"reset inside callbacks", test_reset_inside_callbacks},
        {"free ends all streams with a reason", test_free_ends_all},
        {"a stalled reader stops its own stream only", test_stalled_reader_stops_itself_only},
        {"credit grows for a user that keeps up", test_credit_grows},
        {"credit does not grow for a slow user", test_credit_of_a_slow_user},
        {"the rules of frames", test_rules},
        {"DATA after FIN", test_data_after_fin},
        {"reasons of RESET", test_reasons},
        {"PING", test_ping},
        {"a peer that only asks", test_flood},
        {"a peer that only opens", test_open_flood},
        {"limits", test_limits},
        {"opens in a second", test_opens_in_a_second},
        {"WEIGHT", test_weight},
        {"PUBLIC", test_public},
        {"GOAWAY", test_goaway},
        {"SERVICES", test_services},
        {"more services than fit", test_many_services},
        {"control before data, data in turns", test_control_before_data_and_turns},
        {"10,000 idle streams", test_many_idle_streams},
        {"a little to say goes before bulk", test_small_goes_first},
    };
    return TAP_RUN(cases);
}
