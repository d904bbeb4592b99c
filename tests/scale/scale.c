/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scale: thousands of clients in one process, each with an MQTT connection, presence and sessions of its own, against one
 * server; then requests to them through it. Prints what an idle client and a live session cost the server, and how long
 * requests take.
 *
 *     scale CLIENTS LIVE REQUESTS MQTT_PORT HTTP_PORT SERVER_PID [plain] [at-once]
 *
 * Each client is a whole hub (peer/hub.h) on a link of this program's own: link.h over a plain socket, because the library
 * below the real one allows one connection a process. `plain`: the server runs with --no-encryption, and sessions
 * are made by the first request instead of with the presence.
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/object.h"
#include "config/identity.h"
#include "link/link.h"
#include "mdm-tunnel/limits.h"
#include "mqtt/packet.h"
#include "peer/hub.h"

#define BATCH 200          /* clients that connect at the same time, unless all do (at-once) */
#define WAIT_US (120 * US_PER_S)
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"

static struct {
    uint16_t mqtt_port, http_port;
    unsigned clients, live, requests;
    long server_pid;
    bool plain, at_once;
} options;
static atomic_uint up_count, session_count;
static struct worker *worker;

/* -- link.h on a plain socket: MQTT 3.1.1, whole packets, no reconnecting ------------------------------------------ */

struct link {
    OBJECT_MAGIC;
    struct link_config config;
    struct bufferevent *socket;
    char client_id[INSTANCE_TEXT_BYTES + 1];
    bool up;
};
#define SCALE_LINK_MAGIC 0x736c6e6b

static void fail(const char *what)
{
    fprintf(stderr, "scale: %s\n", what);
    exit(1);
}

static void packet_send(struct link *l, const struct mqtt_packet *p)
{
    uint8_t bytes[2048];
    struct bytes_writer w;
    bytes_writer_init(&w, bytes, sizeof(bytes));
    mqtt_encode(&w, MQTT_V3_1_1, p);
    bufferevent_write(l->socket, bytes, bytes_written(&w));
}

static void say_hello(struct link *l)
{
    struct mqtt_packet connect = {.type = MQTT_CONNECT};
    connect.connect = (struct mqtt_connect){.version = MQTT_V3_1_1,
                                            .clean_start = true,
                                            .client_id = mqtt_span_of(l->client_id),
                                            .has_will = true,
                                            .will_retain = true,
                                            .will_qos = 1,
                                            .will_topic = mqtt_span_of(l->config.presence_topic),
                                            .will_payload = mqtt_span_of("")};
    packet_send(l, &connect);
    uint8_t list[1024];
    struct bytes_writer w;
    bytes_writer_init(&w, list, sizeof(list));
    for (const char *const *f = l->config.filters; *f != NULL; f++)
        mqtt_filter_write(&w, MQTT_SUBSCRIBE, &(struct mqtt_filter){.filter = mqtt_span_of(*f)});
    struct mqtt_packet subscribe = {.type = MQTT_SUBSCRIBE};
    subscribe.subscribe = (struct mqtt_subscribe){.packet_id = 1, .filters = {list, bytes_written(&w)}};
    packet_send(l, &subscribe);
}

void link_set_presence(struct link *l, const char *presence)
{
    struct mqtt_packet publish = {.type = MQTT_PUBLISH};
    publish.publish = (struct mqtt_publish){.retain = true,
                                            .qos = 1,
                                            .packet_id = 2,
                                            .topic = mqtt_span_of(l->config.presence_topic),
                                            .payload = mqtt_span_of(presence)};
    packet_send(l, &publish);
}

static void packet_take(struct link *l, const struct mqtt_packet *p)
{
    if (p->type == MQTT_PUBLISH) {
        char topic[MQTT_TOPIC_MAX + 1];
        snprintf(topic, sizeof(topic), "%.*s", (int)p->publish.topic.len, (const char *)p->publish.topic.data);
        struct slice payload = slice_copy(p->publish.payload.data, p->publish.payload.len);
        l->config.events->message(l->config.ctx, topic, &payload, p->publish.retain, 0);
        slice_done(&payload);
    } else if (p->type == MQTT_SUBACK) {
        l->up = true; /* before the server hears of it and says HELLO */
        l->config.events->up(l->config.ctx, "scale");
        link_set_presence(l, l->config.presence);
    } else if (p->type == MQTT_PUBACK) {
        atomic_fetch_add(&up_count, 1);
    }
}

