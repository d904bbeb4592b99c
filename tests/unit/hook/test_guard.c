/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks as the guard of the embedded broker, when they answer later, never, or when nobody waits any more. */
#include <assert.h>

#include "broker/rig.h"
#include "hook/guard.h"
#include "hook/internal.h"

#define ASKED_MAX 16

/* Questions that were left for later, in the order of their coming. */
static struct {
    struct hook_chain *chain;
    struct hook_guard *guard;
    struct mdm_question *asked[ASKED_MAX];
    unsigned count;
} hooks;

/* -- the hook: what says "later" is kept, "no" is denied --------------------------------------------------------------- */

static void note(const char *event, const char *what)
{
    char text[RIG_TEXT];
    snprintf(text, sizeof(text), "%s %s", event, what);
    rig_note(text);
}

static enum mdm_verdict judge(struct mdm_question *q, const char *what)
{
    if (strstr(what, "later") != NULL) {
        pthread_mutex_lock(&rig.lock);
        assert(hooks.count < ASKED_MAX);
        hooks.asked[hooks.count++] = q;
        pthread_mutex_unlock(&rig.lock);
        note("asked", what);
        return MDM_LATER;
    }
    return strcmp(what, "no") == 0 ? MDM_DENY : MDM_ALLOW;
}

static enum mdm_verdict auth_connect(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_connect *c)
{
    (void)ctx, (void)s;
    return judge(q, c->client_id);
}

static enum mdm_verdict auth_publish(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_publish *p)
{
    (void)ctx, (void)s;
    return judge(q, p->topic);
}

static enum mdm_verdict auth_subscribe(void *ctx, const struct mdm_session *s, struct mdm_question *q, const struct mdm_subscribe *f)
{
    (void)ctx, (void)s;
    return judge(q, f->filter);
}

static void connected(void *ctx, const struct mdm_session *s) { (void)ctx, note("connect", s->client_id); }
static void published(void *ctx, const struct mdm_session *s, const struct mdm_publish *p) { (void)ctx, (void)s, note("publish", p->topic); }
static void disconnected(void *ctx, const struct mdm_session *s, const char *why) { (void)ctx, (void)why, note("disconnect", s->client_id); }

static void start(uint64_t timeout_us)
{
    static const struct mdm_hook hook = {.version = MDM_HOOK_VERSION,
                                         .size = sizeof(hook),
                                         .auth_connect = auth_connect,
                                         .auth_publish = auth_publish,
                                         .auth_subscribe = auth_subscribe,
                                         .connect = connected,
                                         .publish = published,
                                         .disconnect = disconnected};
    hooks.chain = hook_chain_create();
    OK(hook_chain_add(hooks.chain, &hook));
    hooks.guard = hook_guard_create(hooks.chain);
    rig.guard = hook_guard_for_broker(hooks.guard);
    OK(rig_create(2, NULL, timeout_us));
    rig_run();
}

static void stop(void)
{
    rig_stop();
    rig.guard = NULL;
    hook_guard_free(&hooks.guard);
    hook_chain_free(&hooks.chain);
    hooks.count = 0;
}

static void answer(unsigned n, enum mdm_verdict verdict)
{
    pthread_mutex_lock(&rig.lock);
    struct mdm_question *q = hooks.asked[n];
    pthread_mutex_unlock(&rig.lock);
    hook_host.answer(q, verdict);
}

/* -- cases ------------------------------------------------------------------------------------------------------------ */

static void connect_later(void)
{
    start(20 * US_PER_S);
    struct mqtt_packet p = connect_packet(MQTT_V5, "later");
    for (unsigned i = 0; i < 2; i++) {
        struct client c = client_open(MQTT_V5);
        client_send(&c, &p);
        client_send(&c, &(struct mqtt_packet){.type = MQTT_PINGREQ});
        OK(rig_wait("asked later", i + 1) >= 0);
        OK_INT(rig_count("+later"), 0);
        answer(i, i == 0 ? MDM_DENY : MDM_ALLOW);
        OK_INT(client_next(&c), MQTT_CONNACK);
        OK_INT(c.p.connack.code, i == 0 ? MQTT_NOT_AUTHORIZED : 0);
        if (i == 1)
            OK_INT(client_next(&c), MQTT_PINGRESP); /* it has waited behind CONNECT */
        else
            OK(client_ends(&c));
        client_close(&c);
    }
    OK(rig_wait("disconnect later", 1) >= 0);
    OK_INT(rig_count("connect later"), 1);
    stop();
}

