/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client and a broker that say anything to mdm-tunnel-proxy, with a hook that denies, changes and answers later. Records: a byte
 * that says what (bits 0-1: the client says, the broker says, the hook answers what waits, an end is cut), its length, and so many bytes;
 * bit 2: then until the proxy has dealt with it. Nothing denied may reach the broker; what either gets are whole packets; `disconnect`
 * comes once for each `connect`; and in the end nothing is left.
 */
#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hook/internal.h"
#include "proxy/inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PACKET_MAX (64 * KIB)
#define OUTPUT_MAX (1 * MIB)
#define LATER_MAX 64

static struct {
    struct worker *worker;
    struct proxy_post *post;
    struct proxy_common common;
    struct proxy_door door;
    struct hook_chain *hooks;
    int listener;
} it;

/* -- the hook: on the worker -------------------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mdm_question *later[LATER_MAX];
static unsigned later_count;
static int connected;

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

static enum mdm_verdict wait(struct mdm_question *q)
{
    pthread_mutex_lock(&lock);
    bool room = later_count < LATER_MAX;
    if (room)
        later[later_count++] = q;
    pthread_mutex_unlock(&lock);
    return room ? MDM_LATER : MDM_DENY;
}

static void answer_all(void)
{
    pthread_mutex_lock(&lock);
    while (later_count > 0)
        hook_host.answer(later[--later_count], MDM_ALLOW);
    pthread_mutex_unlock(&lock);
}

static enum mdm_verdict auth_connect(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_connect *c)
{
    (void)ctx, (void)s;
    if (c->username == NULL)
        return MDM_ALLOW;
    if (begins(c->username, "as"))
        hook_host.replace(q, MDM_CLIENT_ID, "another", 7);
    return begins(c->username, "no") ? MDM_DENY : begins(c->username, "later") ? wait(q) : MDM_ALLOW;
}

static enum mdm_verdict auth_publish(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_publish *p)
{
    (void)ctx, (void)s;
    if (begins(p->topic, "as")) {
        hook_host.replace(q, MDM_TOPIC, "is", 2);
        hook_host.replace(q, MDM_PAYLOAD, "loud", 4);
    }
    return begins(p->topic, "no") ? MDM_DENY : begins(p->topic, "later") ? wait(q) : MDM_ALLOW;
}

static enum mdm_verdict auth_subscribe(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_subscribe *f)
{
    (void)ctx, (void)s;
    if (begins(f->filter, "as"))
        hook_host.replace(q, MDM_TOPIC, "is/#", 4);
    return begins(f->filter, "no") ? MDM_DENY : begins(f->filter, "later") ? wait(q) : MDM_ALLOW;
}

static size_t rewrite(void *ctx, const struct mdm_session *s, enum mdm_direction direction, const char *topic, bool filter, char *out,
                      size_t size)
{
    (void)ctx, (void)s, (void)filter;
    const char *from = direction == MDM_TO_BROKER ? "mine" : "ours", *to = direction == MDM_TO_BROKER ? "ours" : "mine";
    return begins(topic, from) ? (size_t)snprintf(out, size, "%s%s", to, topic + 4) : 0;
}

static void news_connect(void *ctx, const struct mdm_session *s) { (void)ctx, (void)s, connected++; }
static void news_disconnect(void *ctx, const struct mdm_session *s, const char *why) { (void)ctx, (void)s, (void)why, connected--; }
static void news_publish(void *ctx, const struct mdm_session *s, const struct mdm_publish *p)
{
    (void)ctx, (void)s;
    assert(!begins(p->topic, "no"));
}

static const struct mdm_hook hook = {.version = MDM_HOOK_VERSION, .size = sizeof(hook), .auth_connect = auth_connect,
                                     .auth_publish = auth_publish, .auth_subscribe = auth_subscribe, .rewrite = rewrite,
                                     .connect = news_connect, .publish = news_publish, .disconnect = news_disconnect};

/* -- the worker --------------------------------------------------------------------------------------------------------- */

static void emptied(void *ctx) { (void)ctx; }

static void begin(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    it.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    it.hooks = hook_chain_create();
    it.worker = worker_create("worker", 0);
    assert(it.hooks != NULL && it.worker != NULL && hook_chain_add(it.hooks, &hook));
    assert(bind(it.listener, (struct sockaddr *)&a, len) == 0 && listen(it.listener, 16) == 0);
    assert(getsockname(it.listener, (struct sockaddr *)&a, &len) == 0);
    it.common = (struct proxy_common){.hooks = it.hooks, .wants = hook_chain_wants(it.hooks), .lookups = lookups_create(),
                                      .clients = crowd_create(1000, 1000), .packet_max = PACKET_MAX, .connect_us = 10 * US_PER_S,
                                      .drop_denied = true, .emptied = emptied};
    it.door = (struct proxy_door){.kind = {.name = "mqtt"}, .way = {.host = "127.0.0.1", .authority = "127.0.0.1"},
                                  .target = {.kind = TARGET_TCP, .host = "127.0.0.1", .port = ntohs(a.sin_port)}};
    it.post = post_create(&it.common, it.worker, 0);
    assert(it.post != NULL && worker_start(it.worker) == 0);
}

/* Something done on the worker, and waited for. */
struct errand {
    struct mail mail;
    int fd; /* of a client that comes; -1: none */
    bool idle;
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool over;
};

