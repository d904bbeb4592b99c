/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paho's C client through mdm-tunnel-proxy: paho_client URI 4|5, for MQTT 3.1.1 or 5. Allowed is open/#; denied is everything else.
 * Exit status 0: all was as it should be. Not for ws:// URIs: there paho (1.3.11) now and then does not see a frame that came together with
 * another one.
 */
#include <MQTTAsync.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIMIT_S 30
#define LARGE 300000

static const char *where = "";
static int version;

#define EXPECT(what, ...)                                                           \
    do {                                                                            \
        if (!(what)) {                                                              \
            fprintf(stderr, "%s, MQTT %d, line %d: %s\n", where, version, __LINE__, #what); \
            exit(1);                                                                \
        }                                                                           \
    } while (0)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* What became of one call. */
struct outcome {
    bool over, well;
    int codes[4];
    int count;
};

struct client {
    MQTTAsync handle;
    struct outcome outcome;
    char topic[256], property[32]; /* of the last message */
    char *payload;
    int qos, retained, messages;
};

static void wait_for(const bool *over)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LIMIT_S;
    pthread_mutex_lock(&lock);
    int failure = 0;
    while (!*over && failure == 0)
        failure = pthread_cond_timedwait(&changed, &lock, &until);
    pthread_mutex_unlock(&lock);
    EXPECT(failure == 0);
}

static void end(struct client *c, bool well)
{
    pthread_mutex_lock(&lock);
    c->outcome.well = well;
    c->outcome.over = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void code_add(struct client *c, int code)
{
    if (c->outcome.count < 4)
        c->outcome.codes[c->outcome.count++] = code;
}

/* On a thread of paho's. The QoS is that of a SUBSCRIBE with one filter. */
static void succeeded3(void *ctx, MQTTAsync_successData *d)
{
    struct client *c = ctx;
    if (d != NULL)
        code_add(c, d->alt.qos);
    end(c, true);
}

static void succeeded_many3(void *ctx, MQTTAsync_successData *d)
{
    struct client *c = ctx;
    for (int i = 0; i < 2; i++)
        code_add(c, d->alt.qosList[i]);
    end(c, true);
}

static void failed3(void *ctx, MQTTAsync_failureData *d)
{
    struct client *c = ctx;
    code_add(c, d != NULL ? d->code : -1);
    end(c, false);
}

static void succeeded5(void *ctx, MQTTAsync_successData5 *d)
{
    struct client *c = ctx;
    if (d != NULL)
        code_add(c, d->reasonCode);
    end(c, true);
}

static void succeeded_many5(void *ctx, MQTTAsync_successData5 *d)
{
    struct client *c = ctx;
    for (int i = 0; i < d->alt.sub.reasonCodeCount; i++)
        code_add(c, d->alt.sub.reasonCodes[i]);
    end(c, true);
}

static void failed5(void *ctx, MQTTAsync_failureData5 *d)
{
    struct client *c = ctx;
    code_add(c, d != NULL ? (int)d->reasonCode : -1);
    end(c, false);
}

static int arrived(void *ctx, char *topic, int topic_len, MQTTAsync_message *m)
{
    struct client *c = ctx;
    (void)topic_len;
    pthread_mutex_lock(&lock);
    snprintf(c->topic, sizeof(c->topic), "%s", topic);
    free(c->payload);
    c->payload = calloc(1, (size_t)m->payloadlen + 1);
    memcpy(c->payload, m->payload, (size_t)m->payloadlen);
    c->qos = m->qos;
    c->retained = m->retained;
    c->property[0] = '\0';
    MQTTProperty *p = MQTTProperties_getProperty(&m->properties, MQTTPROPERTY_CODE_USER_PROPERTY);
    if (version == 5 && p != NULL)
        snprintf(c->property, sizeof(c->property), "%.*s", p->value.value.len, p->value.value.data);
    c->messages++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    MQTTAsync_freeMessage(&m);
    MQTTAsync_free(topic);
    return 1;
}

static MQTTAsync_callOptions options(struct client *c)
{
    MQTTAsync_callOptions o = MQTTAsync_callOptions_initializer;
    c->outcome = (struct outcome){.over = false};
    o.context = c;
    if (version == 5) {
        o.onSuccess5 = succeeded5;
        o.onFailure5 = failed5;
    } else {
        o.onSuccess = succeeded3;
        o.onFailure = failed3;
    }
    return o;
}

static void client_connect(struct client *c, const char *name)
{
    char id[32];
    snprintf(id, sizeof(id), "%s%d", name, version);
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer5;
    MQTTAsync_connectOptions five = MQTTAsync_connectOptions_initializer5, three = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions *o = version == 5 ? &five : &three;
    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
    memset(c, 0, sizeof(*c));
    create.MQTTVersion = version;
    EXPECT(MQTTAsync_createWithOptions(&c->handle, where, id, MQTTCLIENT_PERSISTENCE_NONE, NULL, &create) == MQTTASYNC_SUCCESS);
    EXPECT(MQTTAsync_setCallbacks(c->handle, c, NULL, arrived, NULL) == MQTTASYNC_SUCCESS);
    MQTTAsync_callOptions call = options(c);
    o->MQTTVersion = version;
    if (version == 5)
        o->cleanstart = 1;
    else
        o->cleansession = 1;
    o->onSuccess = call.onSuccess;
    o->onFailure = call.onFailure;
    o->onSuccess5 = call.onSuccess5;
    o->onFailure5 = call.onFailure5;
    o->context = c;
    will.topicName = "open/will";
    will.message = "gone";
    o->will = &will;
    EXPECT(MQTTAsync_connect(c->handle, o) == MQTTASYNC_SUCCESS);
    wait_for(&c->outcome.over);
    EXPECT(c->outcome.well);
}

static void client_end(struct client *c)
{
    MQTTAsync_disconnectOptions three = MQTTAsync_disconnectOptions_initializer, five = MQTTAsync_disconnectOptions_initializer5;
    MQTTAsync_disconnectOptions *o = version == 5 ? &five : &three;
    MQTTAsync_callOptions call = options(c);
    o->onSuccess = call.onSuccess;
    o->onSuccess5 = call.onSuccess5;
    o->context = c;
    EXPECT(MQTTAsync_disconnect(c->handle, o) == MQTTASYNC_SUCCESS);
    wait_for(&c->outcome.over);
    MQTTAsync_destroy(&c->handle);
    free(c->payload);
}

/* False: it was denied; the code is the outcome's. */
static bool subscribe(struct client *c, const char *filter, int qos)
{
    MQTTAsync_callOptions o = options(c);
    EXPECT(MQTTAsync_subscribe(c->handle, filter, qos, &o) == MQTTASYNC_SUCCESS);
    wait_for(&c->outcome.over);
    return c->outcome.well;
}

static bool publish(struct client *c, const char *topic, const char *payload, int qos, bool retain)
{
    MQTTAsync_callOptions o = options(c);
    MQTTAsync_message m = MQTTAsync_message_initializer;
    MQTTProperty p = {.identifier = MQTTPROPERTY_CODE_USER_PROPERTY};
    char name[] = "name", value[] = "value";
    m.payload = (void *)(uintptr_t)payload;
    m.payloadlen = (int)strlen(payload);
    m.qos = qos;
    m.retained = retain;
    if (version == 5) {
        p.value.data = (MQTTLenString){4, name};
        p.value.value = (MQTTLenString){5, value};
        EXPECT(MQTTProperties_add(&m.properties, &p) == 0);
    }
    EXPECT(MQTTAsync_sendMessage(c->handle, topic, &m, &o) == MQTTASYNC_SUCCESS);
    wait_for(&c->outcome.over);
    MQTTProperties_free(&m.properties);
    return c->outcome.well;
}

static void comes(struct client *c, int number, const char *topic, const char *payload, int qos, bool retained)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LIMIT_S;
    pthread_mutex_lock(&lock);
    while (c->messages < number && pthread_cond_timedwait(&changed, &lock, &until) == 0) {
    }
    EXPECT(c->messages == number);
    EXPECT(strcmp(c->topic, topic) == 0);
    EXPECT(strcmp(c->payload, payload) == 0);
    EXPECT(c->qos == qos);
    EXPECT(c->retained == retained);
    EXPECT(strcmp(c->property, version == 5 ? "value" : "") == 0);
    pthread_mutex_unlock(&lock);
}

