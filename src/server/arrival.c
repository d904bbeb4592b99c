/* SPDX-License-Identifier: Apache-2.0 */
/* The first bytes of a connection, and where they lead. */
#include "server/arrival.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/log.h"
#include "server/address.h"
#include "server/bridge.h"
#include "server/farewell.h"
#include "server/front.h"
#include "server/passthrough.h"
#include "wire/client_hello.h"
#include "wire/proxy_head.h"

#define ARRIVAL_MAGIC 0x61727276

enum arrival_state { ARRIVAL_PROXY, ARRIVAL_HELLO, ARRIVAL_ASK };

struct arrival {
    OBJECT_MAGIC;
    enum arrival_state state;
    struct front *front;
    int fd; /* -1: somebody else's now */
    bool tls;
    bool routed; /* it goes to `route`, whatever it says */
    struct route route;
    uint32_t place; /* in the crowd, until somebody else has it */
    size_t seen; /* bytes that were there at the last look */
    struct list node;
    struct deadline deadline;
    struct event readable;
    struct passthrough ask;
    struct sockaddr_storage address;
    socklen_t address_len;
};

static void arrival_say(const struct arrival *v, const char *text)
{
    struct address a;
    char subject[64];

    if (!log_wanted(LOG_LEVEL_INFO))
        return;
    address_read((const struct sockaddr *)&v->address, &a);
    address_text(&a, subject);
    log_info(subject, "%s", text);
}

/* -- the end ------------------------------------------------------------------------------------------------------- */

static void arrival_free(struct arrival *v)
{
    struct front *f = v->front;

    passthrough_cancel(&v->ask);
    event_del(&v->readable);
    deadline_clear(&v->deadline);
    list_remove(&v->node);
    if (v->fd >= 0)
        close(v->fd);
    front_leave(f, &v->place);
    FREE_OBJECT(v);
    f->arrival_count--;
    front_check_drained(f);
}

static int arrival_give(struct arrival *v)
{
    static const int one = 1;
    int fd = v->fd;

    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
    v->fd = -1;
    return fd;
}

static uint32_t arrival_give_place(struct arrival *v)
{
    uint32_t place = v->place;

    v->place = 0;
    return place;
}

/* What was only looked at is read: else the kernel would throw the answer away with it. */
static void arrival_answer(struct arrival *v, const void *bytes, size_t len)
{
    char *rest = v->front->bytes;

    while (recv(v->fd, rest, sizeof(v->front->bytes), 0) == (ssize_t)sizeof(v->front->bytes))
        continue;
    if (send(v->fd, bytes, len, MSG_NOSIGNAL) < 0)
        arrival_say(v, strerror(errno));
    shutdown(v->fd, SHUT_WR);
}

static void arrival_refuse(struct arrival *v, const char *why)
{
    static const uint8_t unrecognized_name[] = {21, 3, 3, 0, 2, 2, 112}; /* a fatal alert (RFC 6066 3) */

    arrival_say(v, why);
    counter_add(counters_self(), COUNTER_tls_refused, 1);
    arrival_answer(v, unrecognized_name, sizeof(unrecognized_name));
    arrival_free(v);
}

void arrival_expired(struct deadline *d)
{
    struct arrival *v = CONTAINER_OF(d, struct arrival, deadline);

    CHECK_OBJECT(v, ARRIVAL_MAGIC);
    arrival_free(v);
}

void arrivals_close(struct front *f, bool all)
{
    LIST_FOREACH_SAFE(node, next, &f->arrivals) {
        struct arrival *v = CONTAINER_OF(node, struct arrival, node);
        if (all || v->seen == 0)
            arrival_free(v);
    }
}

/* -- where it goes ------------------------------------------------------------------------------------------------- */

static void arrival_to_http(struct arrival *v)
{
    front_add(v->front, arrival_give(v), (const struct sockaddr *)&v->address, v->address_len, arrival_give_place(v), NULL);
    arrival_free(v);
}

static void arrival_to_bridge(struct arrival *v)
{
    static const int on = 1;
    static const unsigned unacknowledged_ms = 120 * 1000;

    if (v->front->config.certificates == NULL) {
        arrival_refuse(v, "no service of that name passes TLS through, and there is no certificate");
        return;
    }
    setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(v->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof(unacknowledged_ms));
    if (!bridge_create(v->front, arrival_give(v), (const struct sockaddr *)&v->address, v->address_len, arrival_give_place(v)))
        counter_add(counters_self(), COUNTER_limits_hit, 1);
    arrival_free(v);
}

static void arrival_asked(void *ctx, enum passthrough_answer answer)
{
    struct arrival *v = ctx;
    struct address a;

    CHECK_OBJECT(v, ARRIVAL_MAGIC);
    if (answer == PASSTHROUGH_NO && !v->routed) {
        arrival_to_bridge(v);
        return;
    }
    address_read((const struct sockaddr *)&v->address, &a);
    if (answer == PASSTHROUGH_YES) {
        passthrough_open(&v->ask, arrival_give(v), arrival_give_place(v), &a);
    } else {
        const struct error *why = answer == PASSTHROUGH_NO ? &error_unknown_service : &error_client_offline;
        arrival_say(v, why->text);
        passthrough_turned_away(&v->ask, &a, why);
    }
    arrival_free(v);
}

/* `name`: the one in the first TLS message; NULL: where it goes is known. */
static void arrival_ask(struct arrival *v, const char *name)
{
    v->state = ARRIVAL_ASK;
    event_del(&v->readable);
    if (name != NULL)
        passthrough_ask(&v->ask, v->front, name, arrival_asked, v);
    else
        passthrough_ask_service(&v->ask, v->front, &v->route, arrival_asked, v);
}

/* -- the first bytes ----------------------------------------------------------------------------------------------- */