static void on_read(struct bufferevent *socket, void *ctx)
{
    struct link *l = ctx;
    struct evbuffer *in = bufferevent_get_input(socket);
    for (;;) {
        uint8_t front[MQTT_HEADER_MAX];
        struct mqtt_header h;
        struct mqtt_packet p;
        struct mqtt_fault fault;
        ev_ssize_t len = evbuffer_copyout(in, front, sizeof(front));
        if (len <= 0 || mqtt_header_parse(front, (size_t)len, &h) != MQTT_DONE ||
            evbuffer_get_length(in) < (size_t)h.size + h.length)
            return;
        const uint8_t *all = evbuffer_pullup(in, (ev_ssize_t)(h.size + h.length));
        if (!mqtt_decode(&p, MQTT_V3_1_1, &h, all + h.size, &fault))
            fail("the server's packet cannot be read");
        packet_take(l, &p);
        evbuffer_drain(in, (size_t)h.size + h.length);
    }
}

static void on_event(struct bufferevent *socket, short what, void *ctx)
{
    int one = 1;
    if ((what & BEV_EVENT_CONNECTED) == 0)
        fail("a connection to the server is lost");
    setsockopt(bufferevent_getfd(socket), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    say_hello(ctx);
}

void link_start(struct link *l)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(options.mqtt_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    l->socket = bufferevent_socket_new(worker_events(worker), -1, BEV_OPT_CLOSE_ON_FREE);
    if (l->socket == NULL)
        fail("out of memory");
    bufferevent_setcb(l->socket, on_read, NULL, on_event, l);
    bufferevent_enable(l->socket, EV_READ | EV_WRITE);
    if (bufferevent_socket_connect(l->socket, (const struct sockaddr *)&to, sizeof(to)) != 0)
        fail("cannot connect");
}

size_t link_room(struct link *l, const char *topic)
{
    (void)topic;
    return l->up ? 32 * KIB : 0;
}

size_t link_max_payload(const struct link *l)
{
    (void)l;
    return ENVELOPE_MAX_EMBEDDED;
}

void link_publish(struct link *l, const char *topic, struct slice payload)
{
    uint8_t head[MQTT_TOPIC_MAX + 16];
    struct bytes_writer w;
    const struct mqtt_publish p = {.topic = mqtt_span_of(topic), .payload = {payload.data, payload.len}};
    bytes_writer_init(&w, head, sizeof(head));
    mqtt_publish_head_write(&w, MQTT_V3_1_1, &p);
    bufferevent_write(l->socket, head, bytes_written(&w));
    bufferevent_write(l->socket, payload.data, payload.len);
    slice_done(&payload);
}

void link_close(struct link *l) { (void)l; }

void link_free(struct link **lp)
{
    struct link *l;
    TAKE_OBJECT(l, lp, SCALE_LINK_MAGIC);
    if (l->socket != NULL)
        bufferevent_free(l->socket);
    FREE_OBJECT(l);
}

/* -- a client: answers every request ------------------------------------------------------------------------------- */

struct answering {
    struct conduit *conduit;
    unsigned matched; /* bytes of the empty line that ends a head */
};

static void on_readable(void *ctx)
{
    struct answering *a = ctx;
    struct slice_queue *in = conduit_input(a->conduit);
    while (in->bytes > 0) {
        struct slice s = slice_queue_shift(in);
        for (size_t i = 0; i < s.len; i++) {
            a->matched = s.data[i] == "\r\n\r\n"[a->matched] ? a->matched + 1 : s.data[i] == '\r';
            if (a->matched == 4) {
                a->matched = 0;
                conduit_write(a->conduit, slice_static(ANSWER, sizeof(ANSWER) - 1), false);
            }
        }
        conduit_consumed(a->conduit, s.len);
        slice_done(&s);
    }
}

static void on_stream_ended(void *ctx, const struct error *reason)
{
    struct answering *a = ctx;
    conduit_close(&a->conduit, reason);
    free(a);
}

static const struct conduit_events answering_events = {.readable = on_readable, .ended = on_stream_ended};

static void on_opened(void *ctx, struct hub_shard *s, struct conduit *c, const struct open_head *head)
{
    (void)ctx, (void)s, (void)head;
    struct answering *a = calloc(1, sizeof(*a));
    if (a == NULL)
        fail("out of memory");
    a->conduit = c;
    conduit_set_events(c, &answering_events, a);
    conduit_accept(c);
}

static void on_session_up(void *ctx, const char *peer)
{
    (void)ctx, (void)peer;
    atomic_fetch_add(&session_count, 1);
}

static const struct hub_events events = {.opened = on_opened, .session_up = on_session_up};

static struct hub *client_create(unsigned number, const struct seal_context *seal)
{
    static const struct service_entry web = {.kind = STREAM_KIND_HTTP, .name = "web"};
    uint8_t random[INSTANCE_BYTES];
    char id[16], instance[INSTANCE_TEXT_BYTES + 1];
    struct link *l;
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        fail("no random numbers");
    for (unsigned i = 0; i < INSTANCE_BYTES; i++)
        snprintf(instance + 2 * i, 3, "%02x", random[i]);
    snprintf(id, sizeof(id), "c%u", number);
    struct hub *h = hub_create(&(struct hub_config){.workers = &worker,
                                                    .worker_count = 1,
                                                    .prefix = "mdm",
                                                    .instance = instance,
                                                    .id = id,
                                                    .weight = 1,
                                                    .events = &events,
                                                    .seal = seal,
                                                    .max_envelope = ENVELOPE_MAX_EMBEDDED,
                                                    .window_max = SESSION_WINDOW_MAX,
                                                    .grace_us = 60 * US_PER_S,
                                                    .idle_us = 10 * US_PER_S,
                                                    .up_us = 60 * US_PER_S});
    ALLOC_OBJECT(l, SCALE_LINK_MAGIC);
    if (h == NULL || l == NULL || !hub_offer(h, &web, 1))
        fail("out of memory");
    hub_link_config(h, 0, &l->config);
    memcpy(l->client_id, instance, sizeof(instance));
    hub_set_link(h, 0, l);
    return h;
}

/* -- requests ------------------------------------------------------------------------------------------------------ */

static int visitor_connect(void)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(options.http_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval limit = {.tv_sec = 30};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
        fail("cannot reach the server's public port");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

/* The status; the answer is complete when its last three bytes, "ok\n" or a page's, are there: short ones come whole. */
static int ask(int fd, unsigned number)
{
    char text[4096];
    int len = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: web.c%u.localhost\r\n\r\n", number);
    if (send(fd, text, (size_t)len, MSG_NOSIGNAL) != len)
        fail("the server has closed a visitor's connection");
    size_t got = 0;
    char *end = NULL;
    while (end == NULL || got < (size_t)(end + 4 - text) + strtoul(strstr(text, "Content-Length:") + 15, NULL, 10)) {
        ssize_t n = recv(fd, text + got, sizeof(text) - 1 - got, 0);
        if (n <= 0)
            fail("no answer");
        got += (size_t)n;
        text[got] = '\0';
        end = strstr(text, "\r\n\r\n");
        if (end != NULL && strstr(text, "Content-Length:") == NULL)
            fail("an answer without a length");
    }
    return atoi(text + 9);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static unsigned chance(unsigned below)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (unsigned)(state % below);
}

/* `count` requests: to clients 0, 1, 2 ... or to any of the first `among`. */
static void measure(const char *what, unsigned count, unsigned among, bool in_order)
{
    uint64_t *took = calloc(count, sizeof(*took));
    int fd = visitor_connect();
    for (unsigned i = 0; i < count; i++) {
        uint64_t began = clock_now_us();
        if (ask(fd, in_order ? i : chance(among)) != 200)
            fail("an answer that is not 200");
        took[i] = clock_now_us() - began;
    }
    close(fd);
    qsort(took, count, sizeof(*took), compare);
    printf("%s: %u requests, median %.2f ms, p99 %.2f ms\n", what, count, (double)took[count / 2] / 1000,
           (double)took[count * 99 / 100] / 1000);
    free(took);
}

/* -- the server's memory and time ------------------------------------------------------------------------------------------- */

static double server_kib(void)
{
    char path[64], line[256];
    unsigned long kib = 0;
    snprintf(path, sizeof(path), "/proc/%ld/status", options.server_pid);
    FILE *f = fopen(path, "re");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "VmRSS: %lu", &kib) == 1)
            break;
    if (f != NULL)
        fclose(f);
    if (kib == 0)
        fail("the server is not there");
    return (double)kib;
}

