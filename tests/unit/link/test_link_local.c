/* SPDX-License-Identifier: Apache-2.0 */
/* A link to the broker of another process: to ours, and to what speaks as a broker should not. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench_link.h"
#include "broker/broker.h"
#include "mdm-tunnel/limits.h"
#include "tap.h"

static const char *const filters[] = {"mdm/to/a/+", NULL};
static const char *const everywhere[] = {"mdm/at/+/+", NULL};

struct rig {
    struct worker *workers[2];
    struct broker *broker; /* NULL: the test is the broker */
    struct bench a, b;     /* on worker 0 and 1; a's link is the one that is tested */
    int listening;
    struct sockaddr_un address;
    socklen_t address_len;
};

static void local_listen(struct rig *r)
{
    const struct timeval patience = {.tv_sec = BENCH_WAIT_S};
    const struct sockaddr_un any = {.sun_family = AF_UNIX};

    r->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (r->broker != NULL ? SOCK_NONBLOCK : 0), 0);
    OK_INT(bind(r->listening, (const struct sockaddr *)&any, sizeof(any.sun_family)), 0);
    OK_INT(listen(r->listening, 8), 0);
    setsockopt(r->listening, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    r->address_len = sizeof(r->address);
    OK_INT(getsockname(r->listening, (struct sockaddr *)&r->address, &r->address_len), 0);
}

static void do_start(struct bench *b, void *arg)
{
    (void)arg;
    link_start(b->link);
    b->errors += b->ups != 0; /* never from inside a call */
}

static void rig_start(struct rig *r, bool own_broker)
{
    memset(r, 0, sizeof(*r));
    for (unsigned i = 0; i < 2; i++)
        r->workers[i] = worker_create("test", i);
    const struct broker_config config = {.workers = r->workers, .worker_count = 2, .connect_timeout_us = 10 * US_PER_S, .strangers_max = 100};
    if (own_broker)
        r->broker = broker_create(&config);
    local_listen(r);
    if (own_broker)
        OK_INT(broker_listen_at(r->broker, &broker_elders, r->listening), 0);
    bench_init(&r->a, r->workers[0]);
    bench_init(&r->b, r->workers[1]);
    struct link_config way = {
        .worker = r->workers[0], .events = &bench_events, .ctx = &r->a, .filters = filters, .everywhere_filters = everywhere};
    r->a.link = link_local_create(&way, &r->address, r->address_len, "elder-0", 0);
    way = (struct link_config){.worker = r->workers[1], .events = &bench_events, .ctx = &r->b, .filters = filters};
    if (own_broker)
        r->b.link = link_direct_create(&way, broker_shard(r->broker, 1));
    for (unsigned i = 0; i < 2; i++)
        OK_INT(worker_start(r->workers[i]), 0);
}

static void rig_end(struct rig *r)
{
    for (unsigned i = 0; i < 2; i++)
        worker_stop(r->workers[i]);
    link_free(&r->a.link);
    if (r->b.link != NULL)
        link_free(&r->b.link);
    OK_INT(r->a.errors, 0);
    bench_done(&r->a);
    bench_done(&r->b);
    if (r->broker != NULL)
        broker_free(&r->broker);
    for (unsigned i = 0; i < 2; i++)
        worker_free(&r->workers[i]);
    if (r->listening >= 0)
        close(r->listening);
}

/* -- with our broker ----------------------------------------------------------------------------------------------- */

static bool publish_until_it_arrives(struct rig *r)
{
    const struct timespec pause = {0, 10 * 1000 * 1000};
    struct bench_publish m = {"mdm/to/a/x", "hello"};

    for (int i = 0; i < 1000 && bench_read(&r->a, &r->a.messages) == 0; i++) {
        bench_do(&r->b, bench_do_publish, &m);
        nanosleep(&pause, NULL);
    }
    return bench_read(&r->a, &r->a.messages) > 0;
}

static void talks_to_our_broker(void)
{
    struct rig r;
    size_t room = 1;

    rig_start(&r, true);
    bench_do(&r.a, bench_do_room, &room);
    OK_INT(room, 0);
    OK_INT(broker_elders_there(r.broker), 0);
    bench_do(&r.a, do_start, NULL);
    bench_do(&r.b, do_start, NULL);
    OK(bench_await(&r.a, &r.a.ups, 1));
    OK_TEXT(r.a.note, "the broker of another process");
    OK_INT(broker_elders_there(r.broker), 1);
    OK(publish_until_it_arrives(&r));
    OK_TEXT(r.a.topic, "mdm/to/a/x");
    OK_TEXT(r.a.text, "hello");
    bench_do(&r.a, bench_do_room, &room);
    OK_INT(room, ENVELOPE_MAX_EMBEDDED);
    OK_INT(link_max_payload(r.a.link), ENVELOPE_MAX_EMBEDDED);
    unsigned had = bench_read(&r.a, &r.a.messages);
    r.a.flood_left = 200; /* far more than is queued */
    r.a.flood_size = ENVELOPE_MAX_EMBEDDED;
    static char flood[] = "mdm/to/a/flood";
    bench_do(&r.a, bench_do_flood, flood);
    OK(bench_await(&r.a, &r.a.flood_expected, 200));
    OK(bench_read(&r.a, &r.a.messages) >= had + 200);
    OK(bench_read(&r.a, &r.a.writables) > 0);
    bench_do(&r.a, bench_do_close, NULL);
    bench_do(&r.a, bench_do_close, NULL);
    OK(bench_await(&r.a, &r.a.downs, 1));
    OK(r.a.never_again);
    bench_do(&r.a, bench_do_room, &room);
    OK_INT(room, 0);
    struct bench_publish late = {"mdm/to/a/x", "too late"};
    bench_do(&r.a, bench_do_publish, &late);
    for (int i = 0; i < 3000 && broker_elders_there(r.broker) > 0; i++)
        nanosleep(&(struct timespec){0, 10 * 1000 * 1000}, NULL);
    OK_INT(broker_elders_there(r.broker), 0);
    rig_end(&r);
}