static void errand_run(struct worker *self, struct mail *m)
{
    struct errand *e = CONTAINER_OF(m, struct errand, mail);
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)self;
    if (e->fd >= 0)
        pair_accept(it.post, &it.door, e->fd, (struct sockaddr *)&peer);
    e->idle = list_empty(&it.post->pairs) && list_empty(&it.post->ended);
    pthread_mutex_lock(&e->lock);
    e->over = true;
    pthread_cond_signal(&e->done);
    pthread_mutex_unlock(&e->lock);
}

static void errand_discard(struct mail *m) { (void)m; }

/* Whether nothing is left of any client. */
static bool worker_does(int fd)
{
    struct errand e = {.mail = {.deliver = errand_run, .discard = errand_discard}, .fd = fd, .lock = PTHREAD_MUTEX_INITIALIZER,
                       .done = PTHREAD_COND_INITIALIZER};
    list_init(&e.mail.node);
    worker_post(it.worker, &e.mail);
    pthread_mutex_lock(&e.lock);
    while (!e.over)
        pthread_cond_wait(&e.done, &e.lock);
    pthread_mutex_unlock(&e.lock);
    return e.idle;
}

/* -- what both ends get -------------------------------------------------------------------------------------------------- */

struct end {
    int fd; /* -1: not there (yet), or cut */
    bool is_broker;
    uint8_t got[OUTPUT_MAX];
    size_t len;
};

static bool denied(struct mqtt_span topic) { return topic.len >= 2 && memcmp(topic.data, "no", 2) == 0; }

static void check_packet(const struct mqtt_packet *p)
{
    struct mqtt_span rest = p->subscribe.filters;
    struct mqtt_filter f;
    if (p->type == MQTT_PUBLISH)
        assert(p->publish.topic.len > 0 && !denied(p->publish.topic));
    else if (p->type == MQTT_CONNECT)
        assert(!denied(p->connect.username) && !(p->connect.has_will && denied(p->connect.will_topic)));
    else if (p->type == MQTT_SUBSCRIBE)
        while (mqtt_filter_next(&rest, MQTT_SUBSCRIBE, &f))
            assert(!denied(f.filter));
}

/* All that came are packets, and what the proxy looked at can be read. Returns the version that a CONNECT says. */
static enum mqtt_version check_end(const struct end *e, enum mqtt_version version)
{
    for (size_t at = 0; at < e->len;) {
        struct mqtt_header h;
        struct mqtt_packet p;
        struct mqtt_fault fault;
        enum mqtt_progress progress = mqtt_header_parse(e->got + at, e->len - at, &h);
        assert(progress != MQTT_BAD);
        if (progress == MQTT_MORE || h.size + (size_t)h.length > e->len - at)
            break; /* cut while it was sent */
        const uint8_t *body = e->got + at + h.size;
        bool looked_at = h.type == MQTT_PUBLISH || h.type == MQTT_CONNECT || h.type == MQTT_SUBSCRIBE || h.type == MQTT_UNSUBSCRIBE;
        bool ok = mqtt_decode(&p, version, &h, body, &fault);
        assert(ok || !looked_at);
        if (ok && h.type == MQTT_CONNECT)
            version = p.connect.version;
        if (ok && e->is_broker)
            check_packet(&p);
        at += h.size + (size_t)h.length;
    }
    return version;
}

static void end_read(struct end *e)
{
    while (e->fd >= 0 && e->len < sizeof(e->got)) {
        ssize_t n = recv(e->fd, e->got + e->len, sizeof(e->got) - e->len, MSG_DONTWAIT);
        if (n <= 0)
            return;
        e->len += (size_t)n;
    }
}

static void end_cut(struct end *e)
{
    end_read(e);
    if (e->fd >= 0)
        close(e->fd);
    e->fd = -1;
}

static void say(struct end *e, const uint8_t *data, size_t len)
{
    if (e->fd >= 0 && send(e->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return;
}

/* -- the target ---------------------------------------------------------------------------------------------------------- */

static void broker_accept(struct end *broker)
{
    int fd = accept4(it.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 && broker->fd < 0 && broker->len == 0)
        broker->fd = fd;
    else if (fd >= 0)
        close(fd);
}

static void settle(struct end *client, struct end *broker)
{
    for (unsigned i = 0; i < 4; i++) { /* a dial, an answer that is mail, and output take a turn each */
        worker_does(-1);
        broker_accept(broker);
        end_read(client);
        end_read(broker);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct end client, broker;
    int fds[2];
    if (it.worker == NULL)
        begin();
    client.len = broker.len = 0;
    broker.fd = -1;
    broker.is_broker = true;
    assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    client.fd = fds[0];
    worker_does(fds[1]);
    for (size_t at = 0; at + 2 <= size;) {
        uint8_t what = data[at];
        size_t len = data[at + 1];
        at += 2;
        len = len < size - at ? len : size - at;
        if ((what & 3) == 0)
            say(&client, data + at, len);
        else if ((what & 3) == 1)
            say(&broker, data + at, len);
        else if ((what & 3) == 2)
            answer_all();
        else
            end_cut(len % 2 == 0 ? &client : &broker);
        at += len;
        if ((what & 4) != 0)
            settle(&client, &broker);
    }
    settle(&client, &broker);
    check_end(&client, check_end(&broker, MQTT_V3_1_1));
    end_cut(&client);
    end_cut(&broker);
    do {
        answer_all();
        broker_accept(&broker);
        end_cut(&broker);
    } while (!worker_does(-1));
    assert(connected == 0 && later_count == 0);
    return 0;
}