static double server_cpu_s(void)
{
    char path[64];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%ld/stat", options.server_pid);
    FILE *f = fopen(path, "re");
    if (f == NULL || fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        fail("the server is not there");
    fclose(f);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void wait_for(atomic_uint *count, unsigned wanted)
{
    for (uint64_t end = clock_now_us() + WAIT_US; atomic_load(count) < wanted;) {
        if (clock_now_us() > end)
            fail("waited in vain");
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

/* -- the run ------------------------------------------------------------------------------------------------------- */

static void clients_start(const struct seal_context *seal)
{
    for (unsigned i = 0; i < options.clients; i++) {
        hub_start(client_create(i, seal));
        if (((i + 1) % BATCH == 0 && !options.at_once) || i + 1 == options.clients) {
            wait_for(&up_count, i + 1);
            if (seal != NULL)
                wait_for(&session_count, i + 1);
        }
    }
    int fd = visitor_connect();
    for (uint64_t end = clock_now_us() + WAIT_US; options.live > 0 && ask(fd, 0) != 200;)
        if (clock_now_us() > end)
            fail("the server does not know a client");
    close(fd);
}

static void run(const struct seal_context *seal)
{
    double before = server_kib(), cpu_s = server_cpu_s();
    uint64_t began = clock_now_us();
    clients_start(seal);
    double idle = server_kib();
    printf("%u clients %s in %.1f s, %.1f s of the server's processor time\n", options.clients,
           seal != NULL ? "with encrypted sessions" : "announced", (double)(clock_now_us() - began) / US_PER_S,
           server_cpu_s() - cpu_s);
    printf("server: %.1f KiB for each of them\n", (idle - before) / options.clients);
    measure("the first request to a client", options.live, options.live, true);
    printf("server: %.1f KiB more for each client that was asked, sessions and idle streams included\n",
           (server_kib() - idle) / options.live);
    measure("any of them", options.requests, options.live, false);
}

int main(int argc, char **argv)
{
    struct identity identity;
    const char *why;
    struct seal_context *seal = NULL;
    if (argc < 7) {
        fprintf(stderr, "usage: scale CLIENTS LIVE REQUESTS MQTT_PORT HTTP_PORT SERVER_PID [plain] [at-once]\n");
        return 2;
    }
    options.clients = (unsigned)strtoul(argv[1], NULL, 10);
    options.live = (unsigned)strtoul(argv[2], NULL, 10);
    options.requests = (unsigned)strtoul(argv[3], NULL, 10);
    options.mqtt_port = (uint16_t)strtoul(argv[4], NULL, 10);
    options.http_port = (uint16_t)strtoul(argv[5], NULL, 10);
    options.server_pid = strtol(argv[6], NULL, 10);
    for (int i = 7; i < argc; i++) {
        options.plain |= strcmp(argv[i], "plain") == 0;
        options.at_once |= strcmp(argv[i], "at-once") == 0;
    }
    if (options.live == 0 || options.live > options.clients || options.requests == 0)
        fail("LIVE is between 1 and CLIENTS, REQUESTS at least 1");
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (!options.plain && (!identity_create(&identity) ||
                           (seal = seal_context_create(&(struct seal_config){.pem = identity.pem}, &why)) == NULL))
        fail("no key");
    worker = worker_create("scale", 0);
    if (worker == NULL || worker_start(worker) != 0)
        fail("no worker");
    run(seal);
    fflush(stdout);
    _exit(0); /* thousands of objects that nobody needs to take apart */
}