/* Speaks HTTP, as it seems: it gets an answer that it can show. */
static void arrival_is_no_tls(struct arrival *v, const char *bytes, size_t len)
{
    static const char page[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 28\r\n"
                               "X-Mdm-Tunnel-Error: bad-request\r\nConnection: close\r\n\r\n"
                               "This port takes HTTPS only.\n";

    counter_add(counters_self(), COUNTER_tls_refused, 1);
    arrival_say(v, "no TLS, or a first message that is not valid");
    if (len > 0 && bytes[0] >= 'A' && bytes[0] <= 'Z')
        arrival_answer(v, page, sizeof(page) - 1);
    arrival_free(v);
}

/* True: look at the next thing at once. */
static bool hello_look(struct arrival *v, const char *bytes, size_t len, bool *wait)
{
    struct client_hello hello;

    switch (client_hello_parse(&hello, bytes, len)) {
    case HELLO_PARSE_MORE:
        *wait = true;
        return false;
    case HELLO_PARSE_BAD:
        arrival_is_no_tls(v, bytes, len);
        return false;
    case HELLO_PARSE_DONE:
        break;
    }
    arrival_ask(v, hello.name);
    return false;
}

/* It is from there, as the proxy says: that address is what counts. False: there are too many from it. */
static bool arrival_move(struct arrival *v, const struct proxy_address *from)
{
    front_leave(v->front, &v->place);
    v->address_len = address_of_proxy(from, &v->address);
    v->place = front_enter(v->front, (const struct sockaddr *)&v->address);
    if (v->place != 0)
        return true;
    if (!v->tls && !v->routed)
        farewell_say(v->fd, &error_limit, PAGE_TEXT);
    arrival_free(v);
    return false;
}

static bool proxy_look(struct arrival *v, const char *bytes, size_t len, bool *wait)
{
    struct proxy_head head;
    size_t used = 0;
    enum proxy_parse result = proxy_head_parse(&head, bytes, len, &used);

    if (result == PROXY_PARSE_MORE) {
        *wait = true;
        return false;
    }
    if (result == PROXY_PARSE_BAD || recv(v->fd, v->front->bytes, used, 0) != (ssize_t)used) {
        arrival_say(v, "a front proxy (--proxy-protocol-from) without a valid PROXY head");
        arrival_free(v);
        return false;
    }
    if (head.proxied && !arrival_move(v, &head.source))
        return false;
    v->state = ARRIVAL_HELLO;
    v->seen = 0;
    if (v->tls)
        return true;
    if (v->routed)
        arrival_ask(v, NULL);
    else
        arrival_to_http(v);
    return false;
}

/* Woken when there is one byte more than now. */
static void arrival_wait(struct arrival *v, size_t seen)
{
    int more = (int)seen + 1;

    v->seen = seen;
    setsockopt(v->fd, SOL_SOCKET, SO_RCVLOWAT, &more, sizeof(more));
}

static void arrival_look(struct arrival *v)
{
    size_t max = v->state == ARRIVAL_PROXY ? PROXY_HEAD_MAX : CLIENT_HELLO_PEEK_MAX;
    bool again = true, wait = false;

    while (again) {
        ssize_t len = recv(v->fd, v->front->bytes, max, MSG_PEEK);
        if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
            arrival_wait(v, 0);
            return;
        }
        if (len <= 0 || (size_t)len == v->seen) { /* the end, or nothing more will come */
            arrival_free(v);
            return;
        }
        again = v->state == ARRIVAL_PROXY ? proxy_look(v, v->front->bytes, (size_t)len, &wait)
                                          : hello_look(v, v->front->bytes, (size_t)len, &wait);
        if (wait)
            arrival_wait(v, (size_t)len);
        max = CLIENT_HELLO_PEEK_MAX;
    }
}

static void arrival_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct arrival *v = ctx;

    (void)fd, (void)what;
    CHECK_OBJECT(v, ARRIVAL_MAGIC);
    arrival_look(v);
}

void arrival_create(struct front *f, int fd, const struct sockaddr *address, socklen_t len, bool tls,
                    const struct route *route)
{
    struct arrival *v = NULL;
    struct address from;

    address_read(address, &from);
    bool proxy = cidr_list_has(&f->config.settings->proxy_protocol_from, from.bytes);

    uint32_t place = front_enter(f, address);
    if (place == 0 && !tls && !proxy && route == NULL)
        farewell_say(fd, &error_limit, PAGE_TEXT);
    if (place == 0) {
        close(fd);
        return;
    }
    if (!tls && !proxy && route == NULL) {
        front_add(f, fd, address, len, place, NULL);
        return;
    }
    if (f->arrival_count < ARRIVALS_PER_WORKER_MAX)
        ALLOC_OBJECT(v, ARRIVAL_MAGIC);
    if (v == NULL) {
        counter_add(counters_self(), COUNTER_limits_hit, 1);
        front_leave(f, &place);
        close(fd);
        return;
    }
    v->place = place;
    v->front = f;
    v->fd = fd;
    v->tls = tls;
    v->routed = route != NULL;
    if (route != NULL)
        v->route = *route;
    v->state = proxy ? ARRIVAL_PROXY : ARRIVAL_HELLO;
    memcpy(&v->address, address, len);
    v->address_len = len;
    deadline_init(&v->deadline);
    list_append(&f->arrivals, &v->node);
    f->arrival_count++;
    deadline_set(&f->deadlines, DEADLINE_ARRIVAL, &v->deadline);
    event_assign(&v->readable, worker_events(f->worker), fd, EV_READ | EV_PERSIST, arrival_readable, v);
    if (v->routed && !proxy) {
        arrival_ask(v, NULL);
        return;
    }
    event_add(&v->readable, NULL);
}