static void messages_pass(struct client *pub)
{
    static char large[LARGE + 1];
    char filter[32], topic[32];
    struct client sub;
    client_connect(&sub, "sub");
    snprintf(filter, sizeof(filter), "open/%d/#", version);
    snprintf(topic, sizeof(topic), "open/%d/a", version);
    EXPECT(subscribe(&sub, filter, 2));
    EXPECT(sub.outcome.codes[0] == 2);
    memset(large, 'x', LARGE);
    for (int qos = 0; qos <= 2; qos++) {
        EXPECT(publish(pub, topic, qos == 2 ? large : "hello", qos, qos == 1));
        comes(&sub, qos + 1, topic, qos == 2 ? large : "hello", qos, false);
    }
    client_end(&sub);
    client_connect(&sub, "late");
    EXPECT(subscribe(&sub, topic, 1));
    comes(&sub, 1, topic, "hello", 1, true);
    client_end(&sub);
}

static void denials_are_said(struct client *c)
{
    char mine[] = "open/b?", closed[] = "closed", *filters[] = {mine, closed};
    int qos[] = {1, 1}, denied = version == 5 ? MQTTREASONCODE_NOT_AUTHORIZED : MQTT_BAD_SUBSCRIBE;
    mine[sizeof("open/b") - 1] = (char)('0' + version);
    EXPECT(!subscribe(c, "closed", 1));
    EXPECT(c->outcome.codes[0] == denied);
    MQTTAsync_callOptions o = options(c);
    if (version == 5)
        o.onSuccess5 = succeeded_many5;
    else
        o.onSuccess = succeeded_many3;
    EXPECT(MQTTAsync_subscribeMany(c->handle, 2, filters, qos, &o) == MQTTASYNC_SUCCESS);
    wait_for(&c->outcome.over);
    EXPECT(c->outcome.well && c->outcome.codes[0] == 1 && c->outcome.codes[1] == denied);
    for (int q = 1; q <= 2; q++) { /* to one of 3.1.1 it looks as if it had been taken */
        EXPECT(publish(c, "closed", "no", q, false) == (version != 5));
        EXPECT(version != 5 || c->outcome.codes[0] == denied);
    }
    EXPECT(publish(c, mine, "after it", 1, false));
    comes(c, 1, mine, "after it", 1, false);
}

int main(int argc, char **argv)
{
    struct client pub;
    if (argc != 3)
        return 2;
    where = argv[1];
    version = atoi(argv[2]);
    client_connect(&pub, "pub");
    messages_pass(&pub);
    denials_are_said(&pub);
    client_end(&pub);
    return 0;
}