/* What comes behind a question waits for its answer, also of the same packet. */
static void packets_later(void)
{
    start(20 * US_PER_S);
    struct client c = client_connect(MQTT_V5, "c");
    struct mqtt_packet first = publish_packet("later/1", "x", 1, false), second = publish_packet("no", "x", 1, false);
    uint8_t filters[64];
    struct bytes_writer w;
    bytes_writer_init(&w, filters, sizeof(filters));
    static const char *const names[] = {"later/a", "no", "later/b"};
    for (size_t i = 0; i < 3; i++)
        mqtt_filter_write(&w, MQTT_SUBSCRIBE, &(struct mqtt_filter){.filter = mqtt_span_of(names[i]), .qos = 1});
    client_send(&c, &(struct mqtt_packet){.type = MQTT_SUBSCRIBE, .subscribe = {.packet_id = 9, .filters = {filters, bytes_written(&w)}}});
    client_send(&c, &first);
    client_send(&c, &second);
    OK(rig_wait("asked later/a", 1) >= 0);
    answer(0, MDM_ALLOW);
    OK(rig_wait("asked later/b", 1) >= 0);
    OK_INT(rig_count("asked later/1"), 0);
    answer(1, MDM_DENY);
    OK_INT(client_next(&c), MQTT_SUBACK);
    OK(c.p.suback.codes.len == 3 && memcmp(c.p.suback.codes.data, "\x01\x87\x87", 3) == 0);
    OK(rig_wait("asked later/1", 1) >= 0);
    OK_INT(rig_count("publish later/1"), 0);
    answer(2, MDM_ALLOW);
    OK_INT(client_next(&c), MQTT_PUBACK);
    OK_INT(c.p.ack.reason, 0);
    OK_INT(client_next(&c), MQTT_PUBACK);
    OK_INT(c.p.ack.reason, MQTT_NOT_AUTHORIZED);
    OK_INT(rig_count("asked later/a") + rig_count("asked later/b"), 2); /* each once, though the packet came again */
    OK_INT(rig_count("publish later/1"), 1);
    OK_INT(rig_count("publish no"), 0);
    client_close(&c);
    stop();
}

/* Without an answer in time it is a denial; one that comes then is nobody's any more. */
static void never(void)
{
    start(2 * US_PER_S);
    struct client listener = client_connect(MQTT_V5, "listener"), open = client_connect(MQTT_V5, "open"), stranger = client_open(MQTT_V5);
    struct mqtt_packet p = connect_packet(MQTT_V5, "later"), message = publish_packet("later/1", "x", 1, false);
    OK_INT(client_subscribe(&listener, "#", 1), 1);
    client_send(&stranger, &p);
    client_send(&open, &message);
    OK(rig_wait("asked later", 2) >= 0);
    OK_INT(client_next(&stranger), MQTT_CONNACK);
    OK_INT(stranger.p.connack.code, MQTT_SERVER_BUSY);
    OK(client_ends(&stranger));
    OK(client_dismissed(&open, MQTT_SERVER_BUSY));
    answer(0, MDM_ALLOW);
    answer(1, MDM_ALLOW);
    OK(rig_wait("disconnect open", 1) >= 0);
    OK(client_idle(&listener));
    OK_INT(rig_count("connect later") + rig_count("disconnect later") + rig_count("publish"), 0);
    client_close(&stranger);
    client_close(&open);
    client_close(&listener);
    stop();
}

/* The client goes, or another one with its id takes its place. */
static void gone(void)
{
    start(20 * US_PER_S);
    struct mqtt_packet p = connect_packet(MQTT_V5, "later"), message = publish_packet("later/1", "x", 1, false);
    struct client stranger = client_open(MQTT_V5), c = client_connect(MQTT_V5, "c");
    client_send(&stranger, &p);
    OK(rig_wait("asked later", 1) >= 0);
    client_send(&c, &message);
    OK(rig_wait("asked later/1", 1) >= 0);
    struct client again = client_connect(MQTT_V5, "c");
    OK(client_dismissed(&c, MQTT_SESSION_TAKEN_OVER));
    OK(rig_wait("disconnect c", 1) >= 0);
    client_close(&stranger);
    answer(1, MDM_ALLOW);
    answer(0, MDM_ALLOW); /* it finds the end of its input behind the CONNECT */
    OK(rig_wait("disconnect later", 1) >= 0);
    OK(client_idle(&again));
    OK_INT(rig_count("publish"), 0);
    OK_INT(rig_count("disconnect c"), 1);
    OK_INT(rig_count("disconnect later"), 1);
    client_close(&c);
    client_close(&again);
    OK(rig_wait("disconnect c", 2) >= 0);
    stop();
}

/* The broker ends while questions are out; their answers come before its workers are freed. */
static void ends(void)
{
    start(20 * US_PER_S);
    struct mqtt_packet message = publish_packet("later/1", "x", 1, false);
    struct client c = client_connect(MQTT_V5, "c");
    client_send(&c, &message);
    OK(rig_wait("asked later/1", 1) >= 0);
    broker_close(rig.broker);
    for (unsigned i = 0; i < rig.count; i++)
        worker_stop(rig.workers[i]);
    broker_free(&rig.broker);
    OK_INT(rig_count("disconnect c"), 1);
    answer(0, MDM_ALLOW);
    for (unsigned i = 0; i < rig.count; i++)
        worker_free(&rig.workers[i]);
    OK_INT(rig_count("publish"), 0);
    rig.count = 0;
    client_close(&c);
    free(rig.events);
    rig.events = NULL;
    rig.event_count = 0;
    rig.guard = NULL;
    hook_guard_free(&hooks.guard);
    hook_chain_free(&hooks.chain);
    hooks.count = 0;
}

int main(void)
{
    static const struct tap_case cases[] = {
        {"CONNECT is answered later", connect_later}, {"packets are answered later, in their order", packets_later},
        {"no answer in time", never},                 {"who has asked is gone", gone},
        {"the broker ends", ends},
    };
    return TAP_RUN(cases);
}