/* -- with another one ---------------------------------------------------------------------------------------------- */

#define CONNACK "\x20\x02\x00\x00"
#define SUBACK "\x90\x04\x00\x01\x00\x00"

/* The next connection, after its CONNECT. */
static int served(const struct rig *r, const char *bytes, size_t len)
{
    char in[256];
    int fd = accept(r->listening, NULL, NULL);

    OK(fd >= 0);
    ssize_t n = recv(fd, in, sizeof(in), 0);
    OK(n > 2 && in[0] == 0x10 && memmem(in, (size_t)n, "elder-0", 7) != NULL);
    OK_INT(send(fd, bytes, len, MSG_NOSIGNAL), (long long)len);
    return fd;
}

static void bad_brokers(void)
{
    static const struct {
        const char *bytes, *why;
        size_t len;
    } cases[] = {
#define SAYS(bytes, why) {bytes, why, sizeof(bytes) - 1}
        SAYS("\x20\x02\x00\x05", "the broker refuses the connection"),
        SAYS(CONNACK "\x90\x04\x00\x01\x00\x80", "the broker refuses a subscription"),
        SAYS("\xd0\x00", "a packet that was not expected"),
        SAYS(SUBACK, "a packet that was not expected"),
        SAYS(CONNACK CONNACK, "a packet that was not expected"),
        SAYS("\x30\xff\xff\xff\xff\x7f", "a packet is malformed or too long"),
        SAYS(CONNACK SUBACK "\x30\xff\xff\xff\x7f", "a packet is malformed or too long"),
        SAYS("\x20", "closed by the broker"),
        SAYS(CONNACK SUBACK "\x30\x02\x00\x09", NULL), /* a topic beyond the packet's end */
        SAYS("\x20\x01\x00", NULL),
#undef SAYS
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig r;
        rig_start(&r, false);
        bench_do(&r.a, do_start, NULL);
        int fd = served(&r, cases[i].bytes, cases[i].len);
        if (cases[i].len == 1)
            shutdown(fd, SHUT_RDWR);
        if (!OK(bench_await(&r.a, &r.a.downs, 1)))
            printf("# case %zu\n", i);
        if (cases[i].why != NULL)
            OK_TEXT(r.a.why, cases[i].why);
        else
            OK(r.a.why[0] != '\0');
        OK(!r.a.never_again);
        OK_INT(r.a.messages, 0);
        close(fd);
        rig_end(&r);
    }
}

/* It comes back by itself, and takes a message that arrives in pieces. */
static void tries_again(void)
{
    struct rig r;

    rig_start(&r, false);
    bench_do(&r.a, do_start, NULL);
    int fd = served(&r, CONNACK SUBACK, sizeof(CONNACK SUBACK) - 1);
    OK(bench_await(&r.a, &r.a.ups, 1));
    close(fd);
    OK(bench_await(&r.a, &r.a.downs, 1));
    fd = served(&r, CONNACK, sizeof(CONNACK) - 1);
    send(fd, SUBACK, sizeof(SUBACK) - 1, MSG_NOSIGNAL);
    OK(bench_await(&r.a, &r.a.ups, 2));
    static const char message[] = "\x30\x0d\x00\x08mdm/at/xone";
    for (size_t i = 0; i < sizeof(message) - 1; i++)
        OK_INT(send(fd, message + i, 1, MSG_NOSIGNAL), 1);
    OK(bench_await(&r.a, &r.a.messages, 1));
    OK_TEXT(r.a.topic, "mdm/at/x");
    OK_TEXT(r.a.text, "one");
    close(fd);
    rig_end(&r);
}

static void nobody_listens(void)
{
    struct rig r;

    rig_start(&r, false);
    close(r.listening);
    r.listening = -1;
    bench_do(&r.a, do_start, NULL);
    OK(bench_await(&r.a, &r.a.downs, 2));
    OK_TEXT(r.a.why, strerror(ECONNREFUSED));
    OK(!r.a.never_again);
    OK_INT(r.a.ups, 0);
    bench_do(&r.a, bench_do_close, NULL);
    rig_end(&r);
}

int main(void)
{
    const struct tap_case cases[] = {
        {"talks to our broker", talks_to_our_broker},
        {"what a broker should not say ends the way, with the reason", bad_brokers},
        {"tries again", tries_again},
        {"nobody listens", nobody_listens},
    };
    return TAP_RUN(cases);
}
